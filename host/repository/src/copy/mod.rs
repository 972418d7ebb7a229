//! Copies snapshots to another repository, which has a key of its own: only what it lacks is read.
//!
//! Chunks stay as they were cut, so that trees and content have the same names in both repositories. A copy is known by
//! `original`, as restic's are (`restic copy`), so that each of the two programs takes the other's copies for made.

mod plan;
mod walk;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_types::Digest;
use serde::Serialize;

pub(crate) use plan::{copy_of, ensure_different};

use crate::error::Result;
use crate::forget::Filter;
use crate::format::Snapshot;
use crate::open::Repository;
use crate::write::WriteOptions;
use walk::Walker;

/// Copied snapshots appear after this time at the latest, as soon as the one that is being copied is complete: a copy of
/// years need not begin again when it breaks off.
const COMMIT_INTERVAL: Duration = Duration::from_secs(600);

/// Hears of snapshots.
type Observer = Arc<dyn Fn(&Copied) + Send + Sync>;

/// What is copied, and how.
#[derive(Clone)]
#[non_exhaustive]
pub struct CopyOptions {
    /// Names of snapshots as [`Repository::snapshot`] takes them; all that pass the filter when there is none.
    pub snapshots: Vec<String>,
    /// Which of all snapshots.
    pub filter: Filter,
    /// How the target is written.
    pub write: WriteOptions,
    /// Whether a lock keeps others from deleting at the origin meanwhile. Without it no right to write is needed there.
    pub lock_origin: bool,
    /// Nothing is written, and no lock is taken.
    pub dry_run: bool,
    /// Is told of each snapshot that is there now.
    pub observer: Option<Observer>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            snapshots: Vec::new(),
            filter: Filter::default(),
            write: WriteOptions::default(),
            lock_origin: true,
            dry_run: false,
            observer: None,
        }
    }
}

/// A snapshot that was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Its name at the origin.
    pub from: Digest,
    /// Its name in the target; none when nothing was written.
    pub to: Option<Digest>,
}

/// What a copy did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CopyReport {
    /// What was copied, or would be; the oldest first.
    pub copied: Vec<Copied>,
    /// Snapshots that the target has already.
    pub present: u64,
    /// Blobs that the target lacked.
    pub blobs: u64,
    /// Bytes of those before compression.
    pub bytes_read: u64,
    /// Bytes that they take in the target.
    pub bytes_stored: u64,
}

impl Repository {
    /// Copies snapshots into `target`. Each appears there when all that it needs is durable; what was stored before an
    /// error is found again by the next copy.
    ///
    /// # Errors
    /// `NotFound` and `Ambiguous` for a name, `Invalid` when both are the same repository, `Locked`, `Corrupt` when
    /// something of a snapshot is damaged, `Storage`.
    pub async fn copy_to(&self, target: &Repository, options: &CopyOptions) -> Result<CopyReport> {
        plan::ensure_different(self, target)?;
        if options.dry_run || !options.lock_origin {
            return self.copy_locked(target, options).await;
        }
        let lock = self.lock_shared().await?;
        let done = self.copy_locked(target, options).await;
        let held = lock.ensure_held();
        let released = lock.release().await;
        let report = done?;
        held?;
        released.map(|()| report)
    }

    async fn copy_locked(&self, target: &Repository, options: &CopyOptions) -> Result<CopyReport> {
        let (wanted, present) = plan::plan(self, target, options).await?;
        let mut report = CopyReport { present, ..CopyReport::default() };
        if options.dry_run {
            let copied = wanted.iter().map(|snapshot| Copied { from: snapshot.id, to: None });
            report.copied.extend(copied);
            return Ok(report);
        }
        let reader = self.reader().await?;
        let mut wanted = wanted.into_iter().peekable();
        while wanted.peek().is_some() {
            let begun = Instant::now();
            let writer = Arc::new(target.writer(options.write.clone()).await?);
            let mut walker = Walker::new(&reader, &writer);
            let mut done = Vec::new();
            let mut outcome = Ok(());
            while let Some(snapshot) = wanted.next_if(|_| begun.elapsed() < COMMIT_INTERVAL) {
                outcome = walker.copy(snapshot.tree).await;
                if outcome.is_err() {
                    break;
                }
                done.push(snapshot);
            }
            drop(walker);
            let writer = Arc::into_inner(writer).expect("nothing is under way any more");
            if done.is_empty() {
                writer.abort().await;
                outcome?;
                continue;
            }
            // What is whole is kept, also when the next one cannot be copied.
            let copies: Vec<Snapshot> = done.iter().map(copy_of).collect();
            let (names, progress) = writer.commit_copies(&copies).await?;
            report.add(progress);
            for (snapshot, to) in done.iter().zip(names) {
                let copied = Copied { from: snapshot.id, to: Some(to) };
                if let Some(observer) = &options.observer {
                    observer(&copied);
                }
                report.copied.push(copied);
            }
            outcome?;
        }
        Ok(report)
    }
}

impl CopyReport {
    fn add(&mut self, progress: crate::write::WriteProgress) {
        self.blobs += progress.chunks_new + progress.trees_new;
        self.bytes_read += progress.bytes_new + progress.tree_bytes_new;
        self.bytes_stored += progress.bytes_stored;
    }
}
