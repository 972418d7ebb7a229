use std::path::PathBuf;

use crate::{Address, CredentialGrant, Encryption, EndpointGrant, Grants, Network};

/// Most grants of one kind.
pub const GRANTS_COUNT_MAX: usize = 100;

/// A grant that does not make sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {name:?} {reason}", subject.word())]
pub struct GrantError {
    subject: Subject,
    name: String,
    reason: String,
}

/// What a [`GrantError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// An endpoint of the grants.
    Endpoint,
    /// A folder of the grants.
    Folder,
    /// A credential of the grants.
    Credential,
    /// A text that should be `host:port`.
    Address,
    /// A text that should be an address range.
    Network,
}

impl Subject {
    fn word(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Folder => "folder",
            Self::Credential => "credential",
            Self::Address => "address",
            Self::Network => "address range",
        }
    }
}

impl GrantError {
    pub(crate) fn new(subject: Subject, name: &str, reason: impl Into<String>) -> Self {
        Self { subject, name: name.to_owned(), reason: reason.into() }
    }

    /// What the error is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// The name of the grant, or the text that does not parse.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Where a secret is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable of the host.
    Variable(String),
    /// The first line that a command prints: program and arguments, no shell.
    Command(Vec<String>),
    /// The first line of a file of this name in the folder `$CREDENTIALS_DIRECTORY` (`systemd.exec(5)`, "Credentials").
    Systemd(String),
}

impl Grants {
    /// Checks what can be checked without looking at anything outside.
    ///
    /// # Errors
    /// The first grant that cannot be used as it stands.
    pub fn check(&self) -> Result<(), GrantError> {
        for (name, endpoint) in &self.endpoints {
            endpoint.check(name.as_str())?;
            endpoint.check_client(name.as_str(), self)?;
        }
        for (name, folder) in &self.folders {
            if !folder.path.is_absolute() {
                let reason = format!("has the path {:?}, which is not absolute", folder.path);
                return Err(GrantError::new(Subject::Folder, name.as_str(), reason));
            }
        }
        for (name, credential) in &self.credentials {
            credential
                .source()
                .map_err(|reason| GrantError::new(Subject::Credential, name.as_str(), reason))?;
        }
        self.check_counts()
    }

    fn check_counts(&self) -> Result<(), GrantError> {
        let counts = [
            (Subject::Endpoint, self.endpoints.len()),
            (Subject::Folder, self.folders.len()),
            (Subject::Credential, self.credentials.len()),
        ];
        match counts.into_iter().find(|(_, count)| *count > GRANTS_COUNT_MAX) {
            None => Ok(()),
            Some((subject, count)) => {
                let reason = format!("is one of {count}, more than the {GRANTS_COUNT_MAX} allowed");
                Err(GrantError::new(subject, "*", reason))
            }
        }
    }
}

impl EndpointGrant {
    /// The address in parts.
    ///
    /// # Errors
    /// When it is not `host:port`.
    pub fn address(&self) -> Result<Address, GrantError> {
        self.address.parse()
    }

    fn check(&self, name: &str) -> Result<(), GrantError> {
        let fault = |reason: String| GrantError::new(Subject::Endpoint, name, reason);
        self.address().map_err(|error| fault(format!("has a wrong address: {error}")))?;
        if self.encryption == Encryption::Off
            && (self.ca_file.is_some() || self.server_name.is_some())
        {
            return Err(fault(
                "has `ca-file` or `server-name`, which mean nothing with `encryption = \"off\"`"
                    .into(),
            ));
        }
        for member in &self.members {
            member
                .network
                .parse::<Network>()
                .map_err(|error| fault(format!("has a wrong member range: {error}")))?;
            if member.ports.is_empty() || member.ports.contains(&0) {
                return Err(fault(format!("allows no usable port in {}", member.network)));
            }
        }
        Ok(())
    }
}

impl CredentialGrant {
    /// Where the secret is.
    ///
    /// # Errors
    /// With the reason, when not exactly one place is named.
    pub fn source(&self) -> Result<SecretSource, &'static str> {
        let ways = [
            self.secret_file.clone().map(SecretSource::File),
            self.secret_variable.clone().map(SecretSource::Variable),
            self.secret_command.clone().map(SecretSource::Command),
            self.secret_credential.clone().map(SecretSource::Systemd),
        ];
        let mut named = ways.into_iter().flatten();
        let is_name = |name: &str| {
            !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != ".."
        };
        match (named.next(), named.next()) {
            (None, _) => Err(
                "needs one of `secret-file`, `secret-variable`, `secret-command` and `secret-credential`",
            ),
            (_, Some(_)) => Err(
                "has more than one of `secret-file`, `secret-variable`, `secret-command` and `secret-credential`",
            ),
            (Some(SecretSource::Command(command)), None) if command.is_empty() => {
                Err("has an empty `secret-command`")
            }
            (Some(SecretSource::Systemd(name)), None) if !is_name(&name) => {
                Err("has a `secret-credential` that is no name of a file")
            }
            (Some(source), None) => Ok(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let grants: Grants = toml::from_str(text).unwrap();
        grants.check().unwrap_err().to_string()
    }

    #[test]
    fn good_grants_pass() {
        let text = r#"
            clock = true
            [endpoints.server]
            address = "db.example:3306"
            encryption = "immediate"
            members = [{ network = "10.0.0.0/8", ports = [3306] }]
            [folders.data]
            path = "/srv/data"
            access = "read-write"
            [credentials.backup]
            principal = "backup"
            secret-variable = "DB_PASSWORD"
        "#;
        toml::from_str::<Grants>(text).unwrap().check().unwrap();
        Grants::default().check().unwrap();
    }

    #[test]
    fn wrong_grants_are_named_with_the_reason() {
        assert_eq!(
            fault("[endpoints.server]\naddress = 'db'"),
            "endpoint \"server\" has a wrong address: address \"db\" is not `host:port`"
        );
        assert_eq!(
            fault("[folders.data]\npath = 'data'"),
            "folder \"data\" has the path \"data\", which is not absolute"
        );
        assert_eq!(
            fault("[credentials.backup]\nprincipal = 'x'"),
            "credential \"backup\" needs one of `secret-file`, `secret-variable`, `secret-command` and `secret-credential`"
        );
        for (secrets, part) in [
            ("secret-file = '/x'\nsecret-credential = 'x'", "more than one"),
            ("secret-credential = '../x'", "no name of a file"),
            ("secret-credential = ''", "no name of a file"),
            ("secret-command = []", "empty"),
        ] {
            let text = fault(&format!("[credentials.backup]\nprincipal = 'x'\n{secrets}"));
            assert!(text.contains(part), "{text}");
        }
        assert!(
            fault("[endpoints.s]\naddress='a:1'\nmembers=[{network='10.0.0.0/8',ports=[]}]")
                .contains("no usable port")
        );
        assert!(
            fault("[endpoints.s]\naddress='a:1'\nencryption='off'\nca-file='/x'")
                .contains("mean nothing")
        );
        assert!(toml::from_str::<Grants>("[folders.data]\npath='/x'\nacess='read'").is_err());
    }
}
