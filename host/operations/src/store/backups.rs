use jiff::Timestamp;
use lockgate_api::{Backup, BackupId, BackupState, Label, Place};
use lockgate_types::Name;

use super::{Store, failed, from_optional, from_row, to_json, word};
use crate::Result;

/// Which backups are asked for.
#[derive(Clone, Debug, Default)]
pub struct WantedBackups {
    /// Of this label; of any otherwise.
    pub label: Option<Label>,
    /// With this source; with any otherwise.
    pub source: Option<Name>,
    /// In this state; in any otherwise.
    pub state: Option<BackupState>,
    /// Only those behind this one, which are older.
    pub after: Option<Place>,
    /// Most of them.
    pub limit: u32,
}

/// A time as text that sorts as times do.
pub(super) fn instant(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// The sources of a backup as text in which one can be searched for.
pub(super) fn sources(backup: &Backup) -> String {
    let names = backup.component_status.keys();
    names.fold(" ".to_owned(), |text, name| text + name.as_str() + " ")
}

impl Store {
    /// Keeps a backup as it is now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_backup(&self, backup: &Backup) -> Result<()> {
        sqlx::query(
            "INSERT INTO backups (id, label, state, created, sources, body) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, sources = excluded.sources, body = excluded.body",
        )
        .bind(backup.id.as_str())
        .bind(backup.label.as_str())
        .bind(word(&backup.state)?)
        .bind(instant(backup.created))
        .bind(sources(backup))
        .bind(to_json(backup)?)
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// The backup of that id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn backup(&self, id: &BackupId) -> Result<Option<Backup>> {
        let query = sqlx::query("SELECT body FROM backups WHERE id = $1").bind(id.as_str());
        from_optional(query.fetch_optional(&self.pool).await.map_err(failed)?)
    }

    /// Backups, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn backups(&self, wanted: &WantedBackups) -> Result<Vec<Backup>> {
        let state = wanted.state.as_ref().map(word).transpose()?.unwrap_or_default();
        // Names have no characters that mean something to LIKE.
        let holds = wanted.source.as_ref().map(|source| format!("% {source} %"));
        let after = wanted.after.as_ref();
        let rows = sqlx::query(
            "SELECT body FROM backups WHERE ($1 = '' OR label = $1) AND ($2 = '' OR state = $2) AND ($3 = '' OR sources LIKE $3) \
             AND ($4 = '' OR created < $4 OR (created = $4 AND id > $5)) ORDER BY created DESC, id LIMIT $6",
        )
        .bind(wanted.label.as_ref().map_or("", Label::as_str))
        .bind(state)
        .bind(holds.unwrap_or_default())
        .bind(after.map(|place| instant(place.created)).unwrap_or_default())
        .bind(after.map_or("", |place| place.id.as_str()))
        .bind(i64::from(wanted.limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter().map(from_row).collect()
    }

    /// Backups that are in one of these states.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn backups_in(&self, state: BackupState) -> Result<Vec<Backup>> {
        let query = sqlx::query("SELECT body FROM backups WHERE state = $1 ORDER BY created")
            .bind(word(&state)?);
        query.fetch_all(&self.pool).await.map_err(failed)?.iter().map(from_row).collect()
    }

    /// Keeps a backup as it is now, if it is still in that state. Whether it was.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn change_backup(&self, backup: &Backup, from: BackupState) -> Result<bool> {
        let query =
            sqlx::query("UPDATE backups SET state = $1, body = $2 WHERE id = $3 AND state = $4");
        let query = query.bind(word(&backup.state)?).bind(to_json(backup)?);
        let query = query.bind(backup.id.as_str()).bind(word(&from)?);
        Ok(query.execute(&self.pool).await.map_err(failed)?.rows_affected() == 1)
    }

    /// Forgets a backup.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_backup(&self, id: &BackupId) -> Result<()> {
        let query = sqlx::query("DELETE FROM backups WHERE id = $1").bind(id.as_str());
        query.execute(&self.pool).await.map_err(failed).map(drop)
    }
}
