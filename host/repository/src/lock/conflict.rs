//! Whether the locks of others forbid ours.

use std::time::Duration;

use lockgate_types::{Digest, Timestamp};

use super::{Mode, Timing, process};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{LockFile, Time};
use crate::layout::{FileKind, ListedFile};
use crate::open::Repository;

/// Times a lock is read before it is given up: it may just be being written.
const LOADS_MAX: u32 = 3;
const LOAD_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Who else uses the repository.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    pub(crate) lock: LockFile,
    /// When it was taken, by the clock of the storage; none for the locks of other programs, which do not tell.
    pub(crate) since: Option<Timestamp>,
}

/// What there was when a lock was taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The present by the clock of the storage, where it tells.
    pub(crate) now: Option<Timestamp>,
    pub(crate) others: Vec<Other>,
}

/// Fails when a lock that looks fresh forbids ours. What looks old by our clock is judged later, by that of the storage.
pub(super) async fn check_first(repository: &Repository, mode: Mode, timing: Timing) -> Result<()> {
    let now = Time::now().timestamp.seconds;
    let limit = seconds(timing.stale_after);
    for (_, lock) in load_all(repository).await? {
        let age = now.saturating_sub(lock.time.timestamp.seconds);
        if age.saturating_abs() <= limit && !is_of_dead(&lock) && forbids(&lock, mode) {
            return Err(locked(repository, &lock));
        }
    }
    Ok(())
}

/// Fails when a lock other than `own`, which is stored already, forbids it. Stale locks are removed.
pub(super) async fn check_others(
    repository: &Repository,
    mode: Mode,
    own: Digest,
    timing: Timing,
) -> Result<Seen> {
    let found = load_all_but(repository, Some(own)).await?;
    let now = found.own.and_then(|file| file.modified);
    let mut others = Vec::new();
    for (file, lock) in found.others {
        if is_stale(&lock, &file, now, timing) {
            tracing::warn!(lock = %file.id.short(), holder = %holder(&lock), "stale lock removed");
            repository.delete_if_free(FileKind::Lock, &file.id).await?;
            continue;
        }
        if forbids(&lock, mode) {
            return Err(locked(repository, &lock));
        }
        others.push(other(file, lock));
    }
    Ok(Seen { now, others })
}

/// Who else is there, for a prune of this process, which is the only one.
pub(super) async fn beside_prune(repository: &Repository) -> Result<Vec<Other>> {
    let is_own = |lock: &LockFile| {
        lock.lockgate.as_ref().is_some_and(|note| note.prune)
            && lock.pid == process::process_id()
            && lock.hostname == process::host_name()
    };
    let locks = load_all(repository).await?.into_iter();
    Ok(locks.filter(|(_, lock)| !is_own(lock)).map(|(file, lock)| other(file, lock)).collect())
}

impl Other {
    /// For people.
    pub(crate) fn holder(&self) -> String {
        holder(&self.lock)
    }
}

fn other(file: ListedFile, lock: LockFile) -> Other {
    let of_note = |note: &crate::format::LockNote| match note.since {
        Some(since) => Some(since.timestamp),
        None => file.modified,
    };
    Other { since: lock.lockgate.as_ref().and_then(of_note), lock }
}

fn forbids(lock: &LockFile, mode: Mode) -> bool {
    match mode {
        Mode::Exclusive => true,
        Mode::Shared => lock.exclusive,
        Mode::Prune => lock.exclusive || lock.lockgate.as_ref().is_some_and(|note| note.prune),
    }
}

fn locked(repository: &Repository, lock: &LockFile) -> Error {
    let is_prune = lock.lockgate.as_ref().is_some_and(|note| note.prune);
    let how = match (lock.exclusive, is_prune) {
        (true, _) => "exclusively ",
        (false, true) => "for a prune ",
        (false, false) => "",
    };
    let place = repository.storage().location();
    Error::new(ErrorKind::Locked, format!("repository {place} is locked {how}by {}", holder(lock)))
}

struct Found {
    own: Option<ListedFile>,
    others: Vec<(ListedFile, LockFile)>,
}

async fn load_all(repository: &Repository) -> Result<Vec<(ListedFile, LockFile)>> {
    Ok(load_all_but(repository, None).await?.others)
}

async fn load_all_but(repository: &Repository, own: Option<Digest>) -> Result<Found> {
    let files = match repository.list_files(FileKind::Lock).await {
        Ok(files) => files,
        // The folder is made with the first lock where a copy of the repository has lost it.
        Err(error) if error.is_of_missing_file() => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut found = Found { own: None, others: Vec::new() };
    // An empty file is what an interrupted upload leaves on some storages.
    for file in files.into_iter().filter(|file| file.size > 0) {
        if Some(file.id) == own {
            found.own = Some(file);
        } else if let Some(lock) = load(repository, file).await? {
            found.others.push((file, lock));
        }
    }
    Ok(found)
}

/// None when it was removed in the meantime.
async fn load(repository: &Repository, file: ListedFile) -> Result<Option<LockFile>> {
    let mut tries = 0;
    loop {
        tries += 1;
        match repository.load(file).await {
            Ok(lock) => return Ok(Some(lock)),
            Err(error) if error.is_of_missing_file() => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Storage => return Err(error),
            Err(error) if tries == LOADS_MAX => {
                let text = format!("lock {} cannot be read: {error}", file.id.short());
                return Err(Error::new(ErrorKind::Locked, text).with_source(error));
            }
            Err(_) => tokio::time::sleep(LOAD_AGAIN_AFTER).await,
        }
    }
}

/// Whether a lock counts for nothing: its process is gone, or it is old at `now`, both by the clock of the storage.
pub(super) fn is_stale(
    lock: &LockFile,
    file: &ListedFile,
    now: Option<Timestamp>,
    timing: Timing,
) -> bool {
    let age = now.zip(file.modified).map(|(now, then)| now.seconds.saturating_sub(then.seconds));
    is_of_dead(lock) || age.is_some_and(|age| age > seconds(timing.stale_after))
}

/// Whether the holder was a process of this machine that is gone.
fn is_of_dead(lock: &LockFile) -> bool {
    lock.hostname == process::host_name() && !process::is_alive(lock.pid)
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
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
    use crate::format::LockNote;

    fn lock(hostname: &str, pid: i64, lockgate: Option<LockNote>) -> LockFile {
        let (time, exclusive, username) = (Time::now(), false, "u".to_owned());
        let hostname = hostname.to_owned();
        LockFile { time, exclusive, hostname, username, pid, uid: 0, gid: 0, lockgate }
    }

    #[test]
    fn only_processes_of_this_machine_can_be_known_to_be_dead() {
        let here = process::host_name();
        assert!(!is_of_dead(&lock("elsewhere", i64::from(i32::MAX), None)));
        assert!(is_of_dead(&lock(&here, i64::from(i32::MAX), None)));
        assert!(!is_of_dead(&lock(&here, process::process_id(), None)));
    }

    #[test]
    fn a_prune_minds_another_prune_and_whoever_wants_to_be_alone() {
        let shared = lock("h", 1, Some(LockNote::default()));
        let prune = lock("h", 1, Some(LockNote { prune: true, since: None }));
        let mut exclusive = lock("h", 1, None);
        exclusive.exclusive = true;
        let modes = [Mode::Shared, Mode::Prune, Mode::Exclusive];
        assert_eq!(modes.map(|mode| forbids(&shared, mode)), [false, false, true]);
        assert_eq!(modes.map(|mode| forbids(&prune, mode)), [false, true, true]);
        assert_eq!(modes.map(|mode| forbids(&exclusive, mode)), [true, true, true]);
    }

    #[test]
    fn the_beginning_of_a_lock_is_told_by_the_storage_or_not_at_all() {
        let at = |seconds| Timestamp { seconds, nanoseconds: 0 };
        let file = ListedFile { id: Digest([1; 32]), size: 1, modified: Some(at(7)) };
        assert_eq!(other(file, lock("h", 1, None)).since, None);
        assert_eq!(other(file, lock("h", 1, Some(LockNote::default()))).since, Some(at(7)));
        let note = LockNote { prune: false, since: Some(Time::utc(at(5))) };
        assert_eq!(other(file, lock("h", 1, Some(note))).since, Some(at(5)));
    }

    #[test]
    fn a_lock_is_old_by_the_clock_of_the_storage_alone() {
        let at = |seconds| Timestamp { seconds, nanoseconds: 0 };
        let is_old = |then: Option<i64>, now: Option<i64>| {
            let file = ListedFile { id: Digest([1; 32]), size: 1, modified: then.map(at) };
            is_stale(&lock("elsewhere", 1, None), &file, now.map(at), Timing::DEFAULT)
        };
        let limit = seconds(Timing::DEFAULT.stale_after);
        assert!(!is_old(Some(100), Some(100 + limit)));
        assert!(is_old(Some(100), Some(101 + limit)));
        // Stored after ours, or nobody knows when: whoever holds it may be at work.
        assert!(!is_old(Some(100), Some(0)));
        assert!(!is_old(None, Some(i64::MAX)) && !is_old(Some(0), None));
        let file = ListedFile { id: Digest([1; 32]), size: 1, modified: Some(at(100)) };
        let dead = lock(&process::host_name(), i64::from(i32::MAX), None);
        assert!(is_stale(&dead, &file, None, Timing::DEFAULT));
    }
}
