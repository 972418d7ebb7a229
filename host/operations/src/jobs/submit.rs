use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use lockgate_api::{
    Backup, BackupId, BackupRequest, BackupState, ComponentState, ComponentStatus, Job, JobId,
    JobState, Label, Progress, Request, RestoreRequest,
};
use lockgate_types::Name;
use tokio::sync::OwnedSemaphorePermit;

use super::{Jobs, Live, Recorder, locked, run};
use crate::{Error, ErrorKind, Result, Unit};

impl Jobs {
    /// Accepts a request: what it names is there, and there is room. It is done from now on, whoever listens.
    ///
    /// # Errors
    /// `Configuration` or `NotFound` when it names something that is not there, `Conflict` when what it names is in the way of
    /// that, `Busy` when too many jobs wait.
    pub async fn submit(&self, request: Request, requested_by: &str) -> Result<Job> {
        if self.0.stopping.load(Ordering::SeqCst) {
            let message = "lockgate is about to end and takes no more jobs";
            return Err(Error::new(ErrorKind::Busy, message).with_hint("ask again when it runs"));
        }
        let room = self.room()?;
        let sources = self.sources(&request).await?;
        let mut job = Job {
            id: JobId::new(),
            kind: request.kind(),
            state: JobState::Queued,
            requested_by: requested_by.to_owned(),
            backup: None,
            created: Timestamp::now(),
            started: None,
            ended: None,
            progress: Progress::default(),
            error: None,
            result: serde_json::Value::Null,
            request,
        };
        match &job.request {
            Request::Backup(request) => {
                let backup = self.new_backup(request, requested_by, &sources)?;
                job.backup = Some(backup.id.clone());
                self.0.store.put_backup(&backup).await?;
            }
            Request::Restore(request) | Request::Plan(request) => {
                job.backup = Some(request.backup.clone())
            }
            _ => {}
        }
        self.0.store.put_job(&job).await?;
        self.launch(job.clone(), sources, room, 0);
        Ok(job)
    }

    /// Has a job run that is in the store.
    pub(super) fn launch(
        &self,
        job: Job,
        sources: Vec<Name>,
        room: OwnedSemaphorePermit,
        last: u64,
    ) {
        let live = Arc::new(Live::new(last));
        locked(&self.0.live).insert(job.id, Arc::clone(&live));
        let (recorder, writer) =
            Recorder::new(job.id, self.0.store.clone(), Arc::clone(&live), last);
        self.0.changes.send(job.clone()).ok();
        let inner = Arc::clone(&self.0);
        let mut tasks = self.tasks();
        // Those that ended are taken out, so that the set is never larger than the room.
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(
            async move {
                let task = run::Task { inner: &inner, live, recorder, sources };
                task.run(job, writer).await;
                drop(room);
            },
            &self.0.site.runtime,
        );
    }

    pub(super) fn room(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.0.room).try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::Busy, "too many jobs wait for their turn").with_hint(
                "ask again when some have ended, or let more run at once: `jobs` in [service]",
            )
        })
    }

    /// The sources that a request is about, which must be there.
    pub(super) async fn sources(&self, request: &Request) -> Result<Vec<Name>> {
        let site = self.site();
        let known = |names: &[Name]| -> Result<Vec<Name>> {
            names
                .iter()
                .map(|name| site.source(name.as_str()).map(|(name, _)| name.clone()))
                .collect()
        };
        match request {
            Request::Backup(request) => {
                let unit = site.unit(&request.name)?;
                Ok(unit.sources.into_iter().map(|(name, _)| name).collect())
            }
            Request::Restore(request) | Request::Plan(request) => self.restored(request).await,
            Request::Health(request) if request.sources.is_empty() => {
                Ok(site.configuration.sources.keys().cloned().collect())
            }
            Request::Health(request) => known(&request.sources),
            Request::Maintenance(request) => {
                let units: Result<Vec<Unit>> =
                    request.sources.iter().map(|name| site.unit(name.as_str())).collect();
                let mut names: Vec<Name> = Vec::new();
                for name in units?.iter().flat_map(Unit::in_order_of_maintenance) {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                Ok(names)
            }
            Request::Action(request) => known(std::slice::from_ref(&request.source)),
            Request::Retention(request) => {
                let units = request.units.iter().map(|name| site.unit(name.as_str()));
                let names = |unit: Unit| unit.sources.into_iter().map(|(name, _)| name);
                Ok(units.collect::<Result<Vec<_>>>()?.into_iter().flat_map(names).collect())
            }
        }
    }

    async fn restored(&self, request: &RestoreRequest) -> Result<Vec<Name>> {
        let backup = self.backup(&request.backup).await?;
        if backup.state != BackupState::Ready {
            let state = match (backup.state, &backup.error) {
                (BackupState::BackingUp, _) => "is not complete yet".to_owned(),
                (BackupState::Restoring, _) => "is being restored".to_owned(),
                (_, Some(gone)) if backup.snapshot.is_some() => {
                    format!("cannot be restored: {}", gone.detail)
                }
                _ => "was not completed, and cannot be restored".to_owned(),
            };
            return Err(Error::new(ErrorKind::Conflict, format!("backup {} {state}", backup.id)));
        }
        let archived: Vec<Name> = backup.component_status.keys().cloned().collect();
        if let Some(name) = request.sources.iter().find(|name| !archived.contains(name)) {
            let message = format!("backup {} does not hold source {name}", backup.id);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let names = if request.sources.is_empty() { archived } else { request.sources.clone() };
        names
            .iter()
            .map(|name| self.site().source(name.as_str()).map(|(name, _)| name.clone()))
            .collect()
    }

    /// The backup of that id.
    ///
    /// # Errors
    /// `NotFound`, or when the store fails.
    pub async fn backup(&self, id: &BackupId) -> Result<Backup> {
        let missing = || {
            Error::new(ErrorKind::NotFound, format!("there is no backup {id}"))
                .with_hint("`lockgate list` shows the backups")
        };
        self.0.store.backup(id).await?.ok_or_else(missing)
    }

    fn new_backup(
        &self,
        request: &BackupRequest,
        requested_by: &str,
        sources: &[Name],
    ) -> Result<Backup> {
        let unit = self.site().unit(&request.name)?;
        let label = request.label.clone().unwrap_or_else(|| label_of(&unit));
        let pending = ComponentStatus::new(ComponentState::Pending, "");
        Ok(Backup {
            id: BackupId::new(label.clone()),
            label,
            state: BackupState::BackingUp,
            repository: self
                .site()
                .repository_name(unit.sources.first().map(|(_, source)| source))?,
            set: unit.set.map(|(name, _)| name),
            snapshot: None,
            copies: std::collections::BTreeMap::new(),
            created: Timestamp::now(),
            ended: None,
            requested_by: requested_by.to_owned(),
            bytes: 0,
            bytes_stored: 0,
            error: None,
            component_status: sources.iter().map(|name| (name.clone(), pending.clone())).collect(),
            restores: None,
        })
    }
}

/// What a backup is called that nobody gave a label: as its set or source, cut to fit.
fn label_of(unit: &Unit) -> Label {
    let cut: String = unit.name().chars().take(Label::LENGTH_MAX).collect();
    let usual = || "backup".parse().unwrap_or_else(|_| unreachable!("`backup` is a label"));
    cut.parse().unwrap_or_else(|_| usual())
}
