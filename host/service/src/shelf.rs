use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_api::{Backup, BackupId, BackupState};
use lockgate_operations::{Error, ErrorKind, Jobs, Result};
use lockgate_repository::Reader;
use lockgate_types::Digest;
use tokio::sync::Mutex;

/// Backups that stay open: each has its repository's index in memory.
const OPEN_MAX: usize = 2;
/// Time after which one that nobody asks for is closed.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// Backups that someone looks into, opened once for many requests: a password takes a while to check, an index to read.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<VecDeque<Shelved>>);

struct Shelved {
    id: BackupId,
    open: Arc<Open>,
    used: Instant,
}

/// A backup that can be read.
pub(crate) struct Open {
    pub reader: Reader,
    /// The root of its snapshot.
    pub tree: Digest,
}

impl Shelf {
    /// The backup of that id, open.
    pub async fn open(&self, jobs: &Jobs, id: &BackupId) -> Result<Arc<Open>> {
        let backup = jobs.backup(id).await?;
        // Whoever asks for the same one waits here until it is open.
        let mut shelf = self.0.lock().await;
        shelf.retain(|shelved| shelved.used.elapsed() < IDLE_MAX);
        if let Some(at) = shelf.iter().position(|shelved| shelved.id == *id)
            && let Some(mut shelved) = shelf.remove(at)
        {
            shelved.used = Instant::now();
            let open = Arc::clone(&shelved.open);
            shelf.push_back(shelved);
            return Ok(open);
        }
        while shelf.len() >= OPEN_MAX {
            shelf.pop_front();
        }
        let open = Arc::new(open(jobs, &backup).await?);
        shelf.push_back(Shelved { id: id.clone(), open: Arc::clone(&open), used: Instant::now() });
        Ok(open)
    }

    /// Closes those that nobody asked for lately.
    pub async fn tidy(&self) {
        self.0.lock().await.retain(|shelved| shelved.used.elapsed() < IDLE_MAX);
    }
}

async fn open(jobs: &Jobs, backup: &Backup) -> Result<Open> {
    let is_whole = matches!(backup.state, BackupState::Ready | BackupState::Restoring);
    let Some(snapshot) = backup.snapshot.as_ref().filter(|_| is_whole) else {
        let cause = match (&backup.error, &backup.snapshot) {
            (Some(gone), Some(_)) => gone.detail.as_str(),
            _ => "it is not complete",
        };
        let message = format!("backup {}: {cause}, there is nothing to look at", backup.id);
        return Err(Error::new(ErrorKind::Conflict, message));
    };
    let repository = jobs.site().location_named(&backup.repository)?.open().await?;
    let snapshot = repository.snapshot(snapshot).await?;
    let reader = repository.reader().await?;
    Ok(Open { reader, tree: snapshot.tree })
}
