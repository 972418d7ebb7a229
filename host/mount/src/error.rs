use std::fmt;
use std::io;
use std::path::Path;

/// What kind of trouble an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is nothing at the mount point.
    NoMountPoint,
    /// The mount point is no folder, or something is in it.
    MountPoint,
    /// This machine has no FUSE, or does not let this user have it.
    Unavailable,
    /// The system refused for another reason.
    System,
    /// The repository cannot be read or locked; the source tells more.
    Repository,
}

/// Trouble with a mount. The text is one line that names the thing and the cause.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    kind: ErrorKind,
    text: String,
    hint: Option<&'static str>,
    #[source]
    source: Option<lockgate_repository::Error>,
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), hint: None, source: None }
    }

    /// The system refused `what` at `point`.
    pub(crate) fn system(point: &Path, what: impl fmt::Display, source: &io::Error) -> Self {
        Self::new(ErrorKind::System, format!("mount point {}: {what}: {source}", point.display()))
    }

    pub(crate) fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// For programs.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The operator's next step, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint
    }

    /// The repository's own error, when it is about the repository.
    #[must_use]
    pub fn of_repository(&self) -> Option<&lockgate_repository::Error> {
        self.source.as_ref()
    }
}

impl From<lockgate_repository::Error> for Error {
    fn from(source: lockgate_repository::Error) -> Self {
        let (kind, text) = (ErrorKind::Repository, source.to_string());
        Self { kind, text, hint: None, source: Some(source) }
    }
}
