use std::time::Duration;

use lockgate_repository::{Destination, Repository, Snapshot, WriteOptions};
use lockgate_trust::Granted;
use lockgate_types::{Digest, Finding, Name};

use crate::configuration::Source;
use crate::{Manifest, Result, SetRecord};

/// What one backup is of, and where it goes.
pub struct BackupJob<'a> {
    /// The sources, in the order in which they are asked for their points in time.
    pub sources: Vec<(&'a Name, &'a Source)>,
    /// The set that they make; none for a source alone.
    pub set: Option<SetJob<'a>>,
    /// Where it goes.
    pub repository: &'a Repository,
    /// How it is written.
    pub write: WriteOptions,
    /// Whether the backup fails when this repository does, although others get it.
    pub is_required: bool,
    /// Other repositories that get the same; what is read is read once.
    pub mirrors: Vec<Destination>,
    /// Written into the snapshot.
    pub hostname: String,
    /// Written into the snapshot.
    pub tags: Vec<String>,
    /// Only these parts; empty for all.
    pub parts: Vec<String>,
    /// Read everything, even what the parent snapshot holds unchanged.
    pub force: bool,
    /// Accept a result that is empty or far smaller than the parent's.
    pub allow_shrink: bool,
}

/// Sources that are backed up as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct SetJob<'a> {
    /// As the configuration calls it.
    pub name: &'a Name,
    /// Longest time from the first source's `begin` until all are released.
    pub hold_max: Duration,
}

/// What a backup did.
#[derive(Debug)]
pub struct BackupReport {
    /// The snapshot that now exists: that of the first repository that has one.
    pub snapshot: Snapshot,
    /// What became of it in each repository, in the order of the job.
    pub stored: Vec<Result<Snapshot>>,
    /// What became of each source, in the order of the job.
    pub sources: Vec<SourceReport>,
    /// What the repository counted.
    pub written: Written,
    /// The snapshot that unchanged entries were compared with, where that is one for all sources.
    pub parent: Option<Digest>,
    /// From the first stage to the last.
    pub duration: Duration,
}

impl BackupReport {
    /// The set that the sources make; none for a source alone.
    #[must_use]
    pub fn set(&self) -> Option<&SetRecord> {
        self.sources.first()?.manifest.set.as_ref()
    }

    /// Whether a plugin says that it could not save everything.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.sources.iter().any(SourceReport::is_partial)
    }
}

/// What a backup did with one source.
#[derive(Debug)]
pub struct SourceReport {
    /// What the snapshot says of it.
    pub manifest: Manifest,
    /// What the plugin noticed while it ended.
    pub findings: Vec<Finding>,
    /// What was granted and not used: the configuration could give less.
    pub unused: Vec<Granted>,
}

impl SourceReport {
    /// Whether the plugin says that it could not save everything.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let missed = ["unreadable", "failed"];
        self.manifest.parts.iter().any(|part| {
            missed.iter().any(|key| part.summary.get(*key).is_some_and(|count| count != "0"))
        })
    }
}

/// What the repository counted, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Read from the sources; entries that are reused are not read.
    pub bytes_read: u64,
    /// Not in the repository before, before compression.
    pub bytes_new: u64,
    /// The same after compression and encryption.
    pub bytes_stored: u64,
}

impl Written {
    pub(super) fn new(bytes_read: u64, snapshot: &Snapshot) -> Self {
        let summary = snapshot.summary.as_ref();
        let bytes_new = summary.map_or(0, |summary| summary.data_added);
        let bytes_stored = summary.map_or(0, |summary| summary.data_added_packed);
        Self { bytes_read, bytes_new, bytes_stored }
    }
}
