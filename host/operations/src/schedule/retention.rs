//! Which backups of a schedule stay, decided by a job after each of its runs.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockgate_api::{Job, JobState, Request, RetentionRequest};
use lockgate_engine::configuration::{Occasion, Schedule};
use lockgate_types::Name;

use super::{ASKED, Scheduler};
use crate::notification::About;
use crate::store::ScheduleRecord;
use crate::{ErrorKind, Result, error};

/// How often it is looked for what nobody announced.
const PERIOD: Duration = Duration::from_secs(60);
/// Time after which what failed is tried again. Each time it doubles, up to the longest.
const PAUSE_MIN: SignedDuration = SignedDuration::from_mins(1);
const PAUSE_MAX: SignedDuration = SignedDuration::from_mins(64);
/// Time between two prunes that are a week apart: a little less, as no two runs take the same time.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24 - 6);

impl Scheduler {
    /// Applies what the schedules say about keeping. Ends when it is dropped.
    pub(crate) async fn retain(&self) {
        let mut changes = self.0.jobs.changes();
        loop {
            for (name, schedule) in &self.0.jobs.site().configuration.schedules {
                if let Err(error) = self.retain_after(name, schedule).await {
                    tracing::error!(schedule = %name, "what is kept is decided later: {error}");
                }
            }
            // Looks again when a job ended, whichever.
            let ended =
                async { while !matches!(changes.recv().await, Ok(job) if job.state.is_ended()) {} };
            tokio::time::timeout(PERIOD, ended).await.ok();
        }
    }

    /// The next step towards what one schedule keeps: after a run of it has ended a job is begun, and what came of that is told.
    pub(crate) async fn retain_after(&self, name: &Name, schedule: &Schedule) -> Result<()> {
        let _begins = self.0.begins.lock().await;
        let store = self.0.jobs.store();
        let Some(mut record) = store.schedule(name).await? else { return Ok(()) };
        if record.is_retained || self.unfinished(&record).await?.is_some() {
            return Ok(());
        }
        let last = match record.retention {
            Some(id) => store.job(id).await?,
            None => None,
        };
        match last {
            Some(job) if !job.state.is_ended() => return Ok(()),
            Some(job) if job.state == JobState::Error => {
                self.tell_failed(name, &job).await?;
                if Timestamp::now() < again(&job, record.retentions) {
                    return Ok(());
                }
                self.begin_retention(name, schedule, &mut record).await?;
            }
            Some(job) => {
                if job.state == JobState::Done {
                    self.tell_done(name).await?;
                }
                if job.result["pruned"] == true {
                    record.pruned = Some(self.now());
                }
                record.settle();
                store.put_schedule(name, &record).await?;
                // What else is gone was not forgotten by this schedule.
                self.0.jobs.look_for_snapshots().await;
                return Ok(());
            }
            None => self.begin_retention(name, schedule, &mut record).await?,
        }
        store.put_schedule(name, &record).await
    }

    async fn begin_retention(
        &self,
        name: &Name,
        schedule: &Schedule,
        record: &mut ScheduleRecord,
    ) -> Result<()> {
        let units = self.saved(record).await?;
        if units.is_empty() || !self.is_anything_forgotten(schedule) {
            record.settle();
            return Ok(());
        }
        let week_is_over = record.pruned.is_none_or(|last| self.now().duration_since(last) > WEEK);
        let request = RetentionRequest { schedule: name.clone(), units, week_is_over };
        let asked = format!("{ASKED}{name}");
        let job = self.0.jobs.submit(Request::Retention(request), &asked).await?;
        record.retention = Some(job.id);
        record.retentions = record.retentions.saturating_add(1);
        Ok(())
    }

    /// Whether the schedule, or a repository for itself, says what is kept.
    fn is_anything_forgotten(&self, schedule: &Schedule) -> bool {
        let mut repositories = self.0.jobs.site().configuration.repositories.values();
        schedule.keep.is_some() || repositories.any(|repository| repository.keep.is_some())
    }

    /// What the last run saved.
    async fn saved(&self, record: &ScheduleRecord) -> Result<Vec<Name>> {
        let mut found = Vec::new();
        for id in &record.jobs {
            let job = self.0.jobs.store().job(*id).await?;
            let Some(job) = job.filter(|job| job.state == JobState::Done) else { continue };
            if let Request::Backup(request) = &job.request {
                found.extend(request.name.parse::<Name>().ok());
            }
        }
        Ok(found)
    }

    /// Tells once when what is kept cannot be applied.
    async fn tell_failed(&self, name: &Name, job: &Job) -> Result<()> {
        let Some(problem) = &job.error else { return Ok(()) };
        // Others work with the repository, or this process ended: neither is wrong, and it is tried again.
        if matches!(error(problem).kind(), ErrorKind::Locked | ErrorKind::Interrupted) {
            return Ok(());
        }
        let text = format!(
            "Old backups could not be forgotten: {}. It is tried again. Job {}.",
            problem.detail, job.id
        );
        self.tell_retained(name, true, format!("schedule {name} keeps more than it says"), text)
            .await
    }

    /// Tells once when it can be applied again.
    async fn tell_done(&self, name: &Name) -> Result<()> {
        let text = "Old backups were forgotten again as it says.".to_owned();
        self.tell_retained(name, false, format!("schedule {name} keeps what it says again"), text)
            .await
    }

    async fn tell_retained(
        &self,
        name: &Name,
        is_wrong: bool,
        subject: String,
        text: String,
    ) -> Result<()> {
        let schedule = Some(name.clone());
        let about =
            About { occasion: Occasion::Retention, schedule, is_over: false, subject, text };
        self.notifier().stands(&format!("retention {name}"), is_wrong, about).await
    }
}

/// When a job is tried again that failed for the time of that number.
fn again(job: &Job, times: u32) -> Timestamp {
    let ended = job.ended.unwrap_or(job.created);
    // One that was broken off by an end of lockgate met no trouble.
    if job.error.as_ref().is_some_and(|problem| error(problem).kind() == ErrorKind::Interrupted) {
        return ended;
    }
    let doubled = 1_i32.checked_shl(times.saturating_sub(1).min(16)).unwrap_or(i32::MAX);
    ended + PAUSE_MIN.saturating_mul(doubled).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use lockgate_api::{JobId, JobKind, Problem, Progress};

    use super::*;

    fn failed(kind: &str, ended: Timestamp) -> Job {
        let schedule: Name = "nightly".parse().expect("name");
        let request = RetentionRequest { schedule, units: Vec::new(), week_is_over: false };
        Job {
            id: JobId::new(),
            kind: JobKind::Retention,
            state: JobState::Error,
            requested_by: "schedule nightly".to_owned(),
            request: Request::Retention(request),
            backup: None,
            created: ended,
            started: Some(ended),
            ended: Some(ended),
            progress: Progress::default(),
            error: Some(Problem::new(kind, "what")),
            result: serde_json::Value::Null,
        }
    }

    #[test]
    fn what_fails_again_and_again_is_tried_less_and_less_often() {
        let ended = Timestamp::UNIX_EPOCH;
        let minutes = |times| {
            let job = failed("unreachable", ended);
            again(&job, times).duration_since(ended).as_mins()
        };
        assert_eq!([1, 2, 3, 7, 8, u32::MAX].map(minutes), [1, 2, 4, 64, 64, 64]);
        assert_eq!(again(&failed("interrupted", ended), 3), ended);
    }
}
