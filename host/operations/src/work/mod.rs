//! What jobs do, one file for each kind. Everything here blocks, on the job's own thread.

mod action;
pub(crate) mod backup;
mod given_up;
mod health;
mod maintenance;
mod order;
mod plan;
mod restore;
mod retention;
mod stability;
mod tag;

use std::sync::Arc;

use lockgate_api::{Finding, Job, Request};
use lockgate_engine::{Cancel, Host};
use lockgate_types::Name;
use serde_json::Value;

use crate::jobs::Recorder;
use crate::{Result, Site, Store};

pub(crate) use given_up::given_up;
pub(crate) use maintenance::{end_programs_of, put_back};
pub(crate) use retention::lose_copy;
pub(crate) use tag::{
    backup_of, is_its_snapshot, is_repaired, label_tag, saves_tag, schedule_tag, snapshot_of, tag,
};

/// One job and what it works with.
pub(crate) struct Work {
    pub site: Arc<Site>,
    pub store: Store,
    pub recorder: Arc<Recorder>,
    pub cancel: Cancel,
    pub job: Job,
    /// The sources that it is about.
    pub sources: Vec<Name>,
}

impl Work {
    /// Does it. What comes of it depends on the kind.
    pub(crate) fn run(&self) -> Result<Value> {
        match &self.job.request {
            Request::Backup(request) => backup::run(self, request),
            Request::Restore(request) => restore::run(self, request),
            Request::Plan(request) => plan::run(self, request),
            Request::Health(_) => health::run(self),
            Request::Maintenance(request) => maintenance::run(self, request),
            Request::Action(request) => action::run(self, request),
            Request::Retention(request) => retention::run(self, request),
        }
    }

    /// What runs plugins for this job.
    fn host(&self) -> Result<Host> {
        self.site.host(self.recorder.clone(), self.cancel.clone())
    }

    /// Waits for something of the store's or the repository's.
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.site.runtime.block_on(future)
    }
}

/// A finding as the API tells it.
pub(crate) fn to_finding(source: Option<&Name>, finding: &lockgate_types::Finding) -> Finding {
    Finding {
        source: source.cloned(),
        severity: finding.severity.into(),
        code: finding.code.clone(),
        message: finding.message.clone(),
        hint: finding.attributes.get("hint").cloned().unwrap_or_default(),
    }
}
