//! Secrets. They are read when first needed, stay in this process, and are wiped when the session ends; plugins get answers
//! to challenges.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use lockgate_trust::{CredentialGrant, EndpointGrant, Grants, SecretSource};
use lockgate_types::Failure;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::scheme::{Account, Challenge, respond};
use super::shown::shown;
use crate::limits::{SECRET_BYTES_MAX, SECRET_TIMEOUT};

/// Wiped when it is dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// The credentials that one session may use.
pub struct Credentials {
    grants: BTreeMap<String, CredentialGrant>,
    /// Credentials that endpoints use, with the endpoint: they answer no challenges.
    of_endpoints: BTreeMap<String, String>,
    runtime: Handle,
    secrets: Mutex<HashMap<String, Arc<Secret>>>,
}

/// Shows no secret, not even by accident.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.grants.keys()).finish()
    }
}

impl Credentials {
    /// Reads the grants; looks at no secret yet.
    pub fn new(grants: &Grants, runtime: Handle) -> Self {
        let named = |(name, grant): (&lockgate_types::Name, &CredentialGrant)| {
            (name.to_string(), grant.clone())
        };
        let granted = grants.credentials.iter().map(named).collect();
        let used = |(name, endpoint): (&lockgate_types::Name, &EndpointGrant)| {
            endpoint
                .credential
                .as_ref()
                .map(|credential| (credential.to_string(), name.to_string()))
        };
        let of_endpoints = grants.endpoints.iter().filter_map(used).collect();
        Self { grants: granted, of_endpoints, runtime, secrets: Mutex::default() }
    }

    /// Who a credential is for that an endpoint uses. Not for plugins.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn principal_of(&self, name: &str) -> Result<String, Failure> {
        Ok(self.grant(name)?.principal.clone())
    }

    /// The secret of a credential that an endpoint uses. Not for plugins.
    ///
    /// # Errors
    /// When there is none of that name, or its secret cannot be had.
    pub fn secret_of(&self, name: &str) -> Result<Arc<Secret>, Failure> {
        self.secret(name, self.grant(name)?)
    }

    /// Who the credential is for.
    ///
    /// # Errors
    /// What the plugin is told.
    pub fn principal(&self, name: &str) -> Result<String, Failure> {
        Ok(self.answering(name)?.principal.clone())
    }

    /// Answers a challenge.
    ///
    /// # Errors
    /// What the plugin is told; never anything of the secret.
    pub fn respond(&self, name: &str, challenge: &Challenge<'_>) -> Result<Vec<u8>, Failure> {
        let grant = self.answering(name)?;
        let is_allowed = |schemes: &Vec<String>| schemes.iter().any(|it| it == challenge.scheme);
        if !grant.schemes.as_ref().is_none_or(is_allowed) {
            let scheme = shown(challenge.scheme, 64);
            let text =
                format!("credential {name}: challenges of scheme {scheme} may not be answered");
            return Err(Failure::Denied(text));
        }
        let secret = self.secret(name, grant)?;
        let account = Account {
            principal: &grant.principal,
            secret: &secret,
            domain: grant.domain.as_deref(),
            may_reveal: grant.reveal,
        };
        respond(&account, challenge).map_err(|failure| match failure {
            Failure::Denied(text) => Failure::Denied(format!("credential {name}: {text}")),
            failure => failure,
        })
    }

    /// Shows a secret to the plugin.
    ///
    /// # Errors
    /// What the plugin is told: [`Failure::Denied`] unless its grant has `reveal = true`.
    pub fn reveal(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let grant = self.answering(name)?;
        if !grant.reveal {
            let text =
                "the plugin asked for the secret itself, which needs `reveal = true` in the grant";
            return Err(Failure::Denied(format!("credential {name}: {text}")));
        }
        Ok(self.secret(name, grant)?.to_vec())
    }

    /// A credential that plugins may use. Those of endpoints are not: whoever may choose the challenge could guess the secret
    /// from the answers.
    fn answering(&self, name: &str) -> Result<&CredentialGrant, Failure> {
        match self.of_endpoints.get(name) {
            None => self.grant(name),
            Some(endpoint) => Err(Failure::Denied(format!(
                "credential {name} is used by endpoint {endpoint} and answers no challenges"
            ))),
        }
    }

    fn grant(&self, name: &str) -> Result<&CredentialGrant, Failure> {
        self.grants.get(name).ok_or_else(|| {
            Failure::Denied(format!("credential {} is not granted", shown(name, 64)))
        })
    }

    fn secret(&self, name: &str, grant: &CredentialGrant) -> Result<Arc<Secret>, Failure> {
        // Held while the secret is read, so that a command which asks somebody runs once.
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(secret) = secrets.get(name) {
            return Ok(Arc::clone(secret));
        }
        let secret = grant
            .source()
            .map_err(str::to_owned)
            .and_then(|source| self.read(name, &source))
            .map_err(|cause| Failure::Config(format!("credential {name}: {cause}")))?;
        let secret = Arc::new(secret);
        secrets.insert(name.to_owned(), Arc::clone(&secret));
        Ok(secret)
    }

    fn read(&self, name: &str, source: &SecretSource) -> Result<Secret, String> {
        match source {
            SecretSource::File(path) => first_line(&from_file(name, path)?),
            SecretSource::Variable(variable) => match std::env::var_os(variable) {
                Some(value) => Ok(Zeroizing::new(value.into_encoded_bytes())),
                None => Err(format!("the variable {variable} is not set")),
            },
            SecretSource::Systemd(credential) => {
                // `systemd.exec(5)`, section "Credentials".
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    format!("systemd passed no credentials: `LoadCredential={credential}:...` in the unit")
                })?;
                first_line(&from_file(name, &Path::new(&folder).join(credential))?)
            }
            SecretSource::Command(command) => {
                // The timer needs the runtime that `block_on` enters.
                let work = async { timeout(SECRET_TIMEOUT, from_command(command)).await };
                let output = self.runtime.block_on(work).unwrap_or_else(|_| {
                    let seconds = SECRET_TIMEOUT.as_secs();
                    Err(format!("its secret-command did not end within {seconds} s"))
                })?;
                let line = first_line(&output)?;
                if line.is_empty() {
                    Err("its secret-command printed nothing".into())
                } else {
                    Ok(line)
                }
            }
        }
    }
}

fn from_file(name: &str, path: &Path) -> Result<Secret, String> {
    let fault = |error: std::io::Error| format!("could not read {}: {error}", path.display());
    let file = File::open(path).map_err(fault)?;
    if file.metadata().is_ok_and(|status| status.mode() & 0o077 != 0) {
        tracing::warn!(credential = name, file = %path.display(), "the secret's file is open to others");
    }
    let mut content = Zeroizing::new(Vec::with_capacity(1024));
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut content).map_err(fault)?;
    Ok(content)
}

async fn from_command(command: &[String]) -> Result<Secret, String> {
    let (program, arguments) = command.split_first().ok_or("its secret-command is empty")?;
    let fault = |error: std::io::Error| format!("could not run {program}: {error}");
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(fault)?;
    let mut content = Zeroizing::new(Vec::with_capacity(1024));
    if let Some(output) = child.stdout.take() {
        output.take(SECRET_BYTES_MAX + 1).read_to_end(&mut content).await.map_err(fault)?;
    }
    match child.wait().await.map_err(fault)? {
        status if status.success() => Ok(content),
        status => Err(format!("{program} failed: {status}")),
    }
}

fn first_line(content: &Secret) -> Result<Secret, String> {
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("the secret is longer than {SECRET_BYTES_MAX} bytes"));
    }
    Ok(Zeroizing::new(line.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(text: &str) -> (tokio::runtime::Runtime, Credentials) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let credentials: BTreeMap<lockgate_types::Name, CredentialGrant> =
            serde_json::from_str(text).unwrap();
        let grants = Grants { credentials, ..Grants::default() };
        let credentials = Credentials::new(&grants, runtime.handle().clone());
        (runtime, credentials)
    }

    fn reveal(credentials: &Credentials, name: &str) -> Result<Vec<u8>, Failure> {
        let parameters = [("encrypted".to_owned(), vec![1])];
        let challenge =
            Challenge { scheme: "caching_sha2_password_full", bytes: &[], parameters: &parameters };
        credentials.respond(name, &challenge)
    }

    #[test]
    fn the_first_line_of_a_command_or_a_file_is_the_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from a file\r\nsecond line\n").unwrap();
        let text = format!(
            r#"{{"file": {{"principal": "a", "secret-file": {:?}, "reveal": true}},
                 "command": {{"principal": "b", "secret-command": ["printf", "from a command\nmore"], "reveal": true}}}}"#,
            file.path()
        );
        let (_runtime, credentials) = credentials(&text);
        assert_eq!(reveal(&credentials, "file").unwrap(), b"from a file\0");
        assert_eq!(reveal(&credentials, "command").unwrap(), b"from a command\0");
        assert_eq!(credentials.principal("file").unwrap(), "a");
    }

    #[test]
    fn missing_secrets_are_named_and_ungranted_ones_denied() {
        let text = r#"{"file": {"principal": "a", "secret-file": "/nonexistent"},
                       "variable": {"principal": "a", "secret-variable": "LOCKGATE_TEST_UNSET"},
                       "failing": {"principal": "a", "secret-command": ["false"]},
                       "silent": {"principal": "a", "secret-command": ["true"]}}"#;
        let (_runtime, credentials) = credentials(text);
        for (name, part) in [
            ("file", "could not read /nonexistent"),
            ("variable", "LOCKGATE_TEST_UNSET is not set"),
            ("failing", "false failed"),
            ("silent", "printed nothing"),
        ] {
            let Err(Failure::Config(text)) = reveal(&credentials, name) else { panic!("{name}") };
            assert!(
                text.starts_with(&format!("credential {name}: ")) && text.contains(part),
                "{text}"
            );
        }
        assert!(matches!(credentials.principal("other"), Err(Failure::Denied(_))));
    }

    #[test]
    fn only_schemes_of_the_grant_are_answered() {
        let text = r#"{"backup": {"principal": "a", "secret-command": ["printf", "x"], "schemes": ["client_ed25519"]}}"#;
        let (_runtime, credentials) = credentials(text);
        let answer = |scheme: &str, bytes: &[u8]| {
            credentials.respond("backup", &Challenge { scheme, bytes, parameters: &[] })
        };
        assert!(answer("client_ed25519", &[0; 32]).is_ok());
        let Err(Failure::Denied(text)) = answer("mysql_native_password", &[0; 20]) else {
            panic!()
        };
        assert!(text.contains("backup") && text.contains("mysql_native_password"), "{text}");
    }

    #[test]
    fn a_secret_is_revealed_only_when_its_grant_says_so() {
        let text = r#"{"open": {"principal": "a", "secret-command": ["printf", "hunter2"], "reveal": true},
                       "closed": {"principal": "a", "secret-command": ["printf", "hunter2"]}}"#;
        let (_runtime, credentials) = credentials(text);
        assert_eq!(credentials.reveal("open").unwrap(), b"hunter2");
        let Err(Failure::Denied(text)) = credentials.reveal("closed") else { panic!() };
        assert!(text.contains("reveal = true") && !text.contains("hunter2"), "{text}");
        assert!(matches!(credentials.reveal("other"), Err(Failure::Denied(_))));
    }

    #[test]
    fn a_secret_is_shown_only_when_its_grant_says_so() {
        let text = r#"{"backup": {"principal": "a", "secret-command": ["printf", "hunter2"]}}"#;
        let (_runtime, credentials) = credentials(text);
        let Err(Failure::Denied(text)) = reveal(&credentials, "backup") else { panic!() };
        assert!(text.contains("reveal") && !text.contains("hunter2"), "{text}");
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
