//! Telling others that the repository is in use, in the way of restic.

pub(crate) mod process;

/// A lock that is held and refreshed.
#[derive(Debug)]
pub struct LockGuard {}
