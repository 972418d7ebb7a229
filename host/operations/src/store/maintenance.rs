use lockgate_api::Maintenance;
use lockgate_types::Name;

use super::{Store, failed, from_row, to_json};
use crate::Result;

impl Store {
    /// Remembers that a datastore is about to be taken out of service: before that is done, so that it is put back whatever
    /// happens in between.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn maintenance_on(&self, maintenance: &Maintenance) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO maintenance (source, body) VALUES ($1, $2) ON CONFLICT (source) DO UPDATE SET body = excluded.body",
        );
        let query = query.bind(maintenance.source.as_str()).bind(to_json(maintenance)?);
        query.execute(&self.pool).await.map_err(failed).map(drop)
    }

    /// Remembers that a datastore is back in service.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn maintenance_off(&self, source: &Name) -> Result<()> {
        let query = sqlx::query("DELETE FROM maintenance WHERE source = $1").bind(source.as_str());
        query.execute(&self.pool).await.map_err(failed).map(drop)
    }

    /// What is out of service.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn maintenance(&self) -> Result<Vec<Maintenance>> {
        let query = sqlx::query("SELECT body FROM maintenance ORDER BY source");
        query.fetch_all(&self.pool).await.map_err(failed)?.iter().map(from_row).collect()
    }
}
