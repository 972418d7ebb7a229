use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::PruneLimit;
use crate::retention::Deleted;

/// How a repository is pruned.
#[derive(Clone)]
#[non_exhaustive]
pub struct PruneOptions {
    /// Nothing is written or deleted, and no lock is taken.
    pub dry_run: bool,
    /// How long a marked pack stays, by the clock of the storage: longer than the longest backup of a program that takes no
    /// lock, such as rustic.
    pub keep_marked: Duration,
    /// How much of the packs may be unused before packs are stored again.
    pub max_unused: PruneLimit,
    /// How much is stored again at most in one go. A percentage is of all packs, and lets one through at least.
    pub max_repack: PruneLimit,
    /// After this time no further pack is begun to be stored again; a later prune goes on.
    pub max_time: Option<Duration>,
    /// Whether small packs are put together even when all of them is in use.
    pub merge_small: bool,
    /// Whether a repository without snapshots may be emptied.
    pub allow_no_snapshots: bool,
    /// Whether all that snapshots need is looked for afterwards, before the lock is given back.
    pub check: bool,
    /// Is told how far the prune is, from any thread, until it has ended.
    pub observer: Option<Arc<dyn Fn(PruneProgress) + Send + Sync>>,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            keep_marked: Duration::from_secs(23 * 60 * 60),
            max_unused: PruneLimit::Percent(5),
            max_repack: PruneLimit::Percent(10),
            max_time: None,
            merge_small: false,
            allow_no_snapshots: false,
            check: true,
            observer: None,
        }
    }
}

impl fmt::Debug for PruneOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PruneOptions")
            .field("dry_run", &self.dry_run)
            .field("keep_marked", &self.keep_marked)
            .field("max_unused", &self.max_unused)
            .field("max_repack", &self.max_repack)
            .field("max_time", &self.max_time)
            .field("merge_small", &self.merge_small)
            .field("allow_no_snapshots", &self.allow_no_snapshots)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}

/// How far a prune is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PruneProgress {
    /// What it is doing, for people: `reading index`, `repacking`, …
    pub step: String,
    /// Whether it counts bytes; otherwise it counts objects.
    pub is_bytes: bool,
    /// So far.
    pub done: u64,
    /// In all; 0 when that is not known.
    pub total: u64,
}

/// What a prune did, or would do. Bytes are those of sealed blobs, without the headers of packs, but for packs that are
/// marked or removed, which count whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PruneReport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Packs that stay as they are.
    pub packs_kept: u64,
    /// Packs whose needed blobs are stored again; they are marked.
    pub packs_repacked: u64,
    /// Packs without a needed blob that are marked, those that no index named among them.
    pub packs_marked: u64,
    /// Packs that stay marked because their time has not come.
    pub packs_waiting: u64,
    /// Packs that were marked and are needed again.
    pub packs_recovered: u64,
    /// Packs that were marked long enough ago and are deleted.
    pub packs_removed: u64,
    /// Packs that were to be deleted and stay, marked, because their retention has not ended.
    pub packs_retained: u64,
    /// Packs that are deleted and that the bucket keeps as older versions.
    pub packs_hidden: u64,
    /// Needed.
    pub bytes_used: u64,
    /// Not needed, before.
    pub bytes_unused: u64,
    /// Not needed, afterwards.
    pub bytes_unused_after: u64,
    /// Stored again.
    pub bytes_repacked: u64,
    /// In packs that are newly marked: space that a later prune frees.
    pub bytes_marked: u64,
    /// In packs that stay marked.
    pub bytes_waiting: u64,
    /// In packs that are deleted: space that is free now.
    pub bytes_removed: u64,
    /// In packs that stay because of their retention.
    pub bytes_retained: u64,
    /// In packs that the bucket keeps as older versions.
    pub bytes_hidden: u64,
    /// Index files.
    pub indexes: u64,
    /// Index files that are written anew.
    pub indexes_rewritten: u64,
    /// Holders of locks because of whom less was done than could have been.
    pub waits_for: Vec<String>,
}

impl PruneReport {
    /// What was to be removed is counted as what became of it.
    pub(super) fn tell_deleted(&mut self, deleted: Deleted, bytes: u64) {
        let (packs, all) = match deleted {
            Deleted::Gone => return,
            Deleted::Hidden => (&mut self.packs_hidden, &mut self.bytes_hidden),
            Deleted::Refused => (&mut self.packs_retained, &mut self.bytes_retained),
        };
        *packs += 1;
        *all += bytes;
        self.packs_removed = self.packs_removed.saturating_sub(1);
        self.bytes_removed = self.bytes_removed.saturating_sub(bytes);
    }
}
