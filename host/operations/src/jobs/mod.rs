//! Jobs: from the request to the end, whoever still listens, also when the process ends in between.

mod busy;
mod catch_up;
mod delete;
mod live;
mod overview;
mod recorder;
mod recovery;
mod run;
mod snapshots;
mod submit;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate_api::{Job, JobId};
use tokio::sync::{Semaphore, broadcast};
use tokio::task::JoinSet;

use crate::{Error, ErrorKind, Result, Site, Store, Wanted};

use busy::Busy;
pub use catch_up::CaughtUp;
pub(crate) use catch_up::catch_up;
pub use live::{Listener, Live};
pub(crate) use recorder::Recorder;
use recovery::Backlog;

/// Changes of jobs that a slow listener may be behind; then it reads the list of jobs anew.
const CHANGES_BEHIND: usize = 256;

/// How many jobs there may be.
#[derive(Clone, Copy, Debug)]
pub struct JobsOptions {
    /// Jobs that run at once.
    pub at_once: usize,
    /// Jobs that wait for their turn or run; more are refused.
    pub accepted: usize,
}

impl Default for JobsOptions {
    fn default() -> Self {
        Self { at_once: 2, accepted: 200 }
    }
}

/// Takes requests and runs them. Copies share everything.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    site: Arc<Site>,
    store: Store,
    /// One for each job that runs.
    slots: Semaphore,
    /// One for each job that was accepted.
    room: Arc<Semaphore>,
    busy: Busy,
    live: Mutex<HashMap<JobId, Arc<Live>>>,
    /// When it was last looked whether the snapshots of backups are there. Held while somebody looks.
    looked: tokio::sync::Mutex<Option<std::time::Instant>>,
    changes: broadcast::Sender<Job>,
    tasks: Mutex<JoinSet<()>>,
    /// Set when the process is about to end: what is interrupted then goes on when it is started again.
    stopping: std::sync::atomic::AtomicBool,
}

impl Jobs {
    /// Finishes, resumes or gives up what an earlier process left behind, and is ready for more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn start(site: Site, store: Store, options: JobsOptions) -> Result<Self> {
        let jobs = Self::new(site, store, options);
        jobs.recover(Backlog::Resume).await?;
        Ok(jobs)
    }

    /// The same for one command of an operator's: what was left behind is given up, because nobody waits until it is done again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn start_for_command(site: Site, store: Store) -> Result<Self> {
        let jobs = Self::new(site, store, JobsOptions::default());
        jobs.recover(Backlog::GiveUp).await?;
        Ok(jobs)
    }

    fn new(site: Site, store: Store, options: JobsOptions) -> Self {
        Self(Arc::new(Inner {
            site: Arc::new(site),
            store,
            slots: Semaphore::new(options.at_once.max(1)),
            room: Arc::new(Semaphore::new(options.accepted.max(1))),
            busy: Busy::default(),
            live: Mutex::default(),
            looked: tokio::sync::Mutex::default(),
            changes: broadcast::channel(CHANGES_BEHIND).0,
            tasks: Mutex::default(),
            stopping: false.into(),
        }))
    }

    /// What is remembered.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The configuration, and where things are.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    /// Hears of every change of the state of a job. Who lags behind reads the list of jobs anew.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Job> {
        self.0.changes.subscribe()
    }

    /// A job, as far as it is now.
    ///
    /// # Errors
    /// `NotFound`, or when the store fails.
    pub async fn job(&self, id: JobId) -> Result<Job> {
        let job = self.0.store.job(id).await?;
        let mut job = job.ok_or_else(|| not_found(id))?;
        if let Some(live) = self.live(id) {
            job.progress = live.progress();
        }
        Ok(job)
    }

    /// Asks a job to stop. One that has ended stays as it is.
    ///
    /// # Errors
    /// `NotFound`, or when the store fails.
    pub async fn cancel(&self, id: JobId) -> Result<Job> {
        let job = self.job(id).await?;
        if let Some(live) = self.live(id) {
            // Listeners do some work of their own, on the thread that cancels.
            let stopping = tokio::task::spawn_blocking(move || live.cancel.cancel());
            stopping.await.map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))?;
        }
        Ok(job)
    }

    /// Listens to the events of a job behind number `after`.
    ///
    /// # Errors
    /// `NotFound`, or when the store fails.
    pub async fn listen(&self, id: JobId, after: u64) -> Result<Listener> {
        let live = self.live(id);
        if live.is_none() && self.0.store.job(id).await?.is_none() {
            return Err(not_found(id));
        }
        Ok(Listener::new(self.0.store.clone(), id, after, live.as_deref()))
    }

    /// Ends: waits for the jobs that run for `grace`, then interrupts them. Backups go on when lockgate is started again.
    pub async fn stop(&self, grace: Duration) {
        self.0.stopping.store(true, std::sync::atomic::Ordering::SeqCst);
        let mut tasks = std::mem::take(&mut *self.tasks());
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            let lives: Vec<_> = locked(&self.0.live).values().cloned().collect();
            let interrupt = tokio::task::spawn_blocking(move || {
                lives.iter().for_each(|live| live.cancel.cancel());
            });
            interrupt.await.ok();
            while tasks.join_next().await.is_some() {}
        }
    }

    fn live(&self, id: JobId) -> Option<Arc<Live>> {
        locked(&self.0.live).get(&id).cloned()
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        locked(&self.0.tasks)
    }
}

impl Inner {
    fn is_stopping(&self) -> bool {
        self.stopping.load(std::sync::atomic::Ordering::SeqCst)
    }
}

fn not_found(id: JobId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no job {id}"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
