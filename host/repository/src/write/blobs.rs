//! Runs that take in blobs of another repository as they are: no stream is cut, and no tree is built.

use lockgate_types::Digest;

use super::counters::WriteProgress;
use super::writer::Writer;
use crate::error::Result;
use crate::format::{BlobKind, Snapshot};
use crate::lock::LockGuard;

impl Writer {
    /// Whether the caller has to bring the blob: the repository does not hold it, and nobody in this run has said so before.
    pub(crate) fn claim(&self, kind: BlobKind, id: &Digest) -> bool {
        self.line.known.claim(kind, id)
    }

    /// Takes in a blob that was claimed and compared with its name. Blocks while the memory budget is used up.
    ///
    /// # Errors
    /// The first error of the run.
    pub(crate) fn add_blob(&self, kind: BlobKind, id: Digest, plain: Vec<u8>) -> Result<()> {
        self.line.check_open()?;
        self.line.add_blob(kind, id, plain);
        Ok(())
    }

    /// Ends the run with `snapshots`, whose blobs were all taken in or found: they are stored last, one by one, so that
    /// each that exists is whole. Their names in this repository, in the same order, and what the run did.
    ///
    /// # Errors
    /// As [`Writer::commit`]. Snapshots that were stored before the error stay.
    pub(crate) async fn commit_copies(
        mut self,
        snapshots: &[Snapshot],
    ) -> Result<(Vec<Digest>, WriteProgress)> {
        self.line.end();
        let outcome = self.try_commit_copies(snapshots).await;
        if let Err(error) = &outcome {
            self.line.fail(error.clone());
        }
        let progress = self.progress();
        self.wind_down().await;
        outcome.map(|names| (names, progress))
    }

    async fn try_commit_copies(&mut self, snapshots: &[Snapshot]) -> Result<Vec<Digest>> {
        let written = self.settle().await?;
        let mut names = Vec::with_capacity(snapshots.len());
        for snapshot in snapshots {
            self.line.check()?;
            names.push(self.save(snapshot.clone(), &written).await?.id);
        }
        Ok(names)
    }

    /// Ends a run that has no lock of its own and makes no snapshot: what was taken in is durable and indexed.
    ///
    /// # Errors
    /// The first error of the run, `LockLost` when `lock` is not held any more.
    pub(crate) async fn finish_blobs(mut self, lock: &LockGuard) -> Result<()> {
        self.line.end();
        let flushed = self.flush().await;
        if let Err(error) = flushed {
            self.line.fail(error);
        }
        self.finish_uploads().await;
        self.line.check()?;
        lock.ensure_held()
    }
}
