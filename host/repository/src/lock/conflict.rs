//! Whether the locks of others forbid ours.

use std::time::Duration;

use lockgate_types::{Digest, Timestamp};

use super::{Timing, process};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{LockFile, Time};
use crate::layout::{FileKind, ListedFile};
use crate::open::Repository;

/// Times a lock is read before it is given up: it may just be being written.
const LOADS_MAX: u32 = 3;
const LOAD_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Fails when a lock other than `own` forbids one that is exclusive or not. Stale locks are removed.
pub(super) async fn check_others(
    repository: &Repository,
    exclusive: bool,
    own: Option<Digest>,
    timing: Timing,
) -> Result<()> {
    let files = match repository.list_files(FileKind::Lock).await {
        Ok(files) => files,
        // The folder is made with the first lock where a copy of the repository has lost it.
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    // An empty file is what an interrupted upload leaves on some storages.
    for file in files.into_iter().filter(|file| file.size > 0 && Some(file.id) != own) {
        let Some(lock) = load(repository, file).await? else { continue };
        if is_stale(&lock, Time::now().timestamp, timing.stale_after) {
            tracing::warn!(lock = %file.id.short(), holder = %holder(&lock), "stale lock removed");
            repository.delete_file(FileKind::Lock, &file.id).await?;
            continue;
        }
        if exclusive || lock.exclusive {
            let how = if lock.exclusive { "exclusively " } else { "" };
            let place = repository.storage().location();
            let text = format!("repository {place} is locked {how}by {}", holder(&lock));
            return Err(Error::new(ErrorKind::Locked, text));
        }
    }
    Ok(())
}

/// None when it was removed in the meantime.
async fn load(repository: &Repository, file: ListedFile) -> Result<Option<LockFile>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let loaded = repository.load_file(FileKind::Lock, file).await;
        match loaded.and_then(|json| LockFile::parse(&json)) {
            Ok(lock) => return Ok(Some(lock)),
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Storage => return Err(error),
            Err(error) if tries == LOADS_MAX => {
                let text = format!("lock {} cannot be read: {error}", file.id.short());
                return Err(Error::new(ErrorKind::Locked, text).with_source(error));
            }
            Err(_) => tokio::time::sleep(LOAD_AGAIN_AFTER).await,
        }
    }
}

pub(super) fn is_missing(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<lockgate_storage::Error>())
        .is_some_and(|source| source.kind() == lockgate_storage::ErrorKind::NotFound)
}

fn is_stale(lock: &LockFile, now: Timestamp, stale_after: Duration) -> bool {
    let age = now.seconds.saturating_sub(lock.time.timestamp.seconds);
    if age > i64::try_from(stale_after.as_secs()).unwrap_or(i64::MAX) {
        return true;
    }
    lock.hostname == process::host_name() && !process::is_alive(lock.pid)
}

fn holder(lock: &LockFile) -> String {
    let LockFile { pid, hostname, username, time, .. } = lock;
    // Whoever writes to the storage may have written these.
    let safe = |text: &str| text.chars().take(100).collect::<String>().escape_debug().to_string();
    format!("process {pid} of {} on {} since {time}", safe(username), safe(hostname))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(age_seconds: i64, hostname: &str, pid: i64) -> LockFile {
        let mut time = Time::now();
        time.timestamp.seconds -= age_seconds;
        LockFile {
            time,
            exclusive: false,
            hostname: hostname.to_owned(),
            username: "u".to_owned(),
            pid,
            uid: 0,
            gid: 0,
        }
    }

    #[test]
    fn old_locks_and_those_of_dead_processes_are_stale() {
        let stale =
            |lock: &LockFile| is_stale(lock, Time::now().timestamp, Timing::DEFAULT.stale_after);
        let here = process::host_name();
        assert!(!stale(&lock(1700, "elsewhere", i64::from(i32::MAX))));
        assert!(stale(&lock(1900, "elsewhere", 1)));
        assert!(stale(&lock(1, &here, i64::from(i32::MAX))));
        assert!(!stale(&lock(1, &here, process::process_id())));
        // A clock that is ahead of ours.
        assert!(!stale(&lock(-100_000, "elsewhere", 1)));
    }
}
