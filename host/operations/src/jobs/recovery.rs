//! What an earlier process left behind is finished, resumed, or given up with the reason.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockgate_api::{
    Backup, CopyState, CopyStatus, Happening, Job, JobKind, JobState, Maintenance, Problem,
};
use lockgate_engine::repositories::Location;
use lockgate_engine::{Event, Observe, read_manifests};
use lockgate_repository::Snapshot;
use lockgate_types::Name;

use super::{Jobs, locked};
use crate::work::{backup, backup_of, end_programs_of, given_up, put_back};
use crate::{Error, Result};

/// How often it is tried again to put a datastore back into service.
const PUT_BACK_PERIOD: Duration = Duration::from_secs(30);

/// How often a backup is begun whose process ends each time: it may be what ends it.
const RUNS_MAX: usize = 3;
/// Events that are looked through for how often that was.
const EVENTS_MAX: u32 = 10_000;

/// What becomes of backups that were not done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Backlog {
    /// They are done again.
    Resume,
    /// They are not.
    GiveUp,
}

/// What becomes of a job that was not at its end when the process ended.
enum Fate {
    /// Its work was done.
    Finished(Box<Backup>),
    /// It is done again, from the beginning: what was stored is not stored again.
    Resumed,
    /// It is not done again.
    GivenUp(Problem),
}

impl Jobs {
    /// Decides about every job that was left behind.
    pub(super) async fn recover(&self, backlog: Backlog) -> Result<()> {
        self.put_back_what_was_left().await;
        for job in self.0.store.unended_jobs().await? {
            let was_running = job.started.is_some();
            let fate = if was_running { self.fate(&job).await? } else { Fate::Resumed };
            let fate = match fate {
                Fate::Resumed if backlog == Backlog::GiveUp => Fate::GivenUp(
                    Problem::new("interrupted", "lockgate ended before it was done")
                        .with_hint("ask for it again"),
                ),
                fate => fate,
            };
            self.meet(job, fate).await?;
        }
        Ok(())
    }

    async fn fate(&self, job: &Job) -> Result<Fate> {
        let ended = "lockgate ended while it ran";
        if job.kind != JobKind::Backup {
            let problem = Problem::new("interrupted", ended);
            return Ok(Fate::GivenUp(match job.kind {
                JobKind::Restore => {
                    problem.with_hint("`lockgate show ID` tells what state each datastore is in")
                }
                _ => problem.with_hint("ask for it again"),
            }));
        }
        match self.made(job).await {
            Ok(Some(backup)) => Ok(Fate::Finished(Box::new(backup))),
            Ok(None) if self.runs(job).await? < RUNS_MAX => Ok(Fate::Resumed),
            Ok(None) => Ok(Fate::GivenUp(
                Problem::new("interrupted", format!("{ended}, {RUNS_MAX} times"))
                    .with_hint("the log of the service or of the system may tell why it ended"),
            )),
            Err(error) => Ok(Fate::GivenUp(Problem::new(
                "interrupted",
                format!("{ended}, and whether it was complete cannot be seen: {error}"),
            ))),
        }
    }

    /// How often a job was begun.
    async fn runs(&self, job: &Job) -> Result<usize> {
        let events = self.0.store.events(job.id, 0, EVENTS_MAX).await?;
        let is_begin = |event: &&lockgate_api::Event| {
            matches!(event.happening, Happening::State { state: JobState::Running, .. })
        };
        Ok(events.iter().filter(is_begin).count())
    }

    /// The backup of a job as it is in the repository; none when there is no snapshot of it.
    async fn made(&self, job: &Job) -> Result<Option<Backup>> {
        let Some(id) = &job.backup else { return Ok(None) };
        let Some(mut object) = self.0.store.backup(id).await? else { return Ok(None) };
        let unit = match &job.request {
            lockgate_api::Request::Backup(request) => self.site().unit(&request.name)?,
            _ => return Ok(None),
        };
        let source = unit.sources.first().map(|(_, source)| source);
        let locations = self.site().locations(source)?;
        if locations.len() > 1 {
            return self.made_somewhere(object, locations).await;
        }
        let repository = self.site().location_named(&object.repository)?.open().await?;
        let snapshots = repository.snapshots().await?;
        let Some(snapshot) = snapshots.iter().find(|it| backup_of(&it.tags).as_ref() == Some(id))
        else {
            return Ok(None);
        };
        let reader = repository.reader().await?;
        let manifests = read_manifests(&reader, snapshot).await?;
        backup::complete(&mut object, &snapshot.id.to_string(), manifests.iter());
        Ok(Some(object))
    }

    /// The same of one that goes to several repositories: what they do not have is copied later.
    async fn made_somewhere(
        &self,
        mut object: Backup,
        locations: Vec<(String, Location)>,
    ) -> Result<Option<Backup>> {
        let (mut found, mut unreachable) = (None, None);
        for (name, location) in locations {
            let look = async {
                let repository = location.open().await?;
                let snapshots = repository.snapshots().await?;
                let its = |it: &Snapshot| backup_of(&it.tags).as_ref() == Some(&object.id);
                let snapshot = snapshots.into_iter().find(its);
                Ok::<_, crate::Error>(snapshot.map(|snapshot| (repository, snapshot)))
            };
            let missed =
                |message: String| CopyStatus { state: CopyState::Missed, snapshot: None, message };
            let copy = match look.await {
                Ok(Some((repository, snapshot))) => {
                    let copy = CopyStatus::stored(snapshot.id.to_string());
                    found.get_or_insert((name.clone(), repository, snapshot));
                    copy
                }
                Ok(None) => missed("the run was killed before it was there".to_owned()),
                Err(error) => {
                    let copy = missed(error.to_string());
                    unreachable.get_or_insert(error);
                    copy
                }
            };
            object.copies.insert(name, copy);
        }
        let Some((name, repository, snapshot)) = found else {
            // One that cannot be reached may have it: nobody knows.
            return unreachable.map_or(Ok(None), Err);
        };
        let reader = repository.reader().await?;
        let manifests = read_manifests(&reader, &snapshot).await?;
        backup::complete(&mut object, &snapshot.id.to_string(), manifests.iter());
        object.repository = name;
        Ok(Some(object))
    }

    async fn meet(&self, mut job: Job, fate: Fate) -> Result<()> {
        let last = self.0.store.last_event(job.id).await?;
        match fate {
            Fate::Resumed => {
                let sources = match self.sources(&job.request).await {
                    Ok(sources) => sources,
                    Err(error) => return self.give_up(job, last, crate::problem(&error)).await,
                };
                (job.state, job.started) = (JobState::Queued, None);
                self.0.store.put_job(&job).await?;
                let room = Arc::clone(&self.0.room).acquire_owned().await.map_err(closed)?;
                self.launch(job, sources, room, last);
                Ok(())
            }
            Fate::Finished(backup) => {
                self.0.store.put_backup(&backup).await?;
                job.result =
                    serde_json::json!({ "backup": backup.id, "snapshot": backup.snapshot });
                self.end(job, last, JobState::Done, None).await
            }
            Fate::GivenUp(problem) => self.give_up(job, last, problem).await,
        }
    }

    async fn give_up(&self, job: Job, last: u64, problem: Problem) -> Result<()> {
        given_up(&self.0.store, &job, &problem).await?;
        self.end(job, last, JobState::Error, Some(problem)).await
    }

    async fn end(
        &self,
        mut job: Job,
        last: u64,
        state: JobState,
        error: Option<Problem>,
    ) -> Result<()> {
        (job.state, job.error, job.ended) = (state, error.clone(), Some(Timestamp::now()));
        self.0.store.put_job(&job).await?;
        let happening = Happening::State { state, error };
        let event = lockgate_api::Event { number: last + 1, time: Timestamp::now(), happening };
        self.0.store.append_events(job.id, &[event]).await
    }

    /// Puts datastores back into service that a job took out which does not run any more. Those of operators stay.
    async fn put_back_what_was_left(&self) {
        let left = match self.0.store.maintenance().await {
            Ok(left) => left,
            Err(error) => return tracing::error!("{error}"),
        };
        // Sources first: the applications of sets are put in front of what serves again.
        let sets = &self.site().configuration.sets;
        let (last, first): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|entry| sets.contains_key(&entry.source));
        for entry in first.into_iter().chain(last).filter(|entry| self.is_left(entry)) {
            if let Err(error) = self.put_back(entry.source).await {
                tracing::error!("{error}");
            }
        }
    }

    /// Whether the job that took it out runs no more.
    fn is_left(&self, entry: &Maintenance) -> bool {
        entry.job.is_some_and(|job| !locked(&self.0.live).contains_key(&job))
    }

    async fn put_back(&self, name: Name) -> Result<()> {
        // A job that works on it now puts it back itself.
        let Some(_claim) = self.0.busy.try_claim(vec![name.clone()]) else { return Ok(()) };
        let entries = self.0.store.maintenance().await?;
        let Some(entry) = entries.into_iter().find(|it| it.source == name && self.is_left(it))
        else {
            return Ok(());
        };
        let (site, store) = (Arc::clone(&self.0.site), self.0.store.clone());
        let task = move || {
            entry.job.into_iter().for_each(end_programs_of);
            put_back(&site, &store, &name, entry.job, Arc::new(Silent))
        };
        super::run::on_own_thread(task).await
    }

    /// Tries again, now and then, to put back what a job could not. Ends when it is dropped.
    pub async fn keep_putting_back(&self) {
        loop {
            tokio::time::sleep(PUT_BACK_PERIOD).await;
            self.put_back_what_was_left().await;
        }
    }
}

/// Nobody listens.
struct Silent;

impl Observe for Silent {
    fn event(&self, _event: &Event<'_>) {}
}

fn closed(error: tokio::sync::AcquireError) -> Error {
    Error::new(crate::ErrorKind::Failed, error.to_string())
}
