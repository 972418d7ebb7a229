use jiff::Timestamp;
use lockgate_api::JobId;
use lockgate_types::Name;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use super::{Store, failed, from_row, to_json};
use crate::notification::Message;
use crate::{Error, ErrorKind, Result};

/// Deliveries that may wait for one receiver; more are not taken in.
const WAITING_MAX: i64 = 1000;

/// Something that one receiver is to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// To whom, as the configuration calls it.
    pub notification: Name,
    /// What.
    pub message: Message,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again.
    pub next: Timestamp,
}

impl Delivery {
    fn id(&self) -> String {
        format!("{} {}", self.message.id, self.notification)
    }
}

/// What is remembered together with new deliveries, so that both happen or neither.
#[derive(Clone, Copy)]
pub(crate) enum Settles<'a> {
    /// That the end of a job is told.
    Job(JobId),
    /// That something is wrong.
    Begins(&'a str),
    /// That it is wrong no more.
    Ends(&'a str),
    /// Nothing.
    Nothing,
}

impl Store {
    /// Takes in deliveries. One that is there already is not taken in twice.
    pub(crate) async fn take_in(&self, all: &[Delivery], settles: Settles<'_>) -> Result<()> {
        // Before the transaction: one that reads first may find that others wrote before it does.
        let mut accepted = Vec::new();
        for delivery in all {
            match self.waiting(&delivery.notification).await? < WAITING_MAX {
                true => accepted.push(delivery),
                false => tracing::error!(
                    notification = %delivery.notification,
                    "not told, too much waits: {}",
                    delivery.message.subject
                ),
            }
        }
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        for delivery in accepted {
            sqlx::query(
                "INSERT INTO deliveries (id, notification, body) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
            )
            .bind(delivery.id())
            .bind(delivery.notification.as_str())
            .bind(to_json(delivery)?)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        let settled = match settles {
            Settles::Job(id) => {
                Some(sqlx::query("UPDATE jobs SET is_told = 1 WHERE id = $1").bind(id.to_string()))
            }
            Settles::Begins(name) => Some(
                sqlx::query(
                    "INSERT INTO incidents (name) VALUES ($1) ON CONFLICT (name) DO NOTHING",
                )
                .bind(name),
            ),
            Settles::Ends(name) => {
                Some(sqlx::query("DELETE FROM incidents WHERE name = $1").bind(name))
            }
            Settles::Nothing => None,
        };
        if let Some(query) = settled {
            query.execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn waiting(&self, to: &Name) -> Result<i64> {
        let query =
            sqlx::query("SELECT COUNT(*) AS waiting FROM deliveries WHERE notification = $1");
        let row = query.bind(to.as_str()).fetch_one(&self.pool).await.map_err(failed)?;
        row.try_get("waiting").map_err(failed)
    }

    /// What waits for one receiver, the oldest first.
    pub(crate) async fn deliveries(&self, to: &Name, limit: u32) -> Result<Vec<Delivery>> {
        let query =
            sqlx::query("SELECT body FROM deliveries WHERE notification = $1 ORDER BY id LIMIT $2");
        let query = query.bind(to.as_str()).bind(i64::from(limit));
        query.fetch_all(&self.pool).await.map_err(failed)?.iter().map(from_row).collect()
    }

    /// Remembers that a delivery is to be tried again.
    pub(crate) async fn put_delivery(&self, delivery: &Delivery) -> Result<()> {
        let query = sqlx::query("UPDATE deliveries SET body = $1 WHERE id = $2");
        let query = query.bind(to_json(delivery)?).bind(delivery.id());
        query.execute(&self.pool).await.map_err(failed).map(drop)
    }

    /// Forgets a delivery that arrived, or was given up.
    pub(crate) async fn remove_delivery(&self, delivery: &Delivery) -> Result<()> {
        let query = sqlx::query("DELETE FROM deliveries WHERE id = $1").bind(delivery.id());
        query.execute(&self.pool).await.map_err(failed).map(drop)
    }

    /// Forgets what waits for receivers that are not in the configuration any more.
    pub(crate) async fn keep_deliveries_to<'a>(
        &self,
        known: impl Iterator<Item = &'a Name>,
    ) -> Result<()> {
        let known: Vec<&str> = known.map(Name::as_str).collect();
        let rows = sqlx::query("SELECT DISTINCT notification FROM deliveries");
        for row in rows.fetch_all(&self.pool).await.map_err(failed)? {
            let name: String = row.try_get("notification").map_err(failed)?;
            if !known.contains(&name.as_str()) {
                let query = sqlx::query("DELETE FROM deliveries WHERE notification = $1");
                query.bind(name).execute(&self.pool).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// What is wrong and was told.
    pub(crate) async fn incidents(&self) -> Result<Vec<String>> {
        let rows = sqlx::query("SELECT name FROM incidents ORDER BY name");
        let rows = rows.fetch_all(&self.pool).await.map_err(failed)?;
        let name = |row| sqlx::any::AnyRow::try_get(row, "name");
        rows.iter()
            .map(name)
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| Error::new(ErrorKind::Damaged, format!("state: {error}")))
    }
}
