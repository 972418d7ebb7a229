//! Why an exchange with a server failed, for plugins that speak a server's protocol themselves.

use std::fmt;
use std::io;

use crate::Error;

/// Characters of foreign text that go into one message.
const MESSAGE_CHARACTERS_MAX: usize = 500;
/// Names that a message tells.
const NAMES_SHOWN_MAX: usize = 10;

/// What a server answers when it does not do what it was asked for, in the terms of its protocol.
pub trait Refusal: fmt::Debug + fmt::Display {
    /// The same with what was being done in front.
    #[must_use]
    fn during(self, doing: &str) -> Self;

    /// As the host is told it: the kind, and the next step where there is one.
    fn told(self) -> Error;
}

/// Why an exchange with the server, or the work on what it said, failed. `?` turns it into what the host is told.
#[derive(Debug)]
pub enum ExchangeError<S> {
    /// The server refuses.
    Server(S),
    /// The connection broke.
    Lost(String),
    /// The server's bytes do not follow the protocol.
    Protocol(&'static str),
    /// Anything that is told to the host as it is.
    Told(Error),
}

impl<S: Refusal> ExchangeError<S> {
    /// What the server answered, when it is the server that refuses.
    pub fn server(&self) -> Option<&S> {
        match self {
            Self::Server(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The same error with what was being done.
    #[must_use]
    pub fn during(self, doing: &str) -> Self {
        match self {
            Self::Server(refusal) => Self::Server(refusal.during(doing)),
            Self::Lost(reason) => Self::Lost(format!("{reason} ({doing})")),
            Self::Told(told) => Self::Told(told.context(doing)),
            Self::Protocol(_) => Self::Told(Error::from(self).context(doing)),
        }
    }
}

impl<S: fmt::Display> fmt::Display for ExchangeError<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(refusal) => refusal.fmt(formatter),
            Self::Lost(reason) => write!(formatter, "the connection to the server broke: {reason}"),
            Self::Protocol(what) => {
                write!(formatter, "the server does not follow the protocol: {what}")
            }
            Self::Told(told) => told.fmt(formatter),
        }
    }
}

impl<S: Refusal> std::error::Error for ExchangeError<S> {}

impl<S> From<Error> for ExchangeError<S> {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl<S> From<io::Error> for ExchangeError<S> {
    fn from(error: io::Error) -> Self {
        // What the host refused on the way through `std::io` keeps its kind; anything else is a broken connection.
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(told) => Self::Told(told.clone()),
            None => Self::Lost(error.to_string()),
        }
    }
}

impl<S> From<serde_json::Error> for ExchangeError<S> {
    fn from(error: serde_json::Error) -> Self {
        Self::Told(error.into())
    }
}

impl<S: Refusal> From<ExchangeError<S>> for Error {
    fn from(error: ExchangeError<S>) -> Self {
        let text = error.to_string();
        match error {
            ExchangeError::Told(told) => told,
            ExchangeError::Lost(_) => Self::unreachable(text),
            ExchangeError::Protocol(_) => Self::corrupt(text),
            ExchangeError::Server(refusal) => refusal.told(),
        }
    }
}

/// Foreign text on one line, without control characters, at most 500 characters.
#[must_use]
pub fn printable(text: impl AsRef<[u8]>) -> String {
    let text = String::from_utf8_lossy(text.as_ref());
    let clean = |character: char| if character.is_control() { ' ' } else { character };
    let mut shown: String = text.chars().take(MESSAGE_CHARACTERS_MAX).map(clean).collect();
    if text.chars().nth(MESSAGE_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Names for a message: the first ten, and how many more there are.
pub fn listed(names: impl IntoIterator<Item: AsRef<str>>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> =
        names.by_ref().take(NAMES_SHOWN_MAX).map(|name| printable(name.as_ref())).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    #[derive(Debug)]
    struct Refused(String);

    impl fmt::Display for Refused {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(&self.0)
        }
    }

    impl Refusal for Refused {
        fn during(self, doing: &str) -> Self {
            Self(format!("{doing}: {}", self.0))
        }

        fn told(self) -> Error {
            Error::auth(self.0)
        }
    }

    #[test]
    fn names_are_counted_when_they_are_too_many() {
        assert_eq!(listed(["a", "b\n"]), "a, b ");
        assert_eq!(listed(["a"; 12]), "a, a, a, a, a, a, a, a, a, a and 2 more");
        assert_eq!(listed([""; 0]), "");
    }

    #[test]
    fn each_kind_is_told_with_what_was_being_done() {
        type Failed = ExchangeError<Refused>;
        let told = |error: Failed| Error::from(error.during("log in"));
        let refused = told(Failed::Server(Refused("no".to_owned())));
        assert_eq!(refused, Error::auth("log in: no"));
        let lost = told(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        assert!(matches!(lost.failure(), Failure::Unreachable(text) if text.contains("(log in)")));
        let broken = told(Failed::Protocol("no length"));
        assert!(matches!(broken.failure(), Failure::Corrupt(text) if text.starts_with("log in: ")));
        assert_eq!(told(io::Error::from(Error::cancelled()).into()), Error::cancelled());
    }

    #[test]
    fn foreign_text_is_cut_and_made_safe() {
        assert_eq!(printable("a\nb"), "a b");
        assert_eq!(printable(b"a\xff\x1b"), "a\u{fffd} ");
        assert_eq!(printable("x".repeat(1000)).chars().count(), MESSAGE_CHARACTERS_MAX + 1);
    }
}
