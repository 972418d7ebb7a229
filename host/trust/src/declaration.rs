//! `plugin.toml`: what a plugin says of itself and asks for. The build tool puts the file into the component, so the bytes come
//! from strangers.

use std::collections::{BTreeMap, BTreeSet};

use crate::Version;
use lockgate_types::Name;
use serde::Deserialize;

use crate::limits::Limit;
use crate::permission::{Permission, Permissions, PortRange, Wanted, is_scheme};
use crate::text::{is_plain, plain};
use crate::{Access, Encryption, GRANTS_COUNT_MAX};

/// Largest `plugin.toml`, in bytes.
pub const DECLARATION_BYTES_MAX: usize = 64 << 10;

/// The protocol that the host speaks for the plugin.
const HTTP: &str = "http";

/// Longest summary or reason, in bytes: a sentence or two.
const SENTENCE_BYTES_MAX: usize = 400;

/// Most schemes of a credential, ways of encryption and ranges of ports of an endpoint.
const ITEMS_COUNT_MAX: usize = 16;

/// The whole of a `plugin.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Declaration {
    /// Also the name of the component's file.
    pub name: Name,
    /// Of the plugin, after <https://semver.org>.
    pub version: Version,
    /// One line for people.
    pub summary: String,
    /// Servers that it connects to.
    #[serde(default)]
    pub endpoints: BTreeMap<Wanted, EndpointRequest>,
    /// Folders that it reads, and changes during a restore or maintenance.
    #[serde(default)]
    pub folders: BTreeMap<Wanted, FolderRequest>,
    /// Credentials that answer challenges for it.
    #[serde(default)]
    pub credentials: BTreeMap<Wanted, CredentialRequest>,
    /// Wall and monotonic time.
    pub clock: Option<PlainRequest>,
    /// Random bytes.
    pub random: Option<PlainRequest>,
    /// What it needs to use up.
    pub limits: Option<LimitsRequest>,
}

/// A server that the plugin connects to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EndpointRequest {
    /// What is spoken: `http` for the interface of that name, and for people `mysql`, `cql`, ... over `net`.
    pub protocol: String,
    /// The ways of encryption that it can work with.
    pub encryption: BTreeSet<Encryption>,
    /// Ports of other members of the cluster, when the plugin follows the cluster to them.
    #[serde(default)]
    pub member_ports: BTreeSet<PortRange>,
    /// Whether it works without.
    #[serde(default)]
    pub optional: bool,
    /// Why.
    pub reason: String,
}

/// A folder that the plugin looks into.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FolderRequest {
    /// `read-write` changes it, during a restore or maintenance only.
    #[serde(default)]
    pub access: Access,
    /// Why it must lock ranges of files, which other programs then wait for; none when it does not.
    pub locks: Option<String>,
    /// Whether it works without.
    #[serde(default)]
    pub optional: bool,
    /// Why.
    pub reason: String,
}

/// A credential that answers challenges for the plugin.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialRequest {
    /// The authentication schemes that it may come across; empty when it only asks to see the secret.
    #[serde(default)]
    pub schemes: BTreeSet<String>,
    /// Why it must see the secret itself at times; none when it never does.
    pub reveal: Option<String>,
    /// Whether it works without.
    #[serde(default)]
    pub optional: bool,
    /// Why.
    pub reason: String,
}

/// Something that is either asked for or not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PlainRequest {
    /// Whether it works without.
    #[serde(default)]
    pub optional: bool,
    /// Why.
    pub reason: String,
}

/// What the plugin needs to use up; the operator's limits hold for what it does not name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are those of `Limits`")]
pub struct LimitsRequest {
    pub memory_bytes: Option<u64>,
    pub handles: Option<u32>,
    pub busy_ms: Option<u64>,
    pub inspect_ms: Option<u64>,
    pub call_ms: Option<u64>,
    pub silence_ms: Option<u64>,
    /// Why.
    pub reason: String,
}

impl LimitsRequest {
    /// Those that are named.
    pub fn named(&self) -> impl Iterator<Item = (Limit, u64)> {
        let values = [
            self.memory_bytes,
            self.handles.map(u64::from),
            self.busy_ms,
            self.inspect_ms,
            self.call_ms,
            self.silence_ms,
        ];
        Limit::ALL.into_iter().zip(values).filter_map(|(limit, value)| Some((limit, value?)))
    }
}

/// Why a text is no `plugin.toml`. Safe to print.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin.toml: {0}")]
pub struct DeclarationError(String);

impl Declaration {
    /// Reads the text of a `plugin.toml`.
    ///
    /// # Errors
    /// The first mistake: not TOML, an unknown key, something too long, a character that a terminal could stumble over, a
    /// missing reason.
    pub fn parse(bytes: &[u8]) -> Result<Self, DeclarationError> {
        if bytes.len() > DECLARATION_BYTES_MAX {
            return fault(format!(
                "has {} bytes, more than the {DECLARATION_BYTES_MAX} allowed",
                bytes.len()
            ));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| DeclarationError("is not UTF-8 text".to_owned()))?;
        let declaration: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.get(..start).map_or(0, |before| before.matches('\n').count() + 1);
            DeclarationError(format!("line {line}: {}", plain(error.message(), 300)))
        })?;
        declaration.check()?;
        Ok(declaration)
    }

    fn check(&self) -> Result<(), DeclarationError> {
        sentence("summary", &self.summary)?;
        let counts = [self.endpoints.len(), self.folders.len(), self.credentials.len()];
        if counts.into_iter().any(|count| count > GRANTS_COUNT_MAX) {
            return fault(format!("asks for more than {GRANTS_COUNT_MAX} of a kind"));
        }
        for (name, endpoint) in &self.endpoints {
            endpoint.check(&format!("endpoints.{name}"))?;
        }
        for (name, folder) in &self.folders {
            folder.check(&format!("folders.{name}"))?;
        }
        for (name, credential) in &self.credentials {
            credential.check(&format!("credentials.{name}"))?;
        }
        for (name, plain) in [("clock", &self.clock), ("random", &self.random)] {
            plain.iter().try_for_each(|it| sentence(&format!("{name}.reason"), &it.reason))?;
        }
        if let Some(limits) = &self.limits {
            sentence("limits.reason", &limits.reason)?;
            if limits.named().next().is_none() {
                return fault("limits names no limit");
            }
        }
        Ok(())
    }

    /// What it asks for, as single permissions.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        let mut set = BTreeSet::new();
        for (name, endpoint) in &self.endpoints {
            let ways = endpoint.encryption.iter();
            set.extend(ways.map(|way| Permission::Endpoint(name.clone(), *way)));
            let ports = endpoint.member_ports.iter();
            set.extend(ports.map(|range| Permission::Members(name.clone(), *range)));
        }
        for (name, folder) in &self.folders {
            set.insert(Permission::Folder(name.clone(), folder.access));
            set.extend(folder.locks.iter().map(|_| Permission::Locks(name.clone())));
        }
        for (name, credential) in &self.credentials {
            let schemes = credential.schemes.iter();
            set.extend(schemes.map(|it| Permission::Respond(name.clone(), it.clone())));
            set.extend(credential.reveal.iter().map(|_| Permission::Reveal(name.clone())));
        }
        set.extend(self.clock.iter().map(|_| Permission::Clock));
        set.extend(self.random.iter().map(|_| Permission::Random));
        let limits = self.limits.iter().flat_map(LimitsRequest::named);
        set.extend(limits.map(|(limit, value)| Permission::Limit(limit, value)));
        Permissions(set)
    }

    /// The interfaces of the contract that what it asks for belongs to, without package and version.
    #[must_use]
    pub fn interfaces(&self) -> BTreeSet<&'static str> {
        let asked = [
            ("net", self.endpoints.values().any(|it| it.protocol != HTTP)),
            ("http", self.endpoints.values().any(|it| it.protocol == HTTP)),
            ("files", !self.folders.is_empty()),
            ("file-locks", self.folders.values().any(|it| it.locks.is_some())),
            ("credentials", !self.credentials.is_empty()),
            ("clock", self.clock.is_some()),
            ("random", self.random.is_some()),
        ];
        asked.into_iter().filter_map(|(name, is_asked)| is_asked.then_some(name)).collect()
    }
}

impl EndpointRequest {
    fn check(&self, place: &str) -> Result<(), DeclarationError> {
        if !is_scheme(&self.protocol) {
            return fault(format!("{place}.protocol: use 1 to 64 of A-Z, a-z, 0-9, _, - and ."));
        }
        if self.encryption.is_empty() {
            return fault(format!("{place}.encryption: name off, start or immediate"));
        }
        if self.member_ports.len() > ITEMS_COUNT_MAX {
            return fault(format!("{place}.member-ports: at most {ITEMS_COUNT_MAX} ranges"));
        }
        sentence(&format!("{place}.reason"), &self.reason)
    }
}

impl FolderRequest {
    fn check(&self, place: &str) -> Result<(), DeclarationError> {
        self.locks.iter().try_for_each(|it| sentence(&format!("{place}.locks"), it))?;
        sentence(&format!("{place}.reason"), &self.reason)
    }
}

impl CredentialRequest {
    fn check(&self, place: &str) -> Result<(), DeclarationError> {
        let schemes = &self.schemes;
        let wants_nothing = schemes.is_empty() && self.reveal.is_none();
        if wants_nothing || schemes.len() > ITEMS_COUNT_MAX {
            return fault(format!("{place}.schemes: name 1 to {ITEMS_COUNT_MAX} schemes"));
        }
        if !schemes.iter().all(|scheme| is_scheme(scheme)) {
            return fault(format!("{place}.schemes: use 1 to 64 of A-Z, a-z, 0-9, _, - and ."));
        }
        self.reveal.iter().try_for_each(|it| sentence(&format!("{place}.reveal"), it))?;
        sentence(&format!("{place}.reason"), &self.reason)
    }
}

fn sentence(place: &str, text: &str) -> Result<(), DeclarationError> {
    if text.trim().is_empty() {
        return fault(format!("{place}: say it in a sentence"));
    }
    if text.len() > SENTENCE_BYTES_MAX {
        return fault(format!("{place}: at most {SENTENCE_BYTES_MAX} bytes"));
    }
    if !is_plain(text) {
        return fault(format!("{place}: has control characters"));
    }
    Ok(())
}

fn fault<T>(text: impl Into<String>) -> Result<T, DeclarationError> {
    Err(DeclarationError(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = 'x'\nversion = '1.2.3'\nsummary = 'Saves x'\n";

    fn fault_of(text: &str) -> String {
        Declaration::parse(format!("{HEAD}{text}").as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn everything_that_can_be_asked_for() {
        let text = include_str!("../tests/everything.toml");
        let declaration = Declaration::parse(text.as_bytes()).unwrap();
        let lines = declaration.permissions().lines();
        assert_eq!(
            lines,
            [
                "clock",
                "credential account respond SCRAM-SHA-256",
                "credential account respond md5",
                "credential account reveal",
                "endpoint server encryption off",
                "endpoint server encryption start",
                "endpoint server members 7000-7001",
                "endpoint server members 9042",
                "folder * locks",
                "folder * write",
                "folder logs read",
                "limit handles 64",
                "limit memory-bytes 134217728",
                "random",
            ]
        );
        let interfaces: Vec<_> = declaration.interfaces().into_iter().collect();
        assert_eq!(interfaces, ["clock", "credentials", "file-locks", "files", "net", "random"]);
    }

    #[test]
    fn mistakes_are_refused_with_their_place() {
        for (text, part) in [
            ("colour = 1", "line 4: unknown field `colour`"),
            ("[clock]\nreason = 'x'\nrason = 'y'", "line 6: unknown field `rason`"),
            ("[clock]", "missing field `reason`"),
            ("[clock]\nreason = ' '", "clock.reason: say it in a sentence"),
            ("[clock]\nreason = \"a\\u001b[31m\"", "clock.reason: has control characters"),
            ("[clock]\nreason = \"a\\u202e\"", "clock.reason: has control characters"),
            ("[folders.'../x']\nreason = 'y'", "is not a name"),
            ("[folders.a]\naccess = 'append'\nreason = 'y'", "unknown variant"),
            ("[folders.a]\nlocks = true\nreason = 'y'", "line 5: invalid type"),
            ("[folders.a]\nlocks = ' '\nreason = 'y'", "folders.a.locks: say it in a sentence"),
            ("[endpoints.a]\nprotocol = 'x'\nencryption = []\nreason = 'y'", "name off, start"),
            (
                "[endpoints.a]\nprotocol = 'x y'\nencryption = ['off']\nreason = 'y'",
                "endpoints.a.protocol",
            ),
            (
                "[endpoints.a]\nprotocol = 'x'\nencryption = ['off']\nmember-ports = ['0']\nreason = 'y'",
                "ports from 1 to 65535",
            ),
            ("[credentials.a]\nschemes = []\nreason = 'y'", "credentials.a.schemes"),
            ("[credentials.a]\nschemes = ['a b']\nreason = 'y'", "credentials.a.schemes"),
            ("[limits]\nreason = 'y'", "limits names no limit"),
            ("[limits]\nmemory-bytes = -1\nreason = 'y'", "line 5"),
        ] {
            let fault = fault_of(text);
            assert!(fault.contains(part), "{text}: {fault}");
        }
        let long = format!("[clock]\nreason = '{}'", "x".repeat(401));
        assert!(fault_of(&long).contains("at most 400 bytes"));
        let fault = Declaration::parse(&vec![b' '; DECLARATION_BYTES_MAX + 1]).unwrap_err();
        assert!(fault.to_string().contains("more than the 65536 allowed"));
        assert!(Declaration::parse(b"name = '\xff'").is_err());
    }

    #[test]
    fn a_credential_may_be_there_to_be_seen_only() {
        let text = "[credentials.a]\nreveal = 'it is a key'\nreason = 'unseals'";
        let asked = Declaration::parse(
            format!("name = 'x'\nversion = '1.0.0'\nsummary = 's'\n{text}").as_bytes(),
        );
        let lines = asked.unwrap().sentences().join("\n");
        assert!(lines.contains("It uses the credential \"a\": unseals."), "{lines}");
        assert!(
            lines.contains("It asks to see the secret of the credential \"a\" itself"),
            "{lines}"
        );
    }

    #[test]
    fn a_mistake_repeats_no_control_characters() {
        let fault = fault_of("\"\\u001b]0;owned\\u0007\" = 1");
        assert!(is_plain(&fault), "{fault:?}");
    }
}
