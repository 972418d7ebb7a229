use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use lockgate_types::Digest;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::conflict::{check_others, is_missing};
use super::{Timing, process};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{LockFile, Time};
use crate::layout::FileKind;
use crate::open::Repository;

/// A lock that is held, and refreshed by a task until it is released. When dropped, the task still tries to remove it.
#[derive(Debug)]
pub struct LockGuard {
    state: Arc<Mutex<State>>,
    timing: Timing,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug)]
struct State {
    refreshed: Instant,
    /// Of the wall clock, because the other one may stand still while the machine sleeps.
    refreshed_wall: SystemTime,
    lost: Option<Error>,
}

impl State {
    fn new() -> Self {
        Self { refreshed: Instant::now(), refreshed_wall: SystemTime::now(), lost: None }
    }
}

/// What the task needs.
struct Holder {
    repository: Repository,
    exclusive: bool,
    timing: Timing,
    id: Digest,
    state: Arc<Mutex<State>>,
}

impl LockGuard {
    pub(super) async fn take(
        repository: &Repository,
        exclusive: bool,
        timing: Timing,
    ) -> Result<Self> {
        check_others(repository, exclusive, None, timing).await?;
        let state = Arc::new(Mutex::new(State::new()));
        let (stop, stopped) = oneshot::channel();
        let (taken, is_taken) = oneshot::channel();
        let (repository, held) = (repository.clone(), Arc::clone(&state));
        // The task owns the file from its first byte: when this future is dropped, the file goes too.
        let task = tokio::spawn(async move {
            let id = match write(&repository, exclusive).await {
                Ok(id) => id,
                Err(error) => {
                    let _ = taken.send(Err(error));
                    return Ok(());
                }
            };
            let mut holder = Holder { repository, exclusive, timing, id, state: held };
            tokio::time::sleep(timing.settle).await;
            let outcome = check_others(&holder.repository, exclusive, Some(id), timing).await;
            let is_ours = outcome.is_ok();
            if taken.send(outcome).is_ok() && is_ours {
                holder.refresh_until(stopped).await;
            }
            holder.repository.delete_file(FileKind::Lock, &holder.id).await
        });
        match is_taken.await {
            Ok(Ok(())) => Ok(Self { state, timing, stop: Some(stop), task: Some(task) }),
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
        match self.repository.storage().size(&FileKind::Lock.name(&old)).await.map_err(Error::from)
        {
            Ok(_) => {}
            Err(error) if is_missing(&error) => {
                let text = format!("somebody removed our lock {}", old.short());
                return Err(Error::new(ErrorKind::LockLost, text).with_source(error));
            }
            Err(error) => return Err(error),
        }
        self.id = write(&self.repository, self.exclusive).await?;
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            *state = State::new();
        }
        if let Err(error) = self.repository.delete_file(FileKind::Lock, &old).await {
            // Ours as well, and stale in half an hour.
            tracing::warn!(%error, lock = %old.short(), "old lock could not be removed");
        }
        Ok(())
    }
}

async fn write(repository: &Repository, exclusive: bool) -> Result<Digest> {
    let lock = LockFile {
        time: Time::now(),
        exclusive,
        hostname: process::host_name(),
        username: process::user_name(),
        pid: process::process_id(),
        uid: process::user_id(),
        gid: process::group_id(),
    };
    repository.save_file(FileKind::Lock, lock.print()).await
}
