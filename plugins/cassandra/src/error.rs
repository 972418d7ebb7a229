//! Why something did not work, and how that is told to the host.

use lockgate_plugin::{Error as Told, ExchangeError, Refusal};

/// Why an exchange with the server, or the work on what it said, failed.
pub type Error = ExchangeError<ServerError>;

/// An answer `ERROR`. Codes: section 8 of
/// <https://github.com/apache/cassandra/blob/cassandra-5.0/doc/native_protocol_v5.spec>.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (server error 0x{code:04x})")]
pub struct ServerError {
    /// The number.
    pub code: i32,
    /// Made safe to print.
    pub message: String,
}

/// Codes that the plugin tells apart.
#[allow(missing_docs, reason = "named as in the specification")]
pub mod code {
    pub const BAD_CREDENTIALS: i32 = 0x0100;
    pub const UNAVAILABLE: i32 = 0x1000;
    pub const OVERLOADED: i32 = 0x1001;
    pub const BOOTSTRAPPING: i32 = 0x1002;
    pub const TRUNCATE: i32 = 0x1003;
    pub const WRITE_TIMEOUT: i32 = 0x1100;
    pub const READ_TIMEOUT: i32 = 0x1200;
    pub const READ_FAILURE: i32 = 0x1300;
    pub const WRITE_FAILURE: i32 = 0x1500;
    pub const UNAUTHORIZED: i32 = 0x2100;
    pub const INVALID: i32 = 0x2200;
    pub const ALREADY_EXISTS: i32 = 0x2400;
    pub const UNPREPARED: i32 = 0x2500;
    /// No code of the protocol: what the node answered is too large to be held.
    pub const TOO_LARGE: i32 = -1;
}

impl ServerError {
    /// Whether the same question may be answered a moment later, and nothing was done.
    pub fn is_passing(&self) -> bool {
        matches!(self.code, code::UNAVAILABLE | code::OVERLOADED | code::BOOTSTRAPPING)
    }

    /// Whether too few replicas answered in time: a write may have been done or not.
    pub fn is_timeout(&self) -> bool {
        matches!(self.code, code::WRITE_TIMEOUT | code::READ_TIMEOUT)
    }
}

impl Refusal for ServerError {
    fn during(self, doing: &str) -> Self {
        Self { message: format!("{doing}: {}", self.message), ..self }
    }

    fn told(self) -> Told {
        let text = self.to_string();
        match self.code {
            code::BAD_CREDENTIALS => {
                Told::auth(format!("the cluster refuses credentials.account: {text}"))
            }
            code::UNAUTHORIZED => Told::auth(format!(
                "{text}; the role lacks a permission: docs/plugins/cassandra.md has the GRANT statements"
            )),
            code::UNAVAILABLE => Told::unreachable(format!(
                "{text}; too few replicas are up for this consistency level: start the nodes that are down, or lower \
                 `consistency`"
            )),
            code::OVERLOADED
            | code::BOOTSTRAPPING
            | code::TRUNCATE
            | code::WRITE_TIMEOUT
            | code::READ_TIMEOUT
            | code::READ_FAILURE
            | code::WRITE_FAILURE => Told::unreachable(text),
            code::ALREADY_EXISTS => Told::conflict(text),
            code::UNPREPARED => Told::conflict(format!(
                "{text}; the table was altered while it was read or written: run it again"
            )),
            code::TOO_LARGE => Told::unsupported(text),
            _ => Told::other(text),
        }
    }
}
