use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use lockgate_types::{Digest, Timestamp};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::conflict::{Seen, check_first, check_others};
use super::{Mode, Timing, process};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{LockFile, LockNote, Time};
use crate::layout::FileKind;
use crate::open::Repository;

/// A lock that is held, and refreshed by a task until it is released. When dropped, the task still tries to remove it.
#[derive(Debug)]
pub struct LockGuard {
    repository: Repository,
    state: Arc<Mutex<State>>,
    timing: Timing,
    seen: Seen,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug)]
struct State {
    refreshed: Instant,
    /// Of the wall clock, because the other one may stand still while the machine sleeps.
    refreshed_wall: SystemTime,
    /// The file of the lock at present.
    id: Option<Digest>,
    lost: Option<Error>,
}

impl State {
    /// Made before the file is written: the storage may take its time for it after it dated it.
    fn new() -> Self {
        let (refreshed, refreshed_wall) = (Instant::now(), SystemTime::now());
        Self { refreshed, refreshed_wall, id: None, lost: None }
    }
}

/// What the task needs.
struct Holder {
    repository: Repository,
    mode: Mode,
    timing: Timing,
    since: Option<Timestamp>,
    id: Digest,
    state: Arc<Mutex<State>>,
}

impl LockGuard {
    pub(super) async fn take(repository: &Repository, mode: Mode, timing: Timing) -> Result<Self> {
        check_first(repository, mode, timing).await?;
        let state = Arc::new(Mutex::new(State::new()));
        let (stop, stopped) = oneshot::channel();
        let (taken, is_taken) = oneshot::channel();
        let (ours, held) = (repository.clone(), Arc::clone(&state));
        // The task owns the file from its first byte: when this future is dropped, the file goes too.
        let task = tokio::spawn(async move {
            let id = match write(&ours, mode, None).await {
                Ok(id) => id,
                Err(error) => {
                    let _ = taken.send(Err(error));
                    return Ok(());
                }
            };
            held.lock().unwrap_or_else(PoisonError::into_inner).id = Some(id);
            let mut holder =
                Holder { repository: ours, mode, timing, since: None, id, state: held };
            if !holder.repository.storage().lists_at_once(FileKind::Lock.folder()).await {
                tokio::time::sleep(timing.settle).await;
            }
            let outcome = check_others(&holder.repository, mode, id, timing).await;
            holder.since = outcome.as_ref().ok().and_then(|seen| seen.now);
            let is_ours = outcome.is_ok();
            if taken.send(outcome).is_ok() && is_ours {
                holder.refresh_until(stopped).await;
            }
            // One that must stay counts for nothing when it is half an hour old, or as soon as this process ends.
            holder.repository.delete_if_free(FileKind::Lock, &holder.id).await.map(drop)
        });
        match is_taken.await {
            Ok(Ok(seen)) => {
                let (repository, stop, task) = (repository.clone(), Some(stop), Some(task));
                Ok(Self { repository, state, timing, seen, stop, task })
            }
            Ok(Err(error)) => {
                let _ = task.await;
                Err(error)
            }
            Err(_) => Err(Error::new(ErrorKind::Cancelled, "the lock was given up")),
        }
    }

    /// Whether the lock still keeps others out.
    ///
    /// # Errors
    /// `LockLost` when it could not be refreshed for 22 minutes, or somebody removed it.
    pub fn ensure_held(&self) -> Result<()> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &state.lost {
            return Err(error.clone());
        }
        let slept = state.refreshed_wall.elapsed().unwrap_or_default();
        let age = state.refreshed.elapsed().max(slept);
        if age > self.timing.lost_after {
            let text =
                format!("the lock could not be refreshed for {} minutes", age.as_secs() / 60);
            return Err(Error::new(ErrorKind::LockLost, text));
        }
        Ok(())
    }

    /// The file of the lock is there. It was so ever since the lock was taken, because a lock that somebody removed is never
    /// written again.
    ///
    /// # Errors
    /// `LockLost`, `Storage`.
    pub(crate) async fn verify(&self) -> Result<()> {
        loop {
            self.ensure_held()?;
            let current = || self.state.lock().unwrap_or_else(PoisonError::into_inner).id;
            let Some(id) = current() else {
                return Err(Error::new(ErrorKind::LockLost, "the lock is not written yet"));
            };
            match is_there(&self.repository, &id).await {
                // Refreshed just now: there is another file.
                Ok(false) if current() != Some(id) => {}
                Ok(false) => return Err(removed(&id)),
                Ok(true) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// What there was when the lock was taken.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Removes the lock.
    ///
    /// # Errors
    /// `Storage` when it may still be there; it is stale in half an hour, or as soon as this process ends.
    pub async fn release(mut self) -> Result<()> {
        drop(self.stop.take());
        match self.task.take() {
            None => Ok(()),
            Some(task) => match task.await {
                Ok(outcome) => outcome,
                Err(error) => Err(Error::new(ErrorKind::Cancelled, "the lock's task was stopped")
                    .with_source(error)),
            },
        }
    }
}

impl Holder {
    async fn refresh_until(&mut self, mut stopped: oneshot::Receiver<()>) {
        let mut pause = self.timing.refresh;
        loop {
            tokio::select! {
                _ = &mut stopped => return,
                () = tokio::time::sleep(pause) => {}
            }
            match self.refresh().await {
                Ok(()) => pause = self.timing.refresh,
                Err(error) if error.kind() == ErrorKind::LockLost => {
                    tracing::error!(%error, "lock lost");
                    self.state.lock().unwrap_or_else(PoisonError::into_inner).lost = Some(error);
                    let _ = stopped.await;
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "lock could not be refreshed, trying again");
                    pause = self.timing.retry;
                }
            }
        }
    }

    /// Writes a new file, then deletes the old one, so that there is one at any time.
    async fn refresh(&mut self) -> Result<()> {
        let old = self.id;
        if !is_there(&self.repository, &old).await? {
            return Err(removed(&old));
        }
        let mut state = State::new();
        self.id = write(&self.repository, self.mode, self.since).await?;
        // Between the look and the new file there may have been a moment without a lock.
        let is_continuous = is_there(&self.repository, &old).await?;
        state.id = Some(self.id);
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        if !is_continuous {
            return Err(removed(&old));
        }
        if let Err(error) = self.repository.delete_file(FileKind::Lock, &old).await {
            // Ours as well, and stale in half an hour.
            tracing::warn!(%error, lock = %old.short(), "old lock could not be removed");
        }
        Ok(())
    }
}

async fn is_there(repository: &Repository, id: &Digest) -> Result<bool> {
    match repository.storage().size(&FileKind::Lock.name(id)).await.map_err(Error::from) {
        Ok(_) => Ok(true),
        Err(error) if error.is_of_missing_file() => Ok(false),
        Err(error) => Err(error),
    }
}

fn removed(id: &Digest) -> Error {
    Error::new(ErrorKind::LockLost, format!("somebody removed our lock {}", id.short()))
}

pub(super) async fn write(
    repository: &Repository,
    mode: Mode,
    since: Option<Timestamp>,
) -> Result<Digest> {
    let note = LockNote { prune: mode == Mode::Prune, since: since.map(Time::utc) };
    let lock = LockFile {
        time: Time::now(),
        exclusive: mode == Mode::Exclusive,
        hostname: process::host_name(),
        username: process::user_name(),
        pid: process::process_id(),
        uid: process::user_id(),
        gid: process::group_id(),
        lockgate: Some(note),
    };
    repository.save_file(FileKind::Lock, lock.print()).await
}
