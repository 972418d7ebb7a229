use std::sync::OnceLock;

use crate::error::{Error, ErrorKind, Result};

/// The first error of a run, which is the error of everything that comes after it.
#[derive(Default)]
pub(super) struct Failure(OnceLock<Error>);

impl Failure {
    /// Keeps `error` unless there is an earlier one.
    pub(super) fn keep(&self, error: Error) {
        tracing::debug!(%error, is_first = self.0.get().is_none(), "the run fails");
        // Later errors follow from the first one, or tell the same.
        let _ = self.0.set(error);
    }

    /// # Errors
    /// The first error of the run, if there is one.
    pub(super) fn check(&self) -> Result<()> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }
}

/// The error of a run that was stopped.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the run was stopped before its snapshot was written")
}
