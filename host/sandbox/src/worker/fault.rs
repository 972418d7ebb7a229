use lockgate_types::Failure;

use wasmtime::component::ResourceTableError;

use crate::protocol::ProtocolError;

use super::bindings::lockgate::datastore::types;

/// Why a function that the host offers did not return what was asked for.
#[derive(Debug)]
pub enum Fault {
    /// The plugin is told and may go on.
    Failure(Failure),
    /// The same, of a name that is not there: looking for one is no attempt at anything, and the operator's log need not have it.
    Missing(Failure),
    /// The plugin is stopped: it misused a handle, or the host is gone.
    Trap(wasmtime::Error),
}

/// What a function that the host offers returns.
pub type Reply<T> = Result<T, Fault>;

/// The lane to the host does not work any more, so that nobody is left to tell.
#[derive(Debug, thiserror::Error)]
#[error("the lane to the host is lost: {0}")]
pub struct LaneLost(pub ProtocolError);

/// Nothing but a lost lane stops the plugin where nothing can be refused: when a handle is dropped, and when a message is too long to
/// send.
pub fn trap_only(reply: Reply<()>) -> wasmtime::Result<()> {
    match reply {
        Ok(()) | Err(Fault::Failure(_) | Fault::Missing(_)) => Ok(()),
        Err(Fault::Trap(error)) => Err(error),
    }
}

impl Fault {
    /// A capability that was not granted.
    pub fn denied(text: impl Into<String>) -> Self {
        Self::Failure(Failure::Denied(text.into()))
    }

    /// The arguments cannot be right.
    pub fn other(text: impl Into<String>) -> Self {
        Self::Failure(Failure::Other(text.into()))
    }

    /// The system refused to do `action` on `name`.
    pub fn system(
        action: &str,
        name: impl std::fmt::Display,
        error: impl Into<std::io::Error>,
    ) -> Self {
        use std::io::ErrorKind;
        let error = error.into();
        let text = format!("could not {action} {name}: {}", plain(&error));
        match error.kind() {
            ErrorKind::AlreadyExists
            | ErrorKind::DirectoryNotEmpty
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory => Self::Failure(Failure::Conflict(text)),
            ErrorKind::NotFound => Self::Missing(Failure::Other(text)),
            _ => Self::Failure(Failure::Other(text)),
        }
    }
}

/// The system's words without the number behind them.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<ProtocolError> for Fault {
    fn from(error: ProtocolError) -> Self {
        match error {
            // Nothing was sent: the plugin gave something too large, and the lane still works.
            ProtocolError::TooLong(_) => Self::other(error.to_string()),
            _ => Self::Trap(LaneLost(error).into()),
        }
    }
}

impl From<ResourceTableError> for Fault {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::other(
                "as many handles are held as the source's limit `handles` allows; drop some first",
            ),
            error => Self::Trap(error.into()),
        }
    }
}

impl From<Fault> for wasmtime::Result<types::Failure> {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failure(failure) | Fault::Missing(failure) => Ok(failure.into()),
            Fault::Trap(error) => Err(error),
        }
    }
}
