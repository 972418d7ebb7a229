//! Why something did not work, and how that is told to the host.

use lockgate_plugin::{self as contract, printable};
use serde::Deserialize;

/// Why an exchange with the server, or the work on what it said, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with an error.
    #[error("{0}")]
    Server(ServerError),
    /// Anything that is told to the host as it is.
    #[error("{0}")]
    Told(contract::Error),
}

/// An error of the gateway. Codes: <https://grpc.io/docs/guides/status-codes/>. Messages: `api/v3rpc/rpctypes` of etcd's
/// source.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ServerError {
    /// The number of gRPC.
    pub code: u16,
    /// Made safe to print.
    pub message: String,
}

/// As 3.4 (`error` and `message`) and 3.6 (`message`) write it; errors of streams are inside `error`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(alias = "grpc_code")]
    code: u16,
    message: String,
}

impl ServerError {
    /// What an answer that is no success says.
    pub fn parse(status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<Body>(body) {
            Ok(Body { code, message }) if !message.is_empty() => {
                Self { code, message: printable(&message) }
            }
            _ => {
                let text = printable(String::from_utf8_lossy(body).trim());
                Self { code: 0, message: format!("status {status}: {text}") }
            }
        }
    }

    fn says(&self, words: &str) -> bool {
        self.message.contains(words)
    }
}

impl Error {
    fn says(&self, words: &str) -> bool {
        matches!(self, Self::Server(error) if error.says(words))
    }

    /// The token is not known any more, or the users changed since it was given.
    pub fn is_stale_token(&self) -> bool {
        self.says("invalid auth token") || self.says("revision in header is old")
    }

    /// The server wants to know who asks.
    pub fn is_nobody(&self) -> bool {
        self.says("user name is empty")
    }

    /// Nobody can log in, because authentication is not enabled.
    pub fn is_auth_disabled(&self) -> bool {
        self.says("authentication is not enabled")
    }

    /// The members have no leader at the moment, or have just got another one.
    pub fn is_election(&self) -> bool {
        ["leader changed", "no leader", "request timed out"].iter().any(|words| self.says(words))
    }

    /// Nobody answers, or the answer breaks off.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Told(told) if matches!(told.failure(), contract::Failure::Unreachable(_)))
    }

    /// A lease, user or role of this name is there.
    pub fn is_there_already(&self) -> bool {
        self.says("already exists")
    }

    /// There is no user or role of this name.
    pub fn is_not_there(&self) -> bool {
        self.says("name not found")
    }

    /// The lease has ended.
    pub fn is_lease_gone(&self) -> bool {
        self.says("requested lease not found")
    }

    /// The same error with what was being done in front.
    #[must_use]
    pub fn during(self, doing: &str) -> Self {
        Self::Told(contract::Error::from(self).context(doing))
    }
}

impl From<ServerError> for Error {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl From<contract::Error> for Error {
    fn from(error: contract::Error) -> Self {
        Self::Told(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Told(error.into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Told(error.into())
    }
}

impl From<Error> for contract::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Told(told) => told,
            Error::Server(server) => told(&server),
        }
    }
}

/// Kind and next step of what a server says.
fn told(error: &ServerError) -> contract::Error {
    let text = &error.message;
    let with = |next: &str| format!("{text}; {next}");
    match error.code {
        _ if error.says("revision has been compacted") => contract::Error::conflict(with(
            "a compaction removed the revision that is read: run again, with a larger `parallel`, or let the cluster keep \
             more history (--auto-compaction-retention)",
        )),
        _ if error.says("user name is empty") => contract::Error::auth(with(
            "authentication is enabled: grant `credentials.account` with `reveal = true`",
        )),
        _ if error.says("invalid user ID or password") || error.says("no password user") => {
            contract::Error::auth(with(
                "check the principal and the secret of `credentials.account`",
            ))
        }
        _ if error.says("permission denied") => contract::Error::auth(with(
            "the user's roles do not cover this: docs/plugins/etcd.md says what each part needs",
        )),
        _ if error.says("database space exceeded") => contract::Error::conflict(with(
            "compact and defragment the target, raise --quota-backend-bytes, and disarm the alarm",
        )),
        _ if error.says("request is too large") => {
            contract::Error::unsupported(with("raise --max-request-bytes of the target"))
        }
        _ if error.says("too many operations") => {
            contract::Error::unsupported(with("raise --max-txn-ops of the target to 128"))
        }
        7 | 16 => contract::Error::auth(text.clone()),
        1 | 4 | 8 | 14 => contract::Error::unreachable(text.clone()),
        12 => contract::Error::unsupported(text.clone()),
        6 => contract::Error::conflict(text.clone()),
        15 => contract::Error::corrupt(text.clone()),
        _ => contract::Error::other(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::Failure;

    use super::*;

    #[test]
    fn both_spellings_of_an_error_are_understood() {
        let old =
            br#"{"error":"etcdserver: no leader","message":"etcdserver: no leader","code":14}"#;
        let new = br#"{"code":14, "message":"etcdserver: no leader", "details":[]}"#;
        assert_eq!(ServerError::parse(503, old), ServerError::parse(503, new));
        let stream = br#"{"grpc_code":2,"http_code":500,"message":"auth: user name is empty","http_status":"x"}"#;
        let error = Error::from(ServerError::parse(500, stream));
        assert!(matches!(contract::Error::from(error).failure(), Failure::Auth(_)));
    }

    #[test]
    fn what_is_no_error_of_the_gateway_is_shown_on_one_line() {
        let error = ServerError::parse(404, b"Not\nFound\x1b[31m");
        assert_eq!(error.message, "status 404: Not Found [31m");
    }
}
