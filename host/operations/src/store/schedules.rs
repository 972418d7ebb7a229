use jiff::Timestamp;
use lockgate_api::JobId;
use lockgate_types::Name;
use serde::{Deserialize, Serialize};

use super::{Store, failed, from_optional, to_json};
use crate::Result;

/// How far a schedule is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// Times up to here are settled: there was a run, or there will be none.
    pub settled: Timestamp,
    /// When the last run was begun, or was to be begun.
    pub last: Option<Timestamp>,
    /// The jobs of that run.
    pub jobs: Vec<JobId>,
    /// Whether what is kept was decided after that run.
    pub is_retained: bool,
    /// The job that decides or decided it; none before it was begun.
    #[serde(default)]
    pub retention: Option<JobId>,
    /// How often that was begun after that run.
    #[serde(default)]
    pub retentions: u32,
    /// When space was given back the last time.
    pub pruned: Option<Timestamp>,
}

impl ScheduleRecord {
    /// That of a schedule that is new.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            settled: now,
            last: None,
            jobs: Vec::new(),
            is_retained: true,
            retention: None,
            retentions: 0,
            pruned: None,
        }
    }

    /// Remembers a run that was begun.
    pub(crate) fn begun(&mut self, time: Timestamp, jobs: Vec<JobId>) {
        (self.last, self.jobs, self.is_retained) = (Some(time), jobs, false);
        (self.retention, self.retentions) = (None, 0);
    }

    /// Remembers that what is kept was decided after the last run.
    pub(crate) fn settle(&mut self) {
        self.is_retained = true;
        (self.retention, self.retentions) = (None, 0);
    }
}

impl Store {
    /// Keeps how far a schedule is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_schedule(&self, name: &Name, record: &ScheduleRecord) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO schedules (name, body) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
        );
        let query = query.bind(name.as_str()).bind(to_json(record)?);
        query.execute(&self.pool).await.map_err(failed).map(drop)
    }

    /// How far a schedule is; none of one that is new.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn schedule(&self, name: &Name) -> Result<Option<ScheduleRecord>> {
        let query = sqlx::query("SELECT body FROM schedules WHERE name = $1").bind(name.as_str());
        from_optional(query.fetch_optional(&self.pool).await.map_err(failed)?)
    }
}
