//! The client side of PostgreSQL's protocol, version 3.0, over any byte stream. Written from the public description:
//! <https://www.postgresql.org/docs/15/protocol.html>.
//!
//! Nothing that the server says is trusted: every length is checked against what is there, every size is bounded.

pub mod message;
pub mod row;
pub mod startup;

use std::io::{Read, Write};

use crate::error::Error;

/// A byte stream to the server that can become TLS in the middle.
pub trait Stream: Read + Write {
    /// Turns the stream into TLS; no bytes may be in flight.
    ///
    /// # Errors
    /// When the peer does not do TLS or its certificate is not trusted.
    fn start_tls(&mut self) -> Result<(), Error>;

    /// Whether the bytes are encrypted.
    fn is_encrypted(&self) -> bool;
}

/// Answers the server's challenges in the name of an account.
pub trait Authenticator {
    /// The user name.
    fn principal(&self) -> String;

    /// Answers `challenge` in the way of `scheme`, as the contract's `credential.respond`.
    ///
    /// # Errors
    /// When the scheme is unknown or the credential is not granted.
    fn respond(
        &self,
        scheme: &str,
        challenge: &[u8],
        parameters: &[(String, Vec<u8>)],
    ) -> Result<Vec<u8>, Error>;
}
