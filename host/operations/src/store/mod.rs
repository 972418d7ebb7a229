//! What outlives the process: backups, jobs and their events, what is out of service. In SQLite, or in PostgreSQL by URL.

mod backups;
mod health;
mod jobs;
mod maintenance;
mod notifications;
mod owner;
mod schedules;
mod schema;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyPool, Row as _};

use crate::{Error, ErrorKind, Result};

pub use backups::WantedBackups;
pub use jobs::Wanted;
pub(crate) use notifications::{Delivery, Settles};
use owner::Owner;
pub use schedules::ScheduleRecord;

/// Connections at once: statements are short, and in PostgreSQL one holds the lock.
const CONNECTIONS_MAX: u32 = 5;

/// The memory of one service, or of the commands of one user. Copies share it.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    /// Nobody else works with it while this one lives.
    _owner: std::sync::Arc<Owner>,
}

impl Store {
    /// Opens the store at `url`, and makes it when it is not there: `sqlite:/path/to/file` or `postgresql://...`.
    ///
    /// # Errors
    /// `Locked` when another process works with it; when it cannot be opened or is of a newer version.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let file = url.strip_prefix("sqlite:").map(|path| path.trim_start_matches("//"));
        if file.is_none() && !url.starts_with("postgres") {
            let message =
                format!("state {}: expected sqlite:/path or postgresql://...", shown(url));
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        let owner = match file {
            Some(path) => Some(Owner::of_file(path)?),
            None => None,
        };
        let location =
            file.map_or_else(|| url.to_owned(), |path| format!("sqlite:{path}?mode=rwc"));
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .connect(&location)
            .await
            .map_err(|error| wrong(&error, url))?;
        // Nobody else works with it while its tables are changed.
        let owner = match owner {
            Some(owner) => owner,
            None => Owner::of_database(&pool).await?,
        };
        schema::prepare(&pool, file.is_some()).await.map_err(|error| error.at(url))?;
        Ok(Self { pool, _owner: std::sync::Arc::new(owner) })
    }
}

/// A URL without what may be a password.
fn shown(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://...@{place}"),
        _ => url.to_owned(),
    }
}

fn wrong(error: &sqlx::Error, url: &str) -> Error {
    Error::new(ErrorKind::Failed, format!("state {}: {error}", shown(url)))
        .with_hint("`state` in [service] says where lockgate keeps what it remembers")
}

/// Trouble with a statement.
fn failed(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Failed, format!("state: {error}"))
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Failed, format!("state: {error}")))
}

/// The column `body` of a row.
fn from_row<T: DeserializeOwned>(row: &AnyRow) -> Result<T> {
    let text: String = row.try_get("body").map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| {
        Error::new(ErrorKind::Damaged, format!("state: {error}"))
            .with_hint("it was written by another version of lockgate, or changed by hand")
    })
}

/// The column `body` of a row, when there is one.
fn from_optional<T: DeserializeOwned>(row: Option<AnyRow>) -> Result<Option<T>> {
    row.as_ref().map(from_row).transpose()
}

/// A state or a kind as the API writes it.
fn word(value: &impl Serialize) -> Result<String> {
    Ok(to_json(value)?.trim_matches('"').to_owned())
}
