//! Telling others that the repository is in use, in the way of restic's public design document, section "Locks".
//!
//! A lock is a small file. Whoever wants one looks whether others forbid it, writes it, waits, and looks again: of two who
//! start at the same time, at least one sees the other. The wait is for storages whose listings may be late; on a file system
//! of this machine whoever looks second sees the first without it. A lock that is not refreshed for half an hour counts for nothing.
//!
//! How old a lock is, the storage says: the time at which it stored the lock against the time at which it stored ours, just
//! now. Clocks of machines differ, by years where a battery is flat, and the lock of somebody who is at work must not look
//! old to whoever is ahead.

mod conflict;
mod guard;
pub(crate) mod process;
mod unlock;

use std::time::Duration;

pub(crate) use conflict::{Other, Seen};
pub use guard::LockGuard;
pub use unlock::{Lock, UnlockReport};

use crate::error::Result;
use crate::open::Repository;

/// How long the steps of a lock's life take; restic's own values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Between writing a lock and looking for others again, where listings may be late.
    pub(crate) settle: Duration,
    /// Between two refreshes.
    pub(crate) refresh: Duration,
    /// Between two tries of a refresh that failed.
    pub(crate) retry: Duration,
    /// A lock that was refreshed this long ago counts for nothing.
    pub(crate) stale_after: Duration,
    /// We stop relying on our own lock this long after its last refresh: well before others stop respecting it.
    pub(crate) lost_after: Duration,
}

impl Timing {
    pub(crate) const DEFAULT: Self = Self {
        settle: Duration::from_millis(200),
        refresh: Duration::from_secs(5 * 60),
        retry: Duration::from_secs(30),
        stale_after: Duration::from_secs(30 * 60),
        lost_after: Duration::from_secs(22 * 60),
    };
}

/// What a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To read or to add.
    Shared,
    /// To be alone.
    Exclusive,
    /// To prune beside those who read or add: for others a shared lock, but there is one at a time.
    Prune,
}

impl Repository {
    /// Takes a lock that others of its kind do not mind: for whoever reads or adds.
    ///
    /// # Errors
    /// `Locked` when somebody holds an exclusive lock, or a lock cannot be read.
    pub async fn lock_shared(&self) -> Result<LockGuard> {
        LockGuard::take(self, Mode::Shared, Timing::DEFAULT).await
    }

    /// Takes a lock that excludes all others: for whoever deletes.
    ///
    /// # Errors
    /// `Locked` when somebody holds any lock, or a lock cannot be read.
    pub async fn lock_exclusive(&self) -> Result<LockGuard> {
        LockGuard::take(self, Mode::Exclusive, Timing::DEFAULT).await
    }

    /// Takes the lock of a prune.
    pub(crate) async fn lock_prune(&self) -> Result<LockGuard> {
        LockGuard::take(self, Mode::Prune, Timing::DEFAULT).await
    }

    /// Who else holds a lock, while we hold that of a prune.
    pub(crate) async fn others_beside_prune(&self) -> Result<Vec<Other>> {
        conflict::beside_prune(self).await
    }
}

#[cfg(test)]
mod tests;
