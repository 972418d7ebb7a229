use std::fmt;
use std::io;
use std::string::FromUtf8Error;

use crate::bindings::lockgate::datastore::types::Failure;

/// What the functions of this crate and of a plugin return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed: a [`Failure`] of the contract with a readable form.
///
/// `?` turns failures, I/O errors and JSON errors into it, and it into I/O errors; an error that travels through
/// [`std::io`] and back keeps its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Failure);

impl Error {
    /// The operator's configuration is wrong; `message` says which key.
    pub fn config(message: impl Into<String>) -> Self {
        Self(Failure::Config(message.into()))
    }

    /// Credentials were refused.
    pub fn auth(message: impl Into<String>) -> Self {
        Self(Failure::Auth(message.into()))
    }

    /// A capability was not granted.
    pub fn denied(message: impl Into<String>) -> Self {
        Self(Failure::Denied(message.into()))
    }

    /// The endpoint is down or timed out.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self(Failure::Unreachable(message.into()))
    }

    /// A version, feature or topology that the plugin does not handle.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self(Failure::Unsupported(message.into()))
    }

    /// The target is not in the needed state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self(Failure::Conflict(message.into()))
    }

    /// Data does not parse or does not verify.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self(Failure::Corrupt(message.into()))
    }

    /// The operator stopped the run.
    #[must_use]
    pub fn cancelled() -> Self {
        Self(Failure::Cancelled)
    }

    /// Anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self(Failure::Other(message.into()))
    }

    /// The kind with its message, to match on.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0
    }

    /// What was said when the error was made.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.0 {
            Failure::Config(message)
            | Failure::Auth(message)
            | Failure::Denied(message)
            | Failure::Unreachable(message)
            | Failure::Unsupported(message)
            | Failure::Conflict(message)
            | Failure::Corrupt(message)
            | Failure::Other(message) => message,
            Failure::Cancelled => "cancelled",
        }
    }

    /// The same error with `what` was being done in front of its message.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        match &mut self.0 {
            Failure::Config(message)
            | Failure::Auth(message)
            | Failure::Denied(message)
            | Failure::Unreachable(message)
            | Failure::Unsupported(message)
            | Failure::Conflict(message)
            | Failure::Corrupt(message)
            | Failure::Other(message) => *message = format!("{what}: {message}"),
            Failure::Cancelled => {}
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.message())
    }
}

impl std::error::Error for Error {}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// Puts `what` in front of the error's message.
    ///
    /// # Errors
    /// The error of `self`.
    fn context(self, what: impl fmt::Display) -> Result<T>;

    /// Like [`Context::context`], with a text that is only made when it is needed.
    ///
    /// # Errors
    /// The error of `self`.
    fn with_context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(what))
    }

    fn with_context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.into().context(what()))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.0
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Error(failure).into()
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error.0 {
            Failure::Config(_) => io::ErrorKind::InvalidInput,
            Failure::Auth(_) | Failure::Denied(_) => io::ErrorKind::PermissionDenied,
            Failure::Unreachable(_) => io::ErrorKind::ConnectionAborted,
            Failure::Unsupported(_) => io::ErrorKind::Unsupported,
            Failure::Conflict(_) => io::ErrorKind::AlreadyExists,
            Failure::Corrupt(_) => io::ErrorKind::InvalidData,
            // Not `Interrupted`, which makes `read_exact` and `write_all` try again for ever.
            Failure::Cancelled | Failure::Other(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        if let Some(own) = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return own.clone();
        }
        let message = error.to_string();
        match error.kind() {
            Kind::InvalidInput => Self::config(message),
            Kind::PermissionDenied => Self::denied(message),
            Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::TimedOut => Self::unreachable(message),
            Kind::Unsupported => Self::unsupported(message),
            Kind::AlreadyExists => Self::conflict(message),
            Kind::InvalidData | Kind::UnexpectedEof => Self::corrupt(message),
            _ => Self::other(message),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::corrupt(error.to_string())
    }
}

impl From<FromUtf8Error> for Error {
    fn from(error: FromUtf8Error) -> Self {
        Self::corrupt(error.to_string())
    }
}

impl From<std::str::Utf8Error> for Error {
    fn from(error: std::str::Utf8Error) -> Self {
        Self::corrupt(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_kind_on_the_way_through_io() {
        let all = [
            Error::config("a"),
            Error::auth("b"),
            Error::denied("c"),
            Error::unreachable("d"),
            Error::unsupported("e"),
            Error::conflict("f"),
            Error::corrupt("g"),
            Error::cancelled(),
            Error::other("h"),
        ];
        for error in all {
            let through = Error::from(io::Error::from(error.clone()));
            assert_eq!(through, error);
        }
    }

    #[test]
    fn context_stands_before_the_message_and_keeps_the_kind() {
        let failed: Result<()> = Err(Failure::Auth("user root".into())).context("connecting");
        let error = failed.unwrap_err();
        assert_eq!(error.to_string(), "connecting: user root");
        assert!(matches!(error.failure(), Failure::Auth(_)));
    }

    #[test]
    fn an_end_too_early_is_corrupt() {
        let error = Error::from(io::Error::from(io::ErrorKind::UnexpectedEof));
        assert!(matches!(error.failure(), Failure::Corrupt(_)));
    }
}
