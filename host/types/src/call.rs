use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Attributes, EntryPath, Metadata};

/// What a plugin says of itself. Mirrors `identity.descriptor` of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Of the plugin.
    pub name: String,
    /// Of the plugin.
    pub version: String,
    /// The datastore in words.
    pub datastore: String,
    /// The versions of the server that were tested, in words.
    pub server_versions: String,
    /// JSON Schema of the source's configuration.
    pub config_schema: String,
    /// The kinds of part that the plugin exports.
    pub part_kinds: Vec<String>,
    /// For example `selective-restore`.
    pub features: Vec<String>,
    /// One sentence an operator can rely on.
    pub consistency: String,
    /// What a restore will not bring back.
    pub not_saved: Vec<String>,
    /// Anything else.
    pub attributes: Attributes,
}

/// The grain of parallelism, retry, progress and selective restore. Mirrors `types.part` of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// A path in UTF-8.
    pub id: String,
    /// One of the descriptor's kinds.
    pub kind: String,
    /// For progress bars only.
    pub bytes_estimate: Option<u64>,
    /// For progress bars only.
    pub items_estimate: Option<u64>,
    /// Anything else.
    pub attributes: Attributes,
}

/// What `backup.begin` is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// Empty for all.
    pub parts: Vec<String>,
    /// The mark of the parent snapshot.
    pub since: Option<Vec<u8>>,
    /// Anything else.
    pub attributes: Attributes,
}

/// What `backup.begin` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPlan {
    /// What will be exported.
    pub parts: Vec<Part>,
    /// Handed to every `join`.
    pub mark: Vec<u8>,
    /// What the manifest should tell: server version, position, consistency.
    pub attributes: Attributes,
}

/// What a part turned out to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows, keys, files.
    pub items: u64,
    /// Of the exported bytes, in the way of `restore.fingerprint`.
    pub fingerprint: Option<String>,
    /// Anything else.
    pub attributes: Attributes,
}

/// How the run ended, told to `backup.end` and `restore.end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Everything was done.
    Completed,
    /// With the reason.
    Failed(String),
    /// The operator stopped it.
    Cancelled,
}

/// What `restore.preview`, `begin` and `join` are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRequest {
    /// The parts to restore, as they were archived.
    pub parts: Vec<Part>,
    /// From archived name to new name, in the plugin's own terms.
    pub rename: Vec<(String, String)>,
    /// The target is fresh and has not the old cluster's identity.
    pub disaster_recovery: bool,
    /// Whether what is in the way may be replaced.
    pub overwrite: bool,
    /// Anything else.
    pub attributes: Attributes,
}

/// One line of a restore's plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Id of the part.
    pub part: String,
    /// What will be done, in words.
    pub action: String,
    /// To what, in words.
    pub target: String,
    /// Whether something that is there now will be gone.
    pub overwrites: bool,
    /// For progress bars only.
    pub bytes_estimate: Option<u64>,
    /// Anything else.
    pub attributes: Attributes,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing to do.
    Ok,
    /// Worth knowing.
    Notice,
    /// Worth doing something about.
    Warning,
    /// Must be dealt with.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Ok => "ok",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// Something that a plugin noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// Anything else.
    pub attributes: Attributes,
}

/// A named piece of a part: a stream of bytes, or a file system object without content. Mirrors `archive.entry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the part.
    pub path: EntryPath,
    /// Empty when unknown.
    pub media_type: String,
    /// Bytes; for progress bars and for choosing buffers only.
    pub size_hint: Option<u64>,
    /// Of entries that come from a file system.
    pub metadata: Option<Metadata>,
    /// Anything else. `etag` marks unchanged content.
    pub attributes: Attributes,
}
