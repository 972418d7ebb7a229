use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{BackupId, Problem, Request};

/// Names one job.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[schema(value_type = String, format = "uuid")]
pub struct JobId(Uuid);

/// One thing that lockgate was asked to do, from the request to the end, whoever still listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Names it for ever.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// Who asked for it: a user of the service, or `schedule NAME`.
    pub requested_by: String,
    /// What was asked for: the body of the request, and `kind`.
    #[schema(value_type = Object)]
    pub request: Request,
    /// The backup that it makes or restores.
    pub backup: Option<BackupId>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// When it was begun.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// How far it is.
    pub progress: Progress,
    /// Why it is in `ERROR`.
    pub error: Option<Problem>,
    /// What came of it; its shape depends on `kind`. None before it is done.
    #[schema(value_type = Option<Object>)]
    pub result: Value,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// Backs up sources.
    Backup,
    /// Restores a backup.
    Restore,
    /// Says what a restore would do.
    Plan,
    /// Has plugins look at their datastores.
    Health,
    /// Takes datastores out of service, or puts them back.
    Maintenance,
    /// Runs a repair of a plugin's, such as a reindex.
    Action,
    /// Forgets the backups that a schedule does not keep.
    Retention,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It goes on.
    Running,
    /// It is done.
    Done,
    /// It failed.
    Error,
    /// Someone stopped it.
    Cancelled,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// The stage that goes on.
    #[serde(default)]
    pub stage: String,
    /// Parts that are done.
    #[serde(default)]
    pub parts: u64,
    /// Parts that were planned.
    #[serde(default)]
    pub parts_planned: Option<u64>,
    /// Bytes so far.
    #[serde(default)]
    pub bytes: u64,
    /// Bytes that were planned, as far as the plugins can tell.
    #[serde(default)]
    pub bytes_planned: Option<u64>,
    /// Entries that are done.
    #[serde(default)]
    pub entries: u64,
}

impl JobId {
    /// A new id; later ones sort after earlier ones.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "two are never the same")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Its sixteen bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }
}

impl JobKind {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Plan => "plan",
            Self::Health => "health",
            Self::Maintenance => "maintenance",
            Self::Action => "action",
            Self::Retention => "retention",
        }
    }
}

impl JobState {
    /// Whether nothing more will happen to it.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Done | Self::Error | Self::Cancelled)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Uuid::try_parse(text)?))
    }
}
