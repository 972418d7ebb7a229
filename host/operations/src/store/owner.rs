use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Mutex;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Row as _};

use super::failed;
use crate::{Error, ErrorKind, Result};

/// Key of the lock in a PostgreSQL database, which nobody else there should have: the bytes of `lockgate`.
const LOCK: i64 = i64::from_be_bytes(*b"lockgate");

/// Shows others that someone works with the store. The system lets go when the process ends, however it ends.
pub(super) enum Owner {
    /// A lock on a file beside the database.
    File { _locked: File },
    /// A lock of the database's, which a connection holds.
    Database { _connection: Mutex<PoolConnection<Any>> },
}

impl Owner {
    pub(super) fn of_file(database: &str) -> Result<Self> {
        let path = Path::new(database).with_extension("lock");
        let wrong = |error: std::io::Error| {
            Error::new(ErrorKind::Failed, format!("state {}: {error}", path.display()))
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(wrong)?;
        }
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => Ok(Self::File { _locked: file }),
            Err(TryLockError::WouldBlock) => Err(in_use(database)),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }

    pub(super) async fn of_database(pool: &AnyPool) -> Result<Self> {
        let mut connection = pool.acquire().await.map_err(failed)?;
        let row = sqlx::query("SELECT CASE WHEN pg_try_advisory_lock($1) THEN 1 ELSE 0 END AS got")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        match row.try_get::<i32, _>("got").map_err(failed)? {
            1 => Ok(Self::Database { _connection: Mutex::new(connection) }),
            _ => Err(in_use("database")),
        }
    }
}

fn in_use(what: &str) -> Error {
    Error::new(ErrorKind::Locked, format!("state {what}: another lockgate works with it"))
        .with_hint("ask the service with --server, or wait for the other command")
}
