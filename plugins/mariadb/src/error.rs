//! Why something did not work, and how that is told to the host.

use lockgate_plugin as contract;

use crate::limits::MESSAGE_CHARACTERS_MAX;

/// Why an exchange with the server, or the work on what it said, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with an error packet.
    #[error("{0}")]
    Server(ServerError),
    /// The connection broke.
    #[error("the connection to the server broke: {0}")]
    Lost(String),
    /// The server's bytes do not follow the protocol.
    #[error("the server does not follow the protocol: {0}")]
    Protocol(&'static str),
    /// Anything that is told to the host as it is.
    #[error("{0}")]
    Told(contract::Error),
}

/// An error packet. Codes: <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (server error {code})")]
pub struct ServerError {
    /// The number.
    pub code: u16,
    /// Made safe to print.
    pub message: String,
}

impl Error {
    /// The number of the server's error, when it is one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Server(error) => Some(error.code),
            _ => None,
        }
    }

    /// Whether the object that the statement names does not exist (tables, views, routines, databases).
    pub fn is_missing_object(&self) -> bool {
        matches!(self.code(), Some(1146 | 1356 | 1305 | 1049 | 4091))
    }

    /// The same error with what was being done in front.
    #[must_use]
    pub fn during(self, doing: &str) -> Self {
        match self {
            Self::Server(error) => Self::Server(ServerError {
                code: error.code,
                message: format!("{doing}: {}", error.message),
            }),
            Self::Lost(reason) => Self::Lost(format!("{reason} ({doing})")),
            Self::Told(told) => Self::Told(told.context(doing)),
            Self::Protocol(_) => Self::Told(contract::Error::from(self).context(doing)),
        }
    }
}

impl From<contract::Error> for Error {
    fn from(error: contract::Error) -> Self {
        Self::Told(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        // What the host refused on the way through `std::io` keeps its kind; anything else is a broken connection.
        match error.get_ref().and_then(|inner| inner.downcast_ref::<contract::Error>()) {
            Some(told) => Self::Told(told.clone()),
            None => Self::Lost(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Told(error.into())
    }
}

impl From<Error> for contract::Error {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Told(told) => told,
            Error::Lost(_) => Self::unreachable(text),
            Error::Protocol(_) => Self::corrupt(text),
            Error::Server(server) => told(&server),
        }
    }
}

fn told(error: &ServerError) -> contract::Error {
    let text = error.to_string();
    match error.code {
        // Too many connections, shutdown, killed, gone away, lock wait timeout, deadlock.
        1040 | 1053 | 1077 | 1152..=1161 | 1203 | 1205 | 1213 | 1226 | 1927 => {
            contract::Error::unreachable(text)
        }
        1045 | 1129 | 1130 | 1698 | 1862 | 4151 => contract::Error::auth(text),
        1044 | 1142 | 1143 | 1227 | 1290 | 1370 | 1410 | 1419 => contract::Error::auth(format!(
            "{text}; the account lacks a privilege: the README of this plugin has the GRANT statement"
        )),
        1412 => contract::Error::conflict(format!(
            "{text}; a table was altered while the backup ran: run the backup again"
        )),
        1007 | 1050 | 1062 | 1304 | 1359 | 1396 | 1537 => contract::Error::conflict(text),
        1034 | 1035 | 1194 | 1195 => contract::Error::corrupt(text),
        _ => contract::Error::other(text),
    }
}

/// Foreign text on one line, without control characters, at most [`MESSAGE_CHARACTERS_MAX`] characters.
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text
        .chars()
        .take(MESSAGE_CHARACTERS_MAX)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if text.chars().nth(MESSAGE_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
