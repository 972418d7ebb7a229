//! A mount from its beginning to its end.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lockgate_repository::{Filter, LockGuard, Repository};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::ahead::Ahead;
use crate::attach::{Attached, attach};
use crate::attributes::Owner;
use crate::current::Current;
use crate::error::{Error, ErrorKind, Result};
use crate::filesystem::Filesystem;
use crate::limits;
use crate::served::{Chunks, Served};

/// What is mounted, and for whom.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MountOptions {
    /// Which snapshots are shown.
    pub filter: Filter,
    /// New snapshots are looked for when somebody looks at the folders of snapshots and this was not done for so long.
    pub refresh: Duration,
    /// Other users of this machine see what the modes in the backup let them see; else nobody but the one who mounts sees
    /// anything, and he sees all.
    pub allow_other: bool,
    /// Whether a lock tells others that the repository is read.
    pub lock: bool,
}

impl Default for MountOptions {
    fn default() -> Self {
        let refresh = Duration::from_secs(30);
        Self { filter: Filter::default(), refresh, allow_other: false, lock: true }
    }
}

/// What there is to say of a mount at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountReport {
    /// How often something could not be read.
    pub errors: u64,
    /// Programs still had something open, which they cannot read any more.
    pub was_busy: bool,
}

/// A repository that is mounted. [`Mount::end`] takes it away in good order; dropping it takes away the mount alone.
pub struct Mount {
    attached: Attached,
    /// fuser's threads have ended.
    over: oneshot::Receiver<io::Result<()>>,
    is_over: bool,
    thread: thread::JoinHandle<()>,
    ahead: JoinHandle<()>,
    served: Arc<Served>,
    refuses: Arc<AtomicBool>,
    lock: Option<LockGuard>,
}

impl Mount {
    /// Mounts the snapshots of `repository` at `point`, an empty folder. Must be called on a runtime with several threads.
    ///
    /// # Errors
    /// `NoMountPoint`, `MountPoint`, `Unavailable`, `System`, `Repository`.
    pub async fn new(
        repository: &Repository,
        point: &Path,
        options: &MountOptions,
    ) -> Result<Self> {
        let lock = if options.lock { Some(repository.lock_shared().await?) } else { None };
        match Self::start(repository, point, options).await {
            Ok(mount) => Ok(Self { lock, ..mount }),
            Err(error) => {
                if let Some(lock) = lock {
                    lock.release().await?;
                }
                Err(error)
            }
        }
    }

    async fn start(repository: &Repository, point: &Path, options: &MountOptions) -> Result<Self> {
        let current = Current::new(repository, options.filter.clone(), options.refresh).await?;
        let current = Arc::new(current);
        let chunks = Arc::new(Chunks::new(Arc::clone(&current)));
        let (wishes, ahead) = Ahead::start(Arc::clone(&chunks));
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        let owner = Owner { user: user.as_raw(), group: group.as_raw() };
        let served = Arc::new(Served::new(current, chunks, wishes, owner));
        let refuses = Arc::new(AtomicBool::new(false));
        let files = Filesystem {
            served: Arc::clone(&served),
            runtime: Handle::current(),
            is_over: Arc::clone(&refuses),
        };
        let (point, allow_other) = (point.to_owned(), options.allow_other);
        let attached = spawn_blocking(move || attach(files, &point, allow_other)).await;
        let (session, attached) = attached.map_err(stopped)??;
        let (tell, over) = oneshot::channel();
        let run = move || {
            // Nobody listens any more when the mount was dropped.
            tell.send(session.run()).ok();
        };
        let thread = thread::Builder::new().name("mount".to_owned()).spawn(run).map_err(stopped)?;
        Ok(Self { attached, over, is_over: false, thread, ahead, served, refuses, lock: None })
    }

    /// Waits until somebody else has taken the mount away.
    ///
    /// # Errors
    /// `System` when the kernel and fuser do not understand each other any more.
    pub async fn ended(&mut self) -> Result<()> {
        let result = (&mut self.over).await;
        self.is_over = true;
        result.map_err(stopped)?.map_err(stopped)
    }

    /// Takes the mount away, waits for the last answers and gives up the lock.
    ///
    /// # Errors
    /// `System` when it cannot be taken away, `Repository` when the lock may still be there.
    pub async fn end(mut self) -> Result<MountReport> {
        let was_busy = if self.is_over {
            self.attached.leave();
            Ok(false)
        } else {
            let attached = self.attached;
            spawn_blocking(move || attached.take_away()).await.map_err(stopped).flatten()
        };
        if !self.is_over {
            self.is_over = tokio::time::timeout(limits::END_WAIT, &mut self.over).await.is_ok();
        }
        // From here on nobody may wait for the runtime, which may be about to end.
        self.refuses.store(true, Ordering::SeqCst);
        let errors = self.served.errors();
        drop(self.served);
        if self.is_over {
            spawn_blocking(move || self.thread.join()).await.ok();
            // Nobody wishes for anything any more.
            tokio::time::timeout(limits::END_WAIT, &mut self.ahead).await.ok();
        }
        self.ahead.abort();
        if let Some(lock) = self.lock {
            lock.release().await?;
        }
        Ok(MountReport { errors, was_busy: was_busy? })
    }
}

fn stopped(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::System, format!("the mount was stopped: {error}"))
}
