//! Why something did not work, and how that is told to the host.

use lockgate_plugin as contract;

use crate::limits::TEXT_CHARACTERS_MAX;

/// Why an exchange with the server, or the work on what it said, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with an error.
    #[error("{doing}: {code}")]
    Server {
        /// What it says.
        code: Code,
        /// What was asked for.
        doing: String,
    },
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

/// A number of `KeeperException.Code`:
/// <https://zookeeper.apache.org/doc/r3.8.0/apidocs/zookeeper-server/org/apache/zookeeper/KeeperException.Code.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

impl Code {
    /// All is well.
    pub const OK: Self = Self(0);
    /// An operation of a transaction that was not tried because another one failed.
    pub const NOT_TRIED: Self = Self(-2);
    /// The server does not know the operation, or it is switched off.
    pub const UNIMPLEMENTED: Self = Self(-6);
    /// There is no such node.
    pub const NO_NODE: Self = Self(-101);
    /// The node's ACL forbids it.
    pub const NO_AUTH: Self = Self(-102);
    /// The node is there already.
    pub const NODE_EXISTS: Self = Self(-110);
    /// The node has children.
    pub const NOT_EMPTY: Self = Self(-111);
    /// An ACL that the server cannot make sense of.
    pub const INVALID_ACL: Self = Self(-114);
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = match self.0 {
            0 => "no error",
            -4 => "connection loss",
            -5 => "the server could not read the request",
            -6 => "the server does not offer this",
            -7 => "the server gave up waiting",
            -8 => "the server does not take these arguments",
            -101 => "no such node",
            -102 => "the node's ACL does not allow it",
            -103 => "another version than expected",
            -108 => "ephemeral nodes have no children",
            -110 => "the node is there already",
            -111 => "the node has children",
            -112 => "the session has expired",
            -114 => "the server does not accept the ACL",
            -115 => "the server refuses the login",
            -118 => "the session has moved to another server",
            -119 => "the server is read-only: it has lost the majority of its ensemble",
            -122 => "the server took too long",
            -124 => "the server wants a login with SASL, which this plugin does not do",
            -125 => "a quota forbids it",
            -127 => "the server has too much to do",
            _ => "an error of the server",
        };
        write!(formatter, "{words} (code {})", self.0)
    }
}

impl Error {
    /// The server's error while `doing` something.
    pub fn server(code: Code, doing: impl Into<String>) -> Self {
        Self::Server { code, doing: doing.into() }
    }

    /// The number of the server's error, when it is one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Server { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The same error with what was being done in front.
    #[must_use]
    pub fn during(self, doing: &str) -> Self {
        match self {
            Self::Server { code, doing: inner } => {
                Self::Server { code, doing: format!("{doing}: {inner}") }
            }
            other => Self::Told(contract::Error::from(other).context(doing)),
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
            Error::Server { code, .. } => told(code, text),
        }
    }
}

fn told(code: Code, text: String) -> contract::Error {
    match code.0 {
        -4 | -7 | -112 | -118 | -119 | -122 | -127 => contract::Error::unreachable(text),
        -102 => contract::Error::auth(format!(
            "{text}; log in as `super` or as a user that the node's ACL names, or leave the node out with `exclude`"
        )),
        -115 | -124 => contract::Error::auth(text),
        -6 => contract::Error::unsupported(text),
        -101 | -103 | -108 | -110 | -111 | -114 | -125 => contract::Error::conflict(text),
        _ => contract::Error::other(text),
    }
}

/// Foreign text on one line, without control characters, at most [`TEXT_CHARACTERS_MAX`] characters.
pub fn printable(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(TEXT_CHARACTERS_MAX)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if text.chars().nth(TEXT_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Some of the names, for a message.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let shown: Vec<String> =
        names.by_ref().take(crate::limits::NAMES_SHOWN).map(printable).collect();
    let more = names.count();
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_that_forbids_is_told_as_a_matter_of_the_account() {
        let told = contract::Error::from(Error::server(Code::NO_AUTH, "read /a"));
        assert!(matches!(told.failure(), contract::Failure::Auth(_)));
        assert!(told.message().contains("read /a") && told.message().contains("super"), "{told}");
    }

    #[test]
    fn foreign_text_is_cut_and_made_safe() {
        assert_eq!(printable("a\nb"), "a b");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), TEXT_CHARACTERS_MAX + 1);
        assert_eq!(listed(["a"; 12]), "a, a, a, a, a, a, a, a, a, a and 2 more");
    }
}
