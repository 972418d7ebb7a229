use lockgate_api::Backup;
use sqlx::{AnyPool, Row as _};

use super::backups::{instant, sources};
use super::from_row;
use crate::{Error, ErrorKind};

/// The version that this program writes.
const VERSION: i64 = 2;

/// Bodies are JSON in the shapes of `lockgate_api`; what is searched for has columns of its own.
const TABLES: [&str; 12] = [
    "CREATE TABLE IF NOT EXISTS version (number BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS backups (id TEXT PRIMARY KEY, label TEXT NOT NULL, state TEXT NOT NULL, created TEXT NOT NULL, sources TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS backups_by_time ON backups (created, id)",
    "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, is_told BIGINT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, id)",
    "CREATE TABLE IF NOT EXISTS events (job TEXT NOT NULL, number BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, number))",
    "CREATE TABLE IF NOT EXISTS maintenance (source TEXT PRIMARY KEY, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS health (source TEXT PRIMARY KEY, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS schedules (name TEXT PRIMARY KEY, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS deliveries (id TEXT PRIMARY KEY, notification TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS deliveries_by_notification ON deliveries (notification, id)",
    "CREATE TABLE IF NOT EXISTS incidents (name TEXT PRIMARY KEY)",
];

/// Trouble that does not yet say where.
pub(super) struct Unprepared(String);

impl Unprepared {
    pub(super) fn at(self, url: &str) -> Error {
        Error::new(ErrorKind::Failed, format!("state {}: {}", super::shown(url), self.0))
    }
}

impl From<sqlx::Error> for Unprepared {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

/// Makes the tables that are not there.
pub(super) async fn prepare(pool: &AnyPool, is_file: bool) -> std::result::Result<(), Unprepared> {
    if is_file {
        // Readers do not wait for the writer; a commit is on the disk when it returns.
        sqlx::query("PRAGMA journal_mode = WAL").execute(pool).await?;
    }
    for table in TABLES {
        sqlx::query(table).execute(pool).await?;
    }
    let row = sqlx::query("SELECT number FROM version").fetch_optional(pool).await?;
    let Some(row) = row else {
        sqlx::query("INSERT INTO version (number) VALUES ($1)").bind(VERSION).execute(pool).await?;
        return Ok(());
    };
    match row.try_get::<i64, _>("number")? {
        number if number > VERSION => Err(Unprepared(format!(
            "it has version {number}, this program knows up to {VERSION}: use a newer lockgate"
        ))),
        1 => add_sources(pool).await,
        _ => Ok(()),
    }
}

/// From version 1, whose backups could not be searched by source, and whose times did not sort below a second.
async fn add_sources(pool: &AnyPool) -> std::result::Result<(), Unprepared> {
    let mut transaction = pool.begin().await?;
    sqlx::query("ALTER TABLE backups ADD COLUMN sources TEXT NOT NULL DEFAULT ''")
        .execute(&mut *transaction)
        .await?;
    for row in sqlx::query("SELECT body FROM backups").fetch_all(&mut *transaction).await? {
        let backup: Backup = from_row(&row).map_err(|error| Unprepared(error.to_string()))?;
        sqlx::query("UPDATE backups SET sources = $1, created = $2 WHERE id = $3")
            .bind(sources(&backup))
            .bind(instant(backup.created))
            .bind(backup.id.as_str())
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query("UPDATE version SET number = $1").bind(VERSION).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

#[cfg(test)]
mod tests {
    use lockgate_api::{BackupId, BackupState, ComponentState, ComponentStatus, Label};
    use lockgate_types::Name;

    use super::*;
    use crate::{Result, Store, WantedBackups};

    #[tokio::test]
    async fn a_store_of_a_newer_version_is_left_alone() -> Result<()> {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("sqlite:{}", folder.path().join("state.sqlite").display());
        let store = Store::open(&url).await?;
        sqlx::query("UPDATE version SET number = 99").execute(&store.pool).await.expect("update");
        drop(store);
        let error = Store::open(&url).await.err().expect("refused");
        assert!(error.to_string().contains("version 99"), "{error}");
        Ok(())
    }

    #[tokio::test]
    async fn a_store_of_version_1_can_be_searched_and_pages_stay_true() -> Result<()> {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("sqlite:{}", folder.path().join("state.sqlite").display());
        let store = Store::open(&url).await?;
        // As texts these sort otherwise than as times.
        let times = ["05.12Z", "05.123Z", "05.1Z", "05Z", "04.9Z", "05.12Z"];
        let mut backups: Vec<Backup> = times.iter().enumerate().map(backup).collect();
        for backup in &backups {
            store.put_backup(backup).await?;
        }
        for statement in
            ["ALTER TABLE backups DROP COLUMN sources", "UPDATE version SET number = 1"]
        {
            sqlx::query(statement).execute(&store.pool).await.expect("version 1");
        }
        for backup in &backups {
            let query = sqlx::query("UPDATE backups SET created = $1 WHERE id = $2");
            let query = query.bind(backup.created.to_string()).bind(backup.id.as_str());
            query.execute(&store.pool).await.expect("version 1");
        }
        drop(store);

        let store = Store::open(&url).await?;
        backups.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        let mut wanted = WantedBackups { limit: 2, ..WantedBackups::default() };
        let mut paged: Vec<Backup> = Vec::new();
        loop {
            let page = store.backups(&wanted).await?;
            let Some(last) = page.last() else { break };
            wanted.after = Some(last.place());
            // That one goes meanwhile, and a newer one comes.
            store.remove_backup(&last.id).await?;
            let next = 10 + paged.len();
            store.put_backup(&backup((next, &"59Z"))).await?;
            paged.extend(page);
        }
        assert_eq!(paged, backups);
        let mut found = Vec::new();
        for source in ["s1", "s", "s11"] {
            let source = Some(source.parse().expect("name"));
            let wanted = WantedBackups { source, limit: 100, ..WantedBackups::default() };
            found.push(store.backups(&wanted).await?.len());
        }
        assert_eq!(found, [1, 0, 0]);
        let state = Some(BackupState::Error);
        let wanted = WantedBackups { state, limit: 100, ..WantedBackups::default() };
        assert_eq!(store.backups(&wanted).await?, []);
        Ok(())
    }

    fn backup((number, second): (usize, &&str)) -> Backup {
        let label: Label = "nightly".parse().expect("label");
        let source: Name = format!("s{number}").parse().expect("name");
        Backup {
            id: BackupId::new(label.clone()),
            label,
            state: BackupState::Ready,
            set: None,
            repository: "main".to_owned(),
            snapshot: None,
            copies: std::collections::BTreeMap::default(),
            created: format!("2026-01-02T03:04:{second}").parse().expect("time"),
            ended: None,
            requested_by: "a test".to_owned(),
            bytes: 0,
            bytes_stored: 0,
            error: None,
            component_status: [(source, ComponentStatus::new(ComponentState::Ready, ""))].into(),
            restores: None,
        }
    }

    #[tokio::test]
    async fn one_process_works_with_a_store() -> Result<()> {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("sqlite:{}", folder.path().join("state.sqlite").display());
        let store = Store::open(&url).await?;
        let error = Store::open(&url).await.err().expect("refused");
        assert_eq!(error.kind(), ErrorKind::Locked);
        drop(store);
        Store::open(&url).await.map(drop)
    }
}
