//! Begins what is due.

use std::time::Duration;

use jiff::Timestamp;
use lockgate_api::JobKind;
use lockgate_engine::configuration::{Missed, Schedule};
use lockgate_types::Name;

use super::due::Due;
use super::{ASKED, Scheduler, schedule_of};
use crate::store::ScheduleRecord;
use crate::{ErrorKind, Result, Wanted};

/// Longest sleep: whoever sleeps longer does not notice that the clock was set, or the machine was asleep.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Shortest sleep, for trouble that comes back at once.
const SLEEP_MIN: Duration = Duration::from_millis(50);
/// Jobs that are looked through for those that were begun and not remembered.
const JOBS_MAX: u32 = 1000;

impl Scheduler {
    /// Begins each run when its time comes. Ends when it is dropped.
    pub(crate) async fn run(&self) {
        if let Err(error) = self.adopt().await {
            tracing::error!("schedules: {error}");
        }
        loop {
            let next = self.tick().await.unwrap_or_else(|error| {
                tracing::error!("schedules: {error}");
                None
            });
            let left = next.map_or(SLEEP_MAX, |next| {
                Duration::try_from(next.duration_since(self.now())).unwrap_or_default()
            });
            tokio::time::sleep(left.clamp(SLEEP_MIN, SLEEP_MAX)).await;
        }
    }

    /// Remembers runs that were begun by a process that ended before it could remember them, so that none is begun twice.
    pub(crate) async fn adopt(&self) -> Result<()> {
        let store = self.0.jobs.store();
        let wanted = Wanted { state: None, kind: Some(JobKind::Backup), limit: JOBS_MAX };
        let jobs = store.jobs(wanted).await?;
        for name in self.0.jobs.site().configuration.schedules.keys() {
            let Some(mut record) = store.schedule(name).await? else { continue };
            let is_unknown = |job: &&lockgate_api::Job| {
                job.created > record.settled
                    && !record.jobs.contains(&job.id)
                    && schedule_of(&job.requested_by).as_ref() == Some(name)
                    && record.last.is_none_or(|last| job.created > last)
            };
            let unknown: Vec<_> = jobs.iter().filter(is_unknown).collect();
            let Some(newest) = unknown.iter().map(|job| job.created).max() else { continue };
            record.settled = record.settled.max(newest);
            record.begun(newest, unknown.iter().map(|job| job.id).collect());
            store.put_schedule(name, &record).await?;
        }
        Ok(())
    }

    /// Begins what is due, and says when something is due again.
    pub(crate) async fn tick(&self) -> Result<Option<Timestamp>> {
        let mut first: Option<Timestamp> = None;
        for (name, schedule) in &self.0.jobs.site().configuration.schedules {
            let next = self.look(name, schedule).await?;
            first = [first, next].into_iter().flatten().min();
        }
        Ok(first)
    }

    async fn look(&self, name: &Name, schedule: &Schedule) -> Result<Option<Timestamp>> {
        let _begins = self.0.begins.lock().await;
        let store = self.0.jobs.store();
        let now = self.now();
        let calendar = self.calendar(name, schedule);
        let Some(mut record) = store.schedule(name).await? else {
            // What was before it was there is not missed.
            store.put_schedule(name, &ScheduleRecord::new(now)).await?;
            return Ok(calendar.next(now, now));
        };
        let Some(due) = calendar.due(record.settled, now) else {
            return Ok(calendar.next(record.settled, now));
        };
        if self.meet(name, schedule, &mut record, &due).await? {
            record.settled = due.time;
            store.put_schedule(name, &record).await?;
            return Ok(calendar.next(record.settled, now));
        }
        Ok(None)
    }

    /// Begins a run, or leaves it out. Whether its time is settled.
    async fn meet(
        &self,
        name: &Name,
        schedule: &Schedule,
        record: &mut ScheduleRecord,
        due: &Due,
    ) -> Result<bool> {
        if due.is_late && schedule.missed == Missed::Skip {
            let text = format!("Its time {} passed while lockgate did not run.", due.time);
            return self.tell_skipped(name, text).await.map(|()| true);
        }
        if let Some(job) = self.unfinished(record).await? {
            let text = format!("At {} the last run went on: job {}.", due.time, job.id);
            return self.tell_skipped(name, text).await.map(|()| true);
        }
        let asked = format!("{ASKED}{name}");
        let mut jobs = Vec::new();
        for unit in &schedule.backup {
            match self.begin(unit, schedule, &asked).await {
                Ok(job) => jobs.push(job.id),
                // There is no room now; it is tried again.
                Err(error) if jobs.is_empty() && error.kind() == ErrorKind::Busy => {
                    tracing::warn!(schedule = %name, "{error}");
                    return Ok(false);
                }
                Err(error) => {
                    let text = format!("The backup of {unit} was not begun: {error}.");
                    self.tell_skipped(name, text).await?;
                }
            }
        }
        record.begun(self.now(), jobs);
        Ok(true)
    }
}
