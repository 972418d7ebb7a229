use std::collections::BTreeMap;

use jiff::Timestamp;
use lockgate_types::{Name, Severity};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{BackupId, JobId, JobState};

/// What is protected, and how fresh that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceInfo {
    /// As the configuration calls it.
    #[schema(value_type = String)]
    pub name: Name,
    /// Its plugin.
    pub plugin: String,
    /// Sets that it belongs to.
    #[schema(value_type = Vec<String>)]
    pub sets: Vec<Name>,
    /// The newest backup that can be restored.
    pub last_ready: Option<BackupId>,
    /// When that was begun.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_ready_time: Option<Timestamp>,
    /// The last look at it; none when there was none.
    pub health: Option<Health>,
    /// Whether it is out of service, and since when.
    pub maintenance: Option<Maintenance>,
}

/// What a look at a datastore found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// The gravest of it.
    pub state: HealthState,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// All of it.
    pub findings: Vec<Finding>,
}

/// How a datastore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// Nothing is wrong.
    Ok,
    /// There is something to know.
    Notice,
    /// Someone should look after it.
    Warning,
    /// It does not serve as it should, or cannot be reached.
    Critical,
}

impl From<Severity> for HealthState {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Ok => Self::Ok,
            Severity::Notice => Self::Notice,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

impl From<HealthState> for Severity {
    fn from(state: HealthState) -> Self {
        match state {
            HealthState::Ok => Self::Ok,
            HealthState::Notice => Self::Notice,
            HealthState::Warning => Self::Warning,
            HealthState::Critical => Self::Critical,
        }
    }
}

/// Something that a plugin noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Which source.
    #[schema(value_type = Option<String>)]
    pub source: Option<Name>,
    /// How grave.
    pub severity: HealthState,
    /// In one word, for programs.
    pub code: String,
    /// In a sentence.
    pub message: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// A datastore, or the application of a set, is out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Maintenance {
    /// Which source or set.
    #[schema(value_type = String)]
    pub source: Name,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The job that did it, and will undo it; none when an operator did.
    pub job: Option<JobId>,
}

/// When backups are made without being asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleInfo {
    /// As the configuration calls it.
    #[schema(value_type = String)]
    pub name: Name,
    /// Minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// IANA time zone in which those are meant.
    pub time_zone: String,
    /// The set or source that it backs up.
    pub backs_up: String,
    /// Whether that happens in maintenance mode.
    pub maintenance: bool,
    /// When it comes next.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next: Option<Timestamp>,
    /// When it came last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last: Option<Timestamp>,
    /// The job of that time.
    pub last_job: Option<JobId>,
    /// Where that stands.
    pub last_state: Option<JobState>,
}

/// A plugin and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginInfo {
    /// As it calls itself.
    pub name: String,
    /// As it calls itself.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// Whether it may run here.
    pub is_locked: bool,
    /// What it may do, a sentence each.
    pub permissions: Vec<String>,
    /// Who signed it.
    pub signed_by: Vec<String>,
    /// What it says of itself.
    pub attributes: BTreeMap<String, String>,
}

/// What a restore of one source would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestorePlan {
    /// Which source.
    #[schema(value_type = String)]
    pub source: Name,
    /// Plugin and version that saved it, and the version of the server.
    pub saved_by: String,
    /// Plugin and version that would restore it.
    pub restored_by: String,
    /// In order.
    pub steps: Vec<PlannedStep>,
}

/// A step of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedStep {
    /// Which part.
    pub part: String,
    /// What would be done, in the plugin's words.
    pub action: String,
    /// To what.
    pub target: String,
    /// Bytes, as far as they are known.
    pub bytes: Option<u64>,
    /// Whether something that is there would be replaced.
    pub overwrites: bool,
}
