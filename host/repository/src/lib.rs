//! A deduplicated, compressed, encrypted repository in restic's format version 2, read and written here without restic.
//!
//! Storage is not trusted: every byte that comes back is authenticated, and every blob and file is compared with the
//! SHA-256 that names it. Nothing stored is ever overwritten; a snapshot is written last, so that a run that ends early
//! leaves garbage and never a half snapshot. The format is specified by restic's public design document
//! (<https://restic.readthedocs.io/en/stable/100_references.html>).

pub mod format;
pub mod index;

mod check;
mod chunk;
mod compress;
mod error;
mod forget;
mod hash;
mod layout;
mod limits;
mod lock;
mod open;
mod prune;
mod read;
mod seal;
mod snapshots;
mod tree;
mod write;

pub use check::{
    Affected, CheckOptions, CheckProgress, CheckReport, CheckStage, Finding, ReadData, Trouble,
};
pub use chunk::Chunking;
pub use compress::Compression;
pub use error::{Error, ErrorKind, Result};
pub use forget::{
    Filter, ForgetGroup, ForgetOptions, ForgetReport, GroupKey, Grouping, Kept, PINS, Period,
    Policy, Reason, Slot,
};
pub use format::{Node, NodeKind, Snapshot, SnapshotSummary, Time, Xattr};
pub use lock::LockGuard;
pub use open::{InitOptions, Repository};
pub use prune::{PruneLimit, PruneOptions, PruneProgress, PruneReport};
pub use read::{ContentReader, Reader, Walk};
pub use write::{
    SnapshotDraft, StreamWriter, WriteOptions, WriteProgress, Writer, WriterCanceller,
};
