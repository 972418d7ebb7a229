use std::fmt;

use lockgate_types::Failure;

/// What the engine's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of trouble it is; each has a documented exit code of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration or an argument is wrong.
    Configuration,
    /// There is no repository at the location.
    NoRepository,
    /// The repository is locked by another process.
    Locked,
    /// There is no room for more at the moment.
    Busy,
    /// The repository's password is wrong.
    WrongPassword,
    /// Storage or a server cannot be reached.
    Unreachable,
    /// There is no room left.
    NoSpace,
    /// Stored data is damaged.
    Damaged,
    /// No such snapshot, part or path.
    NotFound,
    /// The plugin asked for something that was not granted.
    Denied,
    /// A server refused the credentials.
    Credentials,
    /// The server's version or topology is not handled.
    Unsupported,
    /// The target of a restore is not empty, or there is a repository already.
    Conflict,
    /// The plugin trapped or used up more than it may.
    PluginStopped,
    /// The machine lacks a layer of the jail that plugins run in.
    Isolation,
    /// The plugin is not the one that was locked, or its signatures do not suffice.
    Untrusted,
    /// The operator stopped the run.
    Interrupted,
    /// Anything else.
    Failed,
}

/// Trouble, told in one line: the thing, the cause, and in the hint the next step.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

impl Error {
    /// An error with its line.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same with a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<lockgate_repository::Error> for Error {
    fn from(error: lockgate_repository::Error) -> Self {
        use lockgate_repository::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::NoRepository => ErrorKind::NoRepository,
            Kind::RepositoryExists => ErrorKind::Conflict,
            Kind::WrongPassword => ErrorKind::WrongPassword,
            Kind::Locked | Kind::LockLost => ErrorKind::Locked,
            Kind::Corrupt => ErrorKind::Damaged,
            Kind::NotFound | Kind::Ambiguous => ErrorKind::NotFound,
            Kind::UnsupportedVersion => ErrorKind::Unsupported,
            Kind::Cancelled => ErrorKind::Interrupted,
            Kind::Storage => storage_source(&error).map_or(ErrorKind::Failed, storage_kind),
            Kind::Invalid => ErrorKind::Configuration,
            _ => ErrorKind::Failed,
        };
        Self { kind, message: error.to_string(), hint: error.hint() }
    }
}

impl From<lockgate_storage::Error> for Error {
    fn from(error: lockgate_storage::Error) -> Self {
        Self { kind: storage_kind(error.kind()), message: error.to_string(), hint: error.hint() }
    }
}

/// The kind of the storage's own error, which the repository keeps as its source.
fn storage_source(error: &lockgate_repository::Error) -> Option<lockgate_storage::ErrorKind> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<lockgate_storage::Error>().map(lockgate_storage::Error::kind)
}

fn storage_kind(kind: lockgate_storage::ErrorKind) -> ErrorKind {
    use lockgate_storage::ErrorKind as Kind;
    match kind {
        Kind::Unreachable | Kind::Timeout => ErrorKind::Unreachable,
        Kind::NoSpace => ErrorKind::NoSpace,
        Kind::Corrupt => ErrorKind::Damaged,
        Kind::NotFound => ErrorKind::NotFound,
        Kind::AlreadyExists => ErrorKind::Conflict,
        Kind::InvalidUrl | Kind::Unsupported => ErrorKind::Configuration,
        _ => ErrorKind::Failed,
    }
}

impl From<lockgate_sandbox::Error> for Error {
    fn from(error: lockgate_sandbox::Error) -> Self {
        use lockgate_sandbox::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::Failure(failure) => failure_kind(failure),
            Kind::Trap | Kind::Busy | Kind::Deadline | Kind::Memory | Kind::WorkerLost => {
                ErrorKind::PluginStopped
            }
            Kind::Denied => ErrorKind::Denied,
            Kind::Isolation => ErrorKind::Isolation,
            Kind::Cancelled => ErrorKind::Interrupted,
            Kind::Unfit | Kind::Compile => ErrorKind::Unsupported,
            Kind::Grant => ErrorKind::Configuration,
            _ => ErrorKind::Failed,
        };
        let hint = error.hint().or_else(|| plugin_hint(kind).map(str::to_owned));
        Self { kind, message: error.to_string(), hint }
    }
}

/// The next step after a plugin's failure that brings none of its own.
fn plugin_hint(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Configuration => "`lockgate plugin inspect PLUGIN` shows what its config takes",
        ErrorKind::Unsupported => "`lockgate plugin inspect PLUGIN` shows what it works with",
        ErrorKind::Credentials => "check the principal and the secret of the source's credential",
        ErrorKind::Unreachable => "check the source's endpoint, and that the server runs",
        ErrorKind::Conflict => {
            "restore under another name with --rename, or replace it with --overwrite"
        }
        ErrorKind::Denied => "grant it in the source's configuration, if the plugin may have it",
        ErrorKind::Damaged => {
            "`lockgate check --read-data` tells whether the repository is damaged"
        }
        ErrorKind::Failed => "run again with --verbose to see what the plugin says",
        _ => return None,
    })
}

fn failure_kind(failure: &Failure) -> ErrorKind {
    match failure {
        Failure::Config(_) => ErrorKind::Configuration,
        Failure::Auth(_) => ErrorKind::Credentials,
        Failure::Denied(_) => ErrorKind::Denied,
        Failure::Unreachable(_) => ErrorKind::Unreachable,
        Failure::Unsupported(_) => ErrorKind::Unsupported,
        Failure::Conflict(_) => ErrorKind::Conflict,
        Failure::Corrupt(_) => ErrorKind::Damaged,
        Failure::Cancelled => ErrorKind::Interrupted,
        Failure::Other(_) => ErrorKind::Failed,
    }
}
