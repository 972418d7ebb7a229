use lockgate_api::{Event, Job, JobId, JobKind, JobState};
use sqlx::Row as _;

use super::{Store, failed, from_optional, from_row, to_json, word};
use crate::Result;

/// Which jobs are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// In this state; in any otherwise.
    pub state: Option<JobState>,
    /// Of this kind; of any otherwise.
    pub kind: Option<JobKind>,
    /// Most of them.
    pub limit: u32,
}

impl Store {
    /// Keeps a job as it is now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_job(&self, job: &Job) -> Result<()> {
        sqlx::query(
            "INSERT INTO jobs (id, kind, state, is_told, body) VALUES ($1, $2, $3, 0, $4) \
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body",
        )
        .bind(job.id.to_string())
        .bind(word(&job.kind)?)
        .bind(word(&job.state)?)
        .bind(to_json(job)?)
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// The job of that id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>> {
        let query = sqlx::query("SELECT body FROM jobs WHERE id = $1").bind(id.to_string());
        from_optional(query.fetch_optional(&self.pool).await.map_err(failed)?)
    }

    /// Jobs, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn jobs(&self, wanted: Wanted) -> Result<Vec<Job>> {
        let state = wanted.state.map(|state| word(&state)).transpose()?.unwrap_or_default();
        let kind = wanted.kind.map(|kind| word(&kind)).transpose()?.unwrap_or_default();
        let rows = sqlx::query(
            "SELECT body FROM jobs WHERE ($1 = '' OR state = $1) AND ($2 = '' OR kind = $2) ORDER BY id DESC LIMIT $3",
        )
        .bind(state)
        .bind(kind)
        .bind(i64::from(wanted.limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter().map(from_row).collect()
    }

    /// Jobs that wait or run, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unended_jobs(&self) -> Result<Vec<Job>> {
        let rows =
            sqlx::query("SELECT body FROM jobs WHERE state IN ('QUEUED', 'RUNNING') ORDER BY id")
                .fetch_all(&self.pool)
                .await
                .map_err(failed)?;
        rows.iter().map(from_row).collect()
    }

    /// Jobs that ended and of whose end nobody was told yet, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn untold_jobs(&self, limit: u32) -> Result<Vec<Job>> {
        let rows = sqlx::query(
            "SELECT body FROM jobs WHERE is_told = 0 AND state IN ('DONE', 'ERROR', 'CANCELLED') ORDER BY id LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter().map(from_row).collect()
    }

    /// Remembers that the end of a job was told.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn told_job(&self, id: JobId) -> Result<()> {
        let query = sqlx::query("UPDATE jobs SET is_told = 1 WHERE id = $1").bind(id.to_string());
        query.execute(&self.pool).await.map_err(failed).map(drop)
    }

    /// Adds events to a job; all of them or none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn append_events(&self, job: JobId, events: &[Event]) -> Result<()> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        for event in events {
            sqlx::query("INSERT INTO events (job, number, body) VALUES ($1, $2, $3)")
                .bind(job.to_string())
                .bind(i64::try_from(event.number).unwrap_or(i64::MAX))
                .bind(to_json(event)?)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Events of a job behind number `after`, in order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn events(&self, job: JobId, after: u64, limit: u32) -> Result<Vec<Event>> {
        let rows = sqlx::query(
            "SELECT body FROM events WHERE job = $1 AND number > $2 ORDER BY number LIMIT $3",
        )
        .bind(job.to_string())
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter().map(from_row).collect()
    }

    /// Number of the last event of a job; 0 when it has none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn last_event(&self, job: JobId) -> Result<u64> {
        let query =
            sqlx::query("SELECT COALESCE(MAX(number), 0) AS last FROM events WHERE job = $1");
        let row = query.bind(job.to_string()).fetch_one(&self.pool).await.map_err(failed)?;
        let last: i64 = row.try_get("last").map_err(failed)?;
        Ok(u64::try_from(last).unwrap_or_default())
    }

    /// Forgets all jobs that ended but the newest `keep`, with their events.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn trim_jobs(&self, keep: u32) -> Result<()> {
        let old = "SELECT id FROM jobs WHERE is_told = 1 AND state IN ('DONE', 'ERROR', 'CANCELLED') \
                   ORDER BY id DESC LIMIT 1000000 OFFSET $1";
        for statement in [
            format!("DELETE FROM events WHERE job IN ({old})"),
            format!("DELETE FROM jobs WHERE id IN ({old})"),
        ] {
            let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(i64::from(keep));
            query.execute(&self.pool).await.map_err(failed)?;
        }
        Ok(())
    }
}
