//! One account, whose password this process holds.

use std::sync::OnceLock;

use lockgate_plugin::Failure;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

static ACCOUNT: OnceLock<Credential> = OnceLock::new();

/// Says who signs in.
pub fn sign_in(principal: &str, password: &str) {
    let (principal, password) = (principal.to_owned(), password.to_owned());
    ACCOUNT.get_or_init(|| Credential { principal, password });
}

/// An account.
#[derive(Clone, Debug)]
pub struct Credential {
    principal: String,
    password: String,
}

/// The account.
///
/// # Errors
/// When nobody signed in.
pub fn open(_name: &str) -> Result<Credential, Failure> {
    ACCOUNT.get().cloned().ok_or_else(|| Failure::Config("nobody signed in".to_owned()))
}

/// No measured plugin takes the secret itself.
pub mod reveal {
    use lockgate_plugin::Failure;

    /// Nothing.
    ///
    /// # Errors
    /// Always.
    pub fn reveal(_credential: &super::Credential) -> Result<Vec<u8>, Failure> {
        Err(Failure::Unsupported("no secret is shown".to_owned()))
    }
}

impl Credential {
    /// The user.
    #[must_use]
    pub fn principal(&self) -> String {
        self.principal.clone()
    }

    /// Answers `mysql_native_password`, which is what the measured server asks for:
    /// <https://mariadb.com/kb/en/authentication-plugin-mysql_native_password/>.
    ///
    /// # Errors
    /// For every other scheme.
    pub fn respond(
        &self,
        scheme: &str,
        challenge: &[u8],
        _parameters: &[(String, Vec<u8>)],
    ) -> Result<Vec<u8>, Failure> {
        if scheme != "mysql_native_password" {
            return Err(Failure::Unsupported(format!("scheme {scheme}")));
        }
        let hash = |bytes: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec();
        let once = hash(self.password.as_bytes());
        let mask = hash(&[challenge, &hash(&once)].concat());
        Ok(once.iter().zip(mask).map(|(left, right)| left ^ right).collect())
    }
}
