//! Backups that nobody has to ask for.

mod due;
mod retention;
mod run;

use std::sync::Arc;

use jiff::Timestamp;
use lockgate_api::{BackupRequest, Job, JobId, JobState, Request, ScheduleInfo};
use lockgate_engine::configuration::{Occasion, Schedule};
use lockgate_types::Name;
use tokio::sync::Mutex;

use crate::notification::{About, Notifier};
use crate::store::ScheduleRecord;
use crate::{Error, ErrorKind, Jobs, Result};

use due::Calendar;

/// What the time is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What `requested_by` of a job begins with that a schedule asked for.
const ASKED: &str = "schedule ";

/// The schedules of the configuration. Copies share everything.
#[derive(Clone)]
pub struct Scheduler(Arc<Inner>);

struct Inner {
    jobs: Jobs,
    clock: Clock,
    notifier: Notifier,
    /// One run is begun at a time, so that none overlaps.
    begins: Mutex<()>,
}

/// The schedule that asked for a job, when one did.
pub(crate) fn schedule_of(requested_by: &str) -> Option<Name> {
    requested_by.strip_prefix(ASKED)?.split(' ').next()?.parse().ok()
}

impl Scheduler {
    /// The schedules of the jobs' configuration. Nothing happens before it is [run](crate::background).
    #[must_use]
    pub fn new(jobs: Jobs) -> Self {
        Self::with_clock(jobs, Arc::new(Timestamp::now))
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(jobs: Jobs, clock: Clock) -> Self {
        let notifier = Notifier::new(jobs.clone());
        Self(Arc::new(Inner { jobs, clock, notifier, begins: Mutex::default() }))
    }

    /// What runs what is scheduled.
    #[must_use]
    pub fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    pub(crate) fn notifier(&self) -> &Notifier {
        &self.0.notifier
    }

    /// Tells that a schedule left something out.
    async fn tell_skipped(&self, name: &Name, text: String) -> Result<()> {
        tracing::warn!(schedule = %name, "{text}");
        let subject = format!("schedule {name} left a run out");
        let schedule = Some(name.clone());
        let about = About { occasion: Occasion::Skipped, schedule, is_over: false, subject, text };
        self.0.notifier.tell(about).await
    }

    /// All schedules: when they come next, and what became of the last run.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<ScheduleInfo>> {
        let mut found = Vec::new();
        for (name, schedule) in &self.0.jobs.site().configuration.schedules {
            found.push(self.info(name, schedule).await?);
        }
        Ok(found)
    }

    /// Begins a run now, a job for each of its sets and sources. The times of the schedule stay as they are.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the last run goes on; otherwise as [`Jobs::submit`].
    pub async fn run_now(&self, name: &str, requested_by: &str) -> Result<Vec<Job>> {
        let schedules = &self.0.jobs.site().configuration.schedules;
        let found = schedules.iter().find(|(known, _)| known.as_str() == name);
        let (name, schedule) = found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no schedule {name}"))
                .with_hint("`lockgate config check` lists the schedules")
        })?;
        let _begins = self.0.begins.lock().await;
        let mut record = self.record(name).await?;
        if let Some(job) = self.unfinished(&record).await? {
            let message = format!("the last run of schedule {name} goes on: job {}", job.id);
            return Err(
                Error::new(ErrorKind::Conflict, message).with_hint("wait for it, or stop it first")
            );
        }
        let asked = format!("{ASKED}{name} for {requested_by}");
        let mut jobs = Vec::new();
        for unit in &schedule.backup {
            match self.begin(unit, schedule, &asked).await {
                Ok(job) => jobs.push(job),
                // What was begun is not taken back.
                Err(error) if jobs.is_empty() => return Err(error),
                Err(error) => tracing::warn!(schedule = %name, backup = %unit, "{error}"),
            }
        }
        record.begun(self.now(), jobs.iter().map(|job| job.id).collect());
        self.0.jobs.store().put_schedule(name, &record).await?;
        Ok(jobs)
    }

    async fn info(&self, name: &Name, schedule: &Schedule) -> Result<ScheduleInfo> {
        let record = self.record(name).await?;
        let job = self.telling(&record).await?;
        let names: Vec<&str> = schedule.backup.iter().map(Name::as_str).collect();
        Ok(ScheduleInfo {
            name: name.clone(),
            cron: schedule.cron.as_str().to_owned(),
            time_zone: schedule.time_zone.as_str().to_owned(),
            backs_up: names.join(", "),
            maintenance: schedule.maintenance,
            next: self.calendar(name, schedule).next(record.settled, self.now()),
            last: record.last,
            last_job: job.as_ref().map(|(id, _)| *id),
            last_state: job.map(|(_, state)| state),
        })
    }

    /// The job that says most about the last run: one that failed, else one that goes on, else the last.
    async fn telling(&self, record: &ScheduleRecord) -> Result<Option<(JobId, JobState)>> {
        let mut found: Option<(JobId, JobState)> = None;
        let weight = |state: JobState| match state {
            JobState::Error | JobState::Cancelled => 2,
            JobState::Queued | JobState::Running => 1,
            JobState::Done => 0,
        };
        for id in &record.jobs {
            let Some(job) = self.0.jobs.store().job(*id).await? else { continue };
            if found.is_none_or(|(_, state)| weight(job.state) >= weight(state)) {
                found = Some((job.id, job.state));
            }
        }
        Ok(found)
    }

    /// A job of the last run that has not ended.
    async fn unfinished(&self, record: &ScheduleRecord) -> Result<Option<Job>> {
        for id in &record.jobs {
            let job = self.0.jobs.store().job(*id).await?;
            if let Some(job) = job.filter(|job| !job.state.is_ended()) {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    async fn begin(&self, unit: &Name, schedule: &Schedule, asked: &str) -> Result<Job> {
        let request = BackupRequest {
            name: unit.to_string(),
            label: schedule.label.clone(),
            maintenance: schedule.maintenance,
            check_stability: schedule.check_stability,
            ..BackupRequest::default()
        };
        self.0.jobs.submit(Request::Backup(request), asked).await
    }

    async fn record(&self, name: &Name) -> Result<ScheduleRecord> {
        let record = self.0.jobs.store().schedule(name).await?;
        Ok(record.unwrap_or_else(|| ScheduleRecord::new(self.now())))
    }

    fn calendar<'a>(&'a self, name: &'a Name, schedule: &'a Schedule) -> Calendar<'a> {
        Calendar { host: &self.0.jobs.site().hostname, name, schedule }
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }
}
