//! Why something did not work, and how that is told to the host.

use lockgate_plugin::{Error as Told, ExchangeError, Refusal};

/// Why an exchange with the server, or the work on what it said, failed.
pub type Error = ExchangeError<ServerError>;

/// What the server answered when it was asked for something.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {code}")]
pub struct ServerError {
    /// What it says.
    pub code: Code,
    /// What was asked for.
    pub doing: String,
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

impl ServerError {
    /// The server's error while `doing` something.
    pub fn new(code: Code, doing: impl Into<String>) -> Self {
        Self { code, doing: doing.into() }
    }
}

impl Refusal for ServerError {
    fn during(self, doing: &str) -> Self {
        Self { doing: format!("{doing}: {}", self.doing), ..self }
    }

    fn told(self) -> Told {
        let text = self.to_string();
        match self.code.0 {
            -4 | -7 | -112 | -118 | -119 | -122 | -127 => Told::unreachable(text),
            -102 => Told::auth(format!(
                "{text}; log in as `super` or as a user that the node's ACL names, or leave the node out with `exclude`"
            )),
            -115 | -124 => Told::auth(text),
            -6 => Told::unsupported(text),
            -101 | -103 | -108 | -110 | -111 | -114 | -125 => Told::conflict(text),
            _ => Told::other(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_that_forbids_is_told_as_a_matter_of_the_account() {
        let told = Told::from(Error::Server(ServerError::new(Code::NO_AUTH, "read /a")));
        assert!(matches!(told.failure(), lockgate_plugin::Failure::Auth(_)));
        assert!(told.message().contains("read /a") && told.message().contains("super"), "{told}");
    }
}
