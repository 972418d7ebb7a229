//! The client side of the MariaDB and MySQL protocol, over any byte stream. Written from the public descriptions:
//! <https://mariadb.com/kb/en/clientserver-protocol/> and
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>.
//!
//! Nothing that the server says is trusted: every length is checked against what is there, every size is bounded.

pub mod command;
pub mod frames;
pub mod handshake;
pub mod packet;
pub mod text;
pub mod value;

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

    /// Answers `challenge` in the way of the authentication plugin `scheme`. `is_encrypted` says whether the answer goes
    /// over TLS.
    ///
    /// # Errors
    /// When the scheme is unknown or the credential is not granted.
    fn respond(&self, scheme: &str, challenge: &[u8], is_encrypted: bool)
    -> Result<Vec<u8>, Error>;
}
