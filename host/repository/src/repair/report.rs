use lockgate_types::Digest;
use serde::Serialize;

use crate::format::Snapshot;

/// What a repair of the index found and did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IndexRepair {
    /// Index files that cannot be read.
    pub indexes_damaged: u64,
    /// Index files that were replaced, those with them.
    pub indexes_removed: u64,
    /// Index files that were written.
    pub indexes_written: u64,
    /// Packs whose headers were read.
    pub packs_read: u64,
    /// Packs that the index did not know, or knew wrongly, and knows now.
    pub packs_found: u64,
    /// Packs that the index named and that are not there.
    pub packs_lost: u64,
    /// Packs that are there and whose headers cannot be read. They stay where they are, and nothing is found in them.
    pub packs_unreadable: Vec<Digest>,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

impl IndexRepair {
    /// Whether the index was as it should be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let is_same = self.indexes_damaged == 0 && self.packs_found == 0 && self.packs_lost == 0;
        is_same && self.packs_unreadable.is_empty()
    }
}

/// What a repair of snapshots found and did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotRepair {
    /// Those with damage, the oldest first.
    pub repaired: Vec<RepairedSnapshot>,
    /// How many were whole.
    pub whole: u64,
    /// Files in `snapshots/` that cannot be read, and went when the damaged snapshots did.
    pub unreadable: Vec<Digest>,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// A snapshot with damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairedSnapshot {
    /// With damage.
    pub old: Snapshot,
    /// Without it; none when nothing of the old one can be read, and in a dry run.
    pub new: Option<Snapshot>,
    /// Files that lack content, each folder counted once wherever it stands.
    pub files: u64,
    /// Folders that cannot be read, and are empty now.
    pub folders: u64,
    /// Bytes of the content that is lost.
    pub bytes: u64,
    /// Whether the old one was removed.
    pub is_forgotten: bool,
}
