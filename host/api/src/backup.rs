use std::collections::BTreeMap;

use jiff::Timestamp;
use lockgate_types::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{BackupId, JobId, Label, Problem};

/// Sources that were, or are to be, backed up under one id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Names it for ever.
    pub id: BackupId,
    /// What the operator calls it.
    pub label: Label,
    /// Where it stands.
    pub state: BackupState,
    /// The set that was backed up as of one moment; none for sources alone.
    #[schema(value_type = Option<String>)]
    pub set: Option<Name>,
    /// The repository, as the configuration calls it, or its location.
    pub repository: String,
    /// The snapshot in the repository; none before there is one.
    pub snapshot: Option<String>,
    /// What became of it in each repository, where it goes to several; `repository` is the first that has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub copies: BTreeMap<String, CopyStatus>,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// When it became `READY` or `ERROR`.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// Who asked for it: a user of the service, or a schedule.
    pub requested_by: String,
    /// Bytes that were exported.
    pub bytes: u64,
    /// Bytes that were new to the repository, as they are stored.
    pub bytes_stored: u64,
    /// Why it is in `ERROR`.
    pub error: Option<Problem>,
    /// Each source.
    #[schema(value_type = BTreeMap<String, ComponentStatus>)]
    pub component_status: BTreeMap<Name, ComponentStatus>,
    /// The last restore from it; none when there was none.
    pub restores: Option<Restored>,
}

/// Where a backup stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BackupState {
    /// It is being made.
    BackingUp,
    /// It can be restored.
    Ready,
    /// It was not completed, and cannot be restored.
    Error,
    /// It is being restored.
    Restoring,
}

/// What became of one source, in a backup or a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComponentStatus {
    /// Where it stands.
    pub state: ComponentState,
    /// In a sentence: what state its datastore is in, and how to go on; nothing where that goes without saying.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Rows, keys, files: as its plugin counts.
    #[serde(default)]
    pub items: u64,
    /// Bytes that were exported or imported.
    #[serde(default)]
    pub bytes: u64,
}

/// Where one source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ComponentState {
    /// Nothing was done to it.
    Pending,
    /// It is being exported.
    BackingUp,
    /// It is being imported.
    Restoring,
    /// It is done.
    Ready,
    /// It failed.
    Error,
}

/// What became of a backup in one of several repositories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CopyStatus {
    /// Whether it is there.
    pub state: CopyState,
    /// The snapshot in that repository; none when it is not there.
    pub snapshot: Option<String>,
    /// Why it is not there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Whether a repository has a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CopyState {
    /// It is there.
    Stored,
    /// It is not there yet, and will be copied.
    Missed,
}

impl CopyStatus {
    /// Of a repository that has it as `snapshot`.
    #[must_use]
    pub fn stored(snapshot: String) -> Self {
        Self { state: CopyState::Stored, snapshot: Some(snapshot), message: String::new() }
    }
}

/// A restore from a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restored {
    /// Which job does or did it.
    pub job: JobId,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// When it ended; none while it goes on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// Each source that is restored.
    #[schema(value_type = BTreeMap<String, ComponentStatus>)]
    pub component_status: BTreeMap<Name, ComponentStatus>,
}

impl ComponentStatus {
    /// A status without counts.
    #[must_use]
    pub fn new(state: ComponentState, message: impl Into<String>) -> Self {
        Self { state, message: message.into(), items: 0, bytes: 0 }
    }
}
