//! Locks as people see them, and their removal.

use lockgate_types::Digest;

use super::conflict::is_stale;
use super::guard::write;
use super::{Mode, Timing};
use crate::error::{ErrorKind, Result};
use crate::format::LockFile;
use crate::layout::FileKind;
use crate::open::Repository;

/// A file in `locks/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its name.
    pub id: Digest,
    /// What it says; none when it cannot be read.
    pub file: Option<LockFile>,
    /// Whether it counts for nothing: it was not refreshed for half an hour, or its process on this machine is gone.
    pub is_stale: bool,
}

/// What became of the locks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnlockReport {
    /// Are gone.
    pub removed: Vec<Lock>,
    /// Are still there.
    pub kept: Vec<Lock>,
}

impl Repository {
    /// All locks. One of ours is stored for a moment, because only the storage can tell how old the others are.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn locks(&self) -> Result<Vec<Lock>> {
        let own = write(self, Mode::Shared, None).await?;
        let locks = self.locks_but(own).await;
        self.delete_if_free(FileKind::Lock, &own).await?;
        locks
    }

    async fn locks_but(&self, own: Digest) -> Result<Vec<Lock>> {
        let files = self.list_files(FileKind::Lock).await?;
        let now = files.iter().find(|file| file.id == own).and_then(|file| file.modified);
        let mut locks = Vec::new();
        for file in files.into_iter().filter(|file| file.id != own) {
            let read = match self.load(file).await {
                Err(error) if error.is_of_missing_file() => continue,
                Err(error) if error.kind() == ErrorKind::Storage => return Err(error),
                read => read.ok(),
            };
            let is_old = |lock: &LockFile| is_stale(lock, &file, now, Timing::DEFAULT);
            let is_stale = read.as_ref().is_some_and(is_old);
            locks.push(Lock { id: file.id, file: read, is_stale });
        }
        Ok(locks)
    }

    /// Removes the locks that count for nothing, or all. With all, whoever still works on the repository is no longer kept
    /// from what others do, and a prune may take away what a backup relies on.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn unlock(&self, all: bool) -> Result<UnlockReport> {
        let mut report = UnlockReport::default();
        for lock in self.locks().await? {
            if !(all || lock.is_stale) {
                report.kept.push(lock);
                continue;
            }
            match self.delete_if_free(FileKind::Lock, &lock.id).await {
                Err(error) if error.is_of_missing_file() => continue,
                Ok(false) => {
                    report.kept.push(lock);
                    continue;
                }
                deleted => deleted?,
            };
            tracing::warn!(lock = %lock.id.short(), "lock removed");
            report.removed.push(lock);
        }
        Ok(report)
    }
}
