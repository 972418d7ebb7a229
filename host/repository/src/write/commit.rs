use std::sync::Arc;

use lockgate_types::Digest;

use super::counters::WriteProgress;
use super::dedup::Written;
use super::worker::send;
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Snapshot, SnapshotSummary, Time};
use crate::layout::{FileKind, off_reactor};
use crate::lock::process;

/// What a snapshot tells of itself; the rest is found out.
#[derive(Clone, Debug)]
pub struct SnapshotDraft {
    /// When the backup began, or the time that the content is of.
    pub time: Time,
    /// The snapshot that unchanged content was taken from.
    pub parent: Option<Digest>,
    /// What was backed up.
    pub paths: Vec<String>,
    /// The system that the data is of; empty for the name of this machine.
    pub hostname: String,
    /// For grouping and policies.
    pub tags: Vec<String>,
    /// Patterns that were left out.
    pub excludes: Vec<String>,
    /// Which program writes this.
    pub program_version: String,
    /// Counts of new, changed and unchanged files and folders, as far as the caller knows them; the sizes and totals are
    /// filled in.
    pub summary: SnapshotSummary,
}

impl Default for SnapshotDraft {
    fn default() -> Self {
        Self {
            time: Time::now(),
            parent: None,
            paths: Vec::new(),
            hostname: String::new(),
            tags: Vec::new(),
            excludes: Vec::new(),
            program_version: concat!("lockgate ", env!("CARGO_PKG_VERSION")).to_owned(),
            summary: SnapshotSummary::default(),
        }
    }
}

impl Writer {
    /// Ends the run: everything that was added becomes durable, and then visible as one snapshot.
    ///
    /// In this order: packs of data, trees and their packs, index files; then it is proved that whatever the snapshot needs
    /// is still in the repository and that the lock was held all the time; the snapshot comes last.
    ///
    /// # Errors
    /// The first error of the run, `Conflict` when something that it needs was removed meanwhile or a path was added
    /// twice, `LockLost`. There is no snapshot then.
    pub async fn commit(self, draft: SnapshotDraft) -> Result<Snapshot> {
        // The first that has a snapshot; without mirrors it is the only one.
        let stored = self.commit_everywhere(draft).await?;
        let first = stored.into_iter().find_map(Result::ok);
        first.ok_or_else(super::failure::cancelled)
    }

    /// Stores a tree that refers to what the repository has, or to trees that this run stored; its name.
    ///
    /// # Errors
    /// The first error of the run.
    pub(crate) async fn store_tree(&self, json: Vec<u8>) -> Result<Digest> {
        let line = Arc::clone(&self.line);
        off_reactor(move || line.add_tree(json)).await
    }

    /// Builds the trees of all entries; the root.
    pub(super) async fn build_trees(&self) -> Result<Digest> {
        self.flush().await?;
        let line = Arc::clone(&self.line);
        let tree = off_reactor(move || line.entries.build(|json| line.add_tree(json))).await?;
        self.flush().await?;
        Ok(tree)
    }

    /// Everything that was taken in is durable, and nothing that it needs was removed; what was stored.
    pub(super) async fn settle(&mut self) -> Result<Written> {
        self.line.end();
        self.flush().await?;
        let written = self.finish_uploads().await;
        self.line.check()?;
        self.line.left_out.check()?;
        self.line.known.prove(&self.line.repository, &written).await?;
        self.ensure_locked()?;
        Ok(written)
    }

    /// Writes a snapshot of what was settled, which is visible from then on.
    pub(super) async fn save(&self, mut snapshot: Snapshot, written: &Written) -> Result<Snapshot> {
        self.ensure_locked()?;
        let json = snapshot.print();
        snapshot.id = self.line.repository.save_file(FileKind::Snapshot, json).await?;
        self.prove_visible(&snapshot.id, written).await?;
        Ok(snapshot)
    }

    fn ensure_locked(&self) -> Result<()> {
        let lock = self.lock.as_ref();
        lock.ok_or_else(|| Error::new(ErrorKind::LockLost, "the run has no lock"))?.ensure_held()
    }

    /// A prune that lists snapshots from now on sees this one. What one that listed them before has marked meanwhile is seen
    /// here; and that our lock is still there tells that none deleted anything that was marked while we ran. So of a
    /// snapshot that is reported nothing can be missing (decision 18).
    async fn prove_visible(&self, id: &Digest, written: &Written) -> Result<()> {
        let proved = async {
            self.line.known.prove(&self.line.repository, written).await?;
            match &self.lock {
                Some(lock) => lock.verify().await,
                None => Err(Error::new(ErrorKind::LockLost, "the run has no lock")),
            }
        };
        let Err(error) = proved.await else { return Ok(()) };
        // Half a snapshot would be worse than none, and who is told of a failure shall find none.
        if let Err(left) = self.line.repository.delete_file(FileKind::Snapshot, id).await {
            tracing::warn!(snapshot = %id.short(), error = %left, "a snapshot that could not be proved stays");
        }
        Err(error)
    }

    /// Waits until everything in the queue is packed, and sends the last packs off.
    pub(super) async fn flush(&self) -> Result<()> {
        let line = Arc::clone(&self.line);
        let packs = self.packs.clone().ok_or_else(super::failure::cancelled)?;
        off_reactor(move || {
            line.queue.wait_until_idle();
            line.check()?;
            for packer in [&line.data, &line.trees] {
                let rest = line.unless_lost(packer.take_rest())?.unwrap_or_default();
                rest.into_iter().try_for_each(|pack| send(&line, &packs, pack))?;
            }
            Ok(())
        })
        .await
    }

    /// What this run says of itself; `whole` counts what was read.
    pub(super) fn snapshot(
        &self,
        draft: SnapshotDraft,
        tree: Digest,
        whole: &WriteProgress,
    ) -> Snapshot {
        let progress = self.progress();
        let summary = SnapshotSummary {
            backup_start: self.started,
            backup_end: Time::now(),
            data_blobs: progress.chunks_new,
            tree_blobs: progress.trees_new,
            data_added: progress.bytes_new + progress.tree_bytes_new,
            data_added_packed: progress.bytes_stored,
            total_files_processed: whole.files,
            total_bytes_processed: whole.entry_bytes,
            ..draft.summary
        };
        let hostname =
            if draft.hostname.is_empty() { process::host_name() } else { draft.hostname };
        Snapshot {
            id: Digest([0; 32]),
            time: draft.time,
            parent: draft.parent,
            tree,
            paths: draft.paths,
            hostname,
            username: process::user_name(),
            uid: process::user_id(),
            gid: process::group_id(),
            excludes: draft.excludes,
            tags: draft.tags,
            original: None,
            program_version: draft.program_version,
            summary: Some(summary),
        }
    }
}
