use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use lockgate_types::Name;

/// What the operator lets one source's plugin reach. Empty by default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Grants {
    /// Servers, by the name that the plugin uses.
    pub endpoints: BTreeMap<Name, EndpointGrant>,
    /// Folders, by the name that the plugin uses.
    pub folders: BTreeMap<Name, FolderGrant>,
    /// Credentials, by the name that the plugin uses.
    pub credentials: BTreeMap<Name, CredentialGrant>,
    /// Wall and monotonic time.
    pub clock: bool,
    /// Random bytes.
    pub random: bool,
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EndpointGrant {
    /// `host:port`, with an IPv6 host in brackets.
    pub address: String,
    /// Whether the host does TLS, and when.
    #[serde(default)]
    pub encryption: Encryption,
    /// PEM file with the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The name that the server's certificate must carry, when it is not the address's host.
    #[serde(default)]
    pub server_name: Option<String>,
    /// PEM file with the certificate, and those that vouch for it, by which the host proves to the server who it is.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// PEM file with the private key of `cert-file`.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// What the host adds to each HTTP request: the credential of that name.
    #[serde(default)]
    pub credential: Option<Name>,
    /// How `credential` stands in a request.
    #[serde(default)]
    pub scheme: Option<HttpScheme>,
    /// The header's name with `scheme = "header"`.
    #[serde(default)]
    pub header: Option<String>,
    /// Where the cluster's other members may be.
    #[serde(default)]
    pub members: Vec<MemberRange>,
}

/// How a credential stands in an HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpScheme {
    /// User name and password (RFC 7617).
    Basic,
    /// A token (RFC 6750).
    Bearer,
    /// The secret alone, in a header that the grant names.
    Header,
}

/// Addresses and ports that `connect-member` may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MemberRange {
    /// An address range in CIDR notation (RFC 4632), for example `10.2.0.0/24`.
    pub network: String,
    /// The ports.
    pub ports: Vec<u16>,
}

/// Whether the host does TLS on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// Never.
    Off,
    /// When the plugin asks for it in the middle of the protocol (`start-tls`).
    #[default]
    Start,
    /// Before the first byte.
    Immediate,
}

impl Encryption {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Start, Self::Immediate];

    /// The word in TOML.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Start => "start",
            Self::Immediate => "immediate",
        }
    }

    /// What it means, to be read after a comma.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Off => "without TLS",
            Self::Start => "with TLS when the protocol asks for it",
            Self::Immediate => "with TLS from the first byte",
        }
    }
}

/// One folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FolderGrant {
    /// Where it is.
    pub path: PathBuf,
    /// What may be done in it.
    #[serde(default)]
    pub access: Access,
    /// Whether parts of its files may be locked, which other programs then wait for. Exclusively only what is created in it.
    #[serde(default)]
    pub locks: bool,
}

/// What may be done in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Look.
    #[default]
    Read,
    /// Look and change.
    ReadWrite,
}

/// One credential: who, and where the secret is found. The secret itself never stands in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialGrant {
    /// The user name.
    pub principal: String,
    /// A file whose first line is the secret.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// An environment variable of the host.
    #[serde(default)]
    pub secret_variable: Option<String>,
    /// A command whose first line of output is the secret; no shell.
    #[serde(default)]
    pub secret_command: Option<Vec<String>>,
    /// A credential that systemd passes to the host: a file of this name in `$CREDENTIALS_DIRECTORY`.
    #[serde(default)]
    pub secret_credential: Option<String>,
    /// What each message begins with that is answered by `hmac-sha256`.
    #[serde(default)]
    pub domain: Option<String>,
    /// Whether the plugin may see the secret itself, for protocols that cannot do without. Otherwise the host answers
    /// challenges and never hands the secret over.
    #[serde(default)]
    pub reveal: bool,
    /// The authentication schemes that may be answered; none for all that the plugin asks for.
    #[serde(default)]
    pub schemes: Option<Vec<String>>,
}

/// One thing that was granted, to tell afterwards whether it was used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Granted {
    /// The clock.
    Clock,
    /// Random bytes.
    Random,
    /// The endpoint of this name.
    Endpoint(Name),
    /// Other members of the cluster of the endpoint of this name.
    Members(Name),
    /// The folder of this name.
    Folder(Name),
    /// Locks on files of the folder of this name.
    Locks(Name),
    /// The credential of this name.
    Credential(Name),
    /// The secret itself of the credential of this name.
    Reveal(Name),
}

impl fmt::Display for Granted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock => formatter.write_str("clock"),
            Self::Random => formatter.write_str("random"),
            Self::Endpoint(name) => write!(formatter, "endpoints.{name}"),
            Self::Members(name) => write!(formatter, "endpoints.{name}.members"),
            Self::Folder(name) => write!(formatter, "folders.{name}"),
            Self::Locks(name) => write!(formatter, "folders.{name}.locks"),
            Self::Credential(name) => write!(formatter, "credentials.{name}"),
            Self::Reveal(name) => write!(formatter, "credentials.{name}.reveal"),
        }
    }
}

impl Grants {
    /// Each thing that is granted.
    #[must_use]
    pub fn each(&self) -> BTreeSet<Granted> {
        let mut all = BTreeSet::new();
        all.extend(self.clock.then_some(Granted::Clock));
        all.extend(self.random.then_some(Granted::Random));
        for (name, endpoint) in &self.endpoints {
            all.insert(Granted::Endpoint(name.clone()));
            all.extend((!endpoint.members.is_empty()).then(|| Granted::Members(name.clone())));
        }
        for (name, folder) in &self.folders {
            all.insert(Granted::Folder(name.clone()));
            all.extend(folder.locks.then(|| Granted::Locks(name.clone())));
        }
        for (name, credential) in &self.credentials {
            all.insert(Granted::Credential(name.clone()));
            all.extend(credential.reveal.then(|| Granted::Reveal(name.clone())));
        }
        all
    }
}
