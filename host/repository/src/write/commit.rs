use std::sync::Arc;

use lockgate_types::Digest;

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
    pub async fn commit(mut self, draft: SnapshotDraft) -> Result<Snapshot> {
        self.line.end();
        let outcome = self.try_commit(draft).await;
        if let Err(error) = &outcome {
            self.line.fail(error.clone());
        }
        self.wind_down().await;
        outcome
    }

    async fn try_commit(&mut self, draft: SnapshotDraft) -> Result<Snapshot> {
        self.flush().await?;
        let line = Arc::clone(&self.line);
        let tree = off_reactor(move || line.entries.build(|json| line.add_tree(json))).await?;
        self.flush().await?;
        let written = self.finish_uploads().await;
        self.line.check()?;
        self.line.known.prove(&self.line.repository, &written).await?;
        let lock = self.lock.as_ref();
        lock.ok_or_else(|| Error::new(ErrorKind::LockLost, "the run has no lock"))?
            .ensure_held()?;
        // The last moment to stop: from here on there is a snapshot.
        self.line.check()?;
        let mut snapshot = self.snapshot(draft, tree);
        let json = snapshot.print();
        snapshot.id = self.line.repository.save_file(FileKind::Snapshot, json).await?;
        Ok(snapshot)
    }

    /// Waits until everything in the queue is packed, and sends the last packs off.
    async fn flush(&self) -> Result<()> {
        let line = Arc::clone(&self.line);
        let packs = self.packs.clone().ok_or_else(super::failure::cancelled)?;
        off_reactor(move || {
            line.queue.wait_until_idle();
            line.check()?;
            let rest = line.data.take_rest().into_iter().chain(line.trees.take_rest());
            rest.into_iter().try_for_each(|pack| send(&line, &packs, pack))
        })
        .await
    }

    fn snapshot(&self, draft: SnapshotDraft, tree: Digest) -> Snapshot {
        let progress = self.progress();
        let summary = SnapshotSummary {
            backup_start: self.started,
            backup_end: Time::now(),
            data_blobs: progress.chunks_new,
            tree_blobs: progress.trees_new,
            data_added: progress.bytes_new + progress.tree_bytes_new,
            data_added_packed: progress.bytes_stored,
            total_files_processed: progress.files,
            total_bytes_processed: progress.entry_bytes,
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
