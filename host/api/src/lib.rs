//! What an operator and lockgate say to each other: requests, backups, jobs and their events, as the service's REST API sends
//! them and as the command line prints them with `--json`. No I/O.

#![forbid(unsafe_code)]

mod backup;
mod event;
mod job;
mod label;
mod listing;
mod overview;
mod place;
mod problem;
mod request;

pub use backup::{
    Backup, BackupState, ComponentState, ComponentStatus, CopyState, CopyStatus, Restored,
};
pub use event::{Event, Happening};
pub use job::{Job, JobId, JobKind, JobState, Progress};
pub use label::{BackupId, BackupIdError, Label, LabelError};
pub use listing::{AuditLines, Entries, Entry, Me};
pub use overview::{
    Finding, Health, HealthState, Maintenance, PlannedStep, PluginInfo, RestorePlan, ScheduleInfo,
    SourceInfo,
};
pub use place::{Place, PlaceError};
pub use problem::Problem;
pub use request::{
    ActionRequest, BackupRequest, HealthRequest, MaintenanceRequest, MaintenanceStep, Request,
    RestoreRequest, RetentionRequest,
};
