use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use lockgate_types::Retry;

/// What kind of trouble an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no repository at the location.
    NoRepository,
    /// `init` found a repository already there.
    RepositoryExists,
    /// No key of the repository opens with the password.
    WrongPassword,
    /// Somebody else holds a lock that excludes ours.
    Locked,
    /// Our own lock could not be refreshed, or somebody removed it.
    LockLost,
    /// Stored bytes do not parse or do not verify.
    Corrupt,
    /// No snapshot, path or blob of that name.
    NotFound,
    /// A short identifier that more than one snapshot has.
    Ambiguous,
    /// Written in a format version, or with a feature, that is not known here.
    UnsupportedVersion,
    /// The storage refused or failed; the source tells more.
    Storage,
    /// The storage must keep an object that was to be deleted: its retention has not ended.
    Retention,
    /// Something is larger than the bounds of this crate allow.
    Limit,
    /// The same path twice, or a file where a folder is needed.
    Conflict,
    /// A value of the caller makes no sense.
    Invalid,
    /// A local file or the content that the caller gives could not be read or written.
    Io,
    /// The run was stopped.
    Cancelled,
    /// The maintenance engine failed.
    Maintenance,
}

/// Trouble with a repository. The text is one line that names the thing and the cause.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    text: String,
    retry: Option<Retry>,
    hint: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// `text` names the thing and the cause: lower case, one line, no secret.
    #[must_use]
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), retry: None, hint: None, source: None }
    }

    /// Stored bytes of `what` are wrong because of `why`.
    #[must_use]
    pub fn corrupt(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Corrupt, format!("{what} is damaged: {why}"))
    }

    /// Reading or writing `what` on this machine failed.
    #[must_use]
    pub fn io(what: impl fmt::Display, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("{what}: {source}")).with_source(source)
    }

    /// Whether the storage has no such file.
    pub(crate) fn is_of_missing_file(&self) -> bool {
        let source = std::error::Error::source(self);
        source
            .and_then(|source| source.downcast_ref::<lockgate_storage::Error>())
            .is_some_and(|source| source.kind() == lockgate_storage::ErrorKind::NotFound)
    }

    /// Keeps what caused the trouble.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Replaces the hint of the kind.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Replaces the advice of the kind.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Puts `what` in front of the text: where the trouble was met.
    #[must_use]
    pub fn at(mut self, what: impl fmt::Display) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// For programs.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether doing the same again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.retry.unwrap_or(match self.kind {
            ErrorKind::Locked | ErrorKind::LockLost => Retry::Later,
            ErrorKind::Cancelled | ErrorKind::Conflict | ErrorKind::Limit => Retry::Never,
            _ => Retry::AfterFix,
        })
    }

    /// The operator's next step, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        if self.hint.is_some() {
            return self.hint.clone();
        }
        let text = match self.kind {
            ErrorKind::NoRepository => {
                "check the location, or create a repository there with `lockgate init`"
            }
            ErrorKind::RepositoryExists => {
                "use the repository that is there, or choose another location"
            }
            ErrorKind::WrongPassword => "check the password and the location",
            ErrorKind::Locked => {
                "wait for the other run, or remove a lock left behind with `lockgate unlock`"
            }
            ErrorKind::LockLost => "check the connection to the storage and run again",
            ErrorKind::Corrupt => "run `lockgate check --read-data` to see what else is damaged",
            ErrorKind::NotFound => "list what there is with `lockgate snapshots` and `lockgate ls`",
            ErrorKind::Ambiguous => "give more digits of the identifier",
            ErrorKind::UnsupportedVersion => "use a newer version of lockgate",
            ErrorKind::Storage => "check the location, the credentials and the connection",
            ErrorKind::Retention => "wait until the retention has ended, and do it again",
            ErrorKind::Io => "check free space and permissions on this machine",
            ErrorKind::Maintenance => "run `lockgate check`; nothing that is in use was removed",
            ErrorKind::Limit | ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::Cancelled => {
                return None;
            }
        };
        Some(text.to_owned())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.kind, self.text)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

impl From<lockgate_storage::Error> for Error {
    fn from(source: lockgate_storage::Error) -> Self {
        let kind = match source.kind() {
            lockgate_storage::ErrorKind::Retention => ErrorKind::Retention,
            _ => ErrorKind::Storage,
        };
        let mut error = Self::new(kind, source.to_string()).with_retry(source.retry());
        error.hint = source.hint().map(|hint| hint.to_string());
        error.with_source(source)
    }
}
