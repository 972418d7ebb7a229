//! A deduplicated, compressed, encrypted repository in restic's format version 2, read and written here without restic.
//!
//! Storage is not trusted: every byte that comes back is authenticated, and every blob and file is compared with the
//! SHA-256 that names it. Nothing stored is ever overwritten; a snapshot is written last, so that a run that ends early
//! leaves garbage and never a half snapshot. The format is specified by restic's public design document
//! (<https://restic.readthedocs.io/en/stable/100_references.html>).

pub mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod index;

mod amend;
mod buffers;
mod cat;
mod check;
mod chunk;
mod compress;
mod copy;
mod diff;
mod error;
mod find;
mod forget;
mod hash;
mod heal;
mod identifier;
mod keys;
mod layout;
mod limits;
mod load;
mod lock;
mod open;
mod prune;
mod read;
mod repair;
mod retention;
mod seal;
mod snapshots;
mod stats;
mod survey;
mod tree;
mod write;

#[cfg(test)]
mod primitives_tests;

pub use amend::{Amended, TagChange};
pub use cat::{Object, ObjectKind};
pub use check::{
    Affected, CheckOptions, CheckProgress, CheckReport, CheckStage, Finding, ReadData, Trouble,
};
pub use chunk::Chunking;
pub use compress::Compression;
pub use copy::{Copied, CopyOptions, CopyReport};
pub use diff::{Change, ChangeKind, DiffCount, DiffOptions, DiffReport};
pub use error::{Error, ErrorKind, Result};
pub use find::{FindOptions, Found, Pattern, SizeRange, parse_moment};
pub use forget::{
    Filter, ForgetGroup, ForgetOptions, ForgetReport, GroupKey, Grouping, Kept, PINS, Period,
    Policy, Reason, Slot,
};
pub use format::{Node, NodeKind, PastNode, Snapshot, SnapshotSummary, Time, Xattr};
pub use heal::{HealOptions, HealReport, Lost};
pub use keys::{Key, KeyOptions};
pub use lock::{Lock, LockGuard, UnlockReport};
pub use open::{InitOptions, Repository};
pub use prune::{PruneLimit, PruneOptions, PruneProgress, PruneReport};
pub use read::{Chunks, ContentReader, Reader, Rescued, SealedTree, Walk};
pub use repair::{IndexRepair, REPAIRED, RepairedSnapshot, SnapshotRepair};
pub use snapshots::Selection;
pub use stats::{SnapshotStats, StatsReport};
pub use write::{
    Destination, SnapshotDraft, StreamWriter, WriteOptions, WriteProgress, Writer, WriterCanceller,
};
