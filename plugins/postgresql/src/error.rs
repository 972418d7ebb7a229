//! Why something did not work, and how that is told to the host.

use lockgate_plugin as contract;

use crate::limits::MESSAGE_CHARACTERS_MAX;

/// Why an exchange with the server, or the work on what it said, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with an error.
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

/// An `ErrorResponse`. Codes: <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
pub struct ServerError {
    /// Five characters.
    pub code: String,
    /// Made safe to print.
    pub message: String,
}

impl Error {
    /// The SQLSTATE of the server's error, when it is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Server(error) => Some(&error.code),
            _ => None,
        }
    }

    /// Whether what is to be made is there already.
    pub fn is_duplicate(&self) -> bool {
        let codes = ["42710", "42P06", "42P07", "42723", "42701", "42P04", "42P16", "23505"];
        self.code().is_some_and(|code| codes.contains(&code))
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
            Error::Server(server) => told(&server, text),
        }
    }
}

fn told(error: &ServerError, text: String) -> contract::Error {
    let document = "docs/plugins/postgresql.md has the GRANT statements";
    match error.code.as_str() {
        "28000" | "28P01" => contract::Error::auth(text),
        "42501" => {
            contract::Error::auth(format!("{text}; the account lacks a privilege: {document}"))
        }
        "3D000" => contract::Error::config(format!("{text}; see `database` and `databases`")),
        "55P03" => contract::Error::conflict(format!(
            "{text}; somebody holds or wants a lock on it, to alter it for instance: run again, or raise lock-wait-seconds"
        )),
        "42704" if text.contains("role ") => contract::Error::conflict(format!(
            "{text}; restore the part _roles too, or set owners = false to leave owners and grants out"
        )),
        "42704" | "42P01" | "42883" | "3F000" => {
            contract::Error::conflict(format!("{text}; restore the part DATABASE/_schema too"))
        }
        "2BP01" => contract::Error::conflict(text),
        "42710" | "42P04" | "42P06" | "42P07" | "42723" | "23505" => {
            contract::Error::conflict(format!("{text}; allow to overwrite, or rename"))
        }
        "0A000" => contract::Error::unsupported(text),
        "22P02" | "22P03" | "22P04" | "22021" => contract::Error::corrupt(text),
        "40001" | "40P01" => contract::Error::unreachable(text),
        code => match code.get(..2) {
            Some("08" | "53" | "57" | "58") => contract::Error::unreachable(text),
            Some("XX") => contract::Error::corrupt(text),
            _ => contract::Error::other(text),
        },
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
