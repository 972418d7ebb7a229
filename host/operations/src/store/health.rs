use std::collections::BTreeMap;

use lockgate_api::Health;
use lockgate_types::Name;
use sqlx::Row as _;

use super::{Store, failed, from_row, to_json};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Keeps what the last look at a source found.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_health(&self, source: &Name, health: &Health) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO health (source, body) VALUES ($1, $2) ON CONFLICT (source) DO UPDATE SET body = excluded.body",
        );
        let query = query.bind(source.as_str()).bind(to_json(health)?);
        query.execute(&self.pool).await.map_err(failed).map(drop)
    }

    /// What the last look at each source found.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn health(&self) -> Result<BTreeMap<Name, Health>> {
        let query = sqlx::query("SELECT source, body FROM health");
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        let pair = |row| {
            let name: String = sqlx::any::AnyRow::try_get(row, "source").map_err(failed)?;
            let name = name.parse().map_err(|error: lockgate_types::NameError| {
                Error::new(ErrorKind::Damaged, format!("state: {error}"))
            })?;
            Ok((name, from_row(row)?))
        };
        rows.iter().map(pair).collect()
    }
}
