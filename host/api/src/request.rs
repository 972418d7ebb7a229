use std::collections::BTreeMap;

use lockgate_types::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{BackupId, JobKind, Label};

/// What a job is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Request {
    /// Back up sources.
    Backup(BackupRequest),
    /// Restore a backup.
    Restore(RestoreRequest),
    /// Say what that would do.
    Plan(RestoreRequest),
    /// Look at datastores.
    Health(HealthRequest),
    /// Take datastores out of service, or put them back.
    Maintenance(MaintenanceRequest),
    /// Run a repair of a plugin's.
    Action(ActionRequest),
    /// Forget what a schedule does not keep. Schedules ask for it, after each of their runs.
    Retention(RetentionRequest),
}

/// What is backed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct BackupRequest {
    /// One set, or one source.
    pub name: String,
    /// What the backup is to be called; the name of the set or source otherwise, or `backup` when that is no label.
    #[serde(default)]
    pub label: Option<Label>,
    /// Take the datastores out of service while they are backed up.
    #[serde(default)]
    pub maintenance: bool,
    /// Look at the datastores first, and refuse when one finds something critical.
    #[serde(default)]
    pub check_stability: bool,
    /// Read everything, even what has not changed since the last snapshot.
    #[serde(default)]
    pub force: bool,
    /// Accept a result that is empty or less than half of the last snapshot's.
    #[serde(default)]
    pub allow_shrink: bool,
}

/// What is restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct RestoreRequest {
    /// From which backup.
    pub backup: BackupId,
    /// Only these sources; all when there are none.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub sources: Vec<Name>,
    /// Only these parts, of one source; all when there are none.
    #[serde(default)]
    pub parts: Vec<String>,
    /// From archived name to new name, in the terms of one source's plugin.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
    /// Replace what is in the way.
    #[serde(default)]
    pub overwrite: bool,
    /// The targets are fresh and have not the old cluster's identity.
    #[serde(default)]
    pub disaster_recovery: bool,
    /// Do not take the datastores out of service meanwhile.
    #[serde(default)]
    pub without_maintenance: bool,
    /// Do not look at the datastores before and after.
    #[serde(default)]
    pub without_stability: bool,
    /// Do not compare fingerprints afterwards.
    #[serde(default)]
    pub without_verify: bool,
}

/// Whose health is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthRequest {
    /// Only these sources; all when there are none.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub sources: Vec<Name>,
}

/// Which datastores are taken out of service, or put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceRequest {
    /// Which sources, and sets with all their sources.
    #[schema(value_type = Vec<String>)]
    pub sources: Vec<Name>,
    /// Out of service, or back.
    pub step: MaintenanceStep,
}

/// Out of service, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MaintenanceStep {
    /// Out of service.
    Enter,
    /// Back into service.
    Leave,
}

/// A repair of a plugin's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionRequest {
    /// Of which source.
    #[schema(value_type = String)]
    pub source: Name,
    /// As the plugin calls it, for example `reindex`.
    pub action: String,
    /// As the plugin documents it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub arguments: Value,
}

/// Which backups are looked at for those that go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionRequest {
    /// Of this schedule, as it says in `keep`.
    #[schema(value_type = String)]
    pub schedule: Name,
    /// Of these sets and sources.
    #[schema(value_type = Vec<String>)]
    pub units: Vec<Name>,
    /// Whether it is time for a prune that comes once a week.
    #[serde(default)]
    pub week_is_over: bool,
}

impl Request {
    /// What a job with this request does.
    #[must_use]
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Backup(_) => JobKind::Backup,
            Self::Restore(_) => JobKind::Restore,
            Self::Plan(_) => JobKind::Plan,
            Self::Health(_) => JobKind::Health,
            Self::Maintenance(_) => JobKind::Maintenance,
            Self::Action(_) => JobKind::Action,
            Self::Retention(_) => JobKind::Retention,
        }
    }
}
