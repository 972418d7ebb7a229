use std::fmt::Write as _;

use lockgate_types::Digest;
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;
/// What tokens begin with, so that those who look for leaked secrets find them.
const PREFIX: &str = "lockgate_";

/// A token that nobody had before, and what the configuration may hold of it.
pub struct NewToken {
    /// For the user. It is kept nowhere.
    pub token: String,
    /// For `token-sha256`.
    pub hash: Digest,
}

impl NewToken {
    /// Draws one; none when the system has no random bytes.
    #[must_use]
    pub fn draw() -> Option<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let mut token = PREFIX.to_owned();
        for byte in bytes {
            write!(token, "{byte:02x}").ok()?;
        }
        let hash = hash(&token);
        Some(Self { token, hash })
    }
}

/// SHA-256 of a token.
pub(crate) fn hash(token: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    Digest(bytes)
}
