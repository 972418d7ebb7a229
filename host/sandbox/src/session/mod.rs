//! The host side: starts workers, makes calls, answers questions.
//!
//! A [`Session`] is one worker process with one plugin. Its [`Instance`]s are sandboxes inside it, each with a socket of its own
//! that the thread serves which makes the call. Everything that a session starts, it ends: the process, a thread that watches
//! the time, a thread that reads the worker's last words, and a task for each encrypted connection.

mod cache;
mod cache_key;
mod credential;
mod descriptor;
mod dial;
mod entries;
mod http;
mod instance;
mod lane;
mod launch;
mod net;
mod process;
mod scheme;
mod shared;
pub(crate) mod shown;
mod tls;
mod watchdog;

use std::sync::Arc;

use lockgate_trust::{Granted, Grants};
use lockgate_types::Attributes;
use tokio::runtime::Handle;

pub use cache::{CodeCache, CompiledPlugin};
pub use instance::Instance;
pub use process::WorkerCommand;

use crate::error::Error;
use crate::jail::{Report, Shape};
use crate::limits::Limits;
use crate::protocol::Level;
use lane::Lane;
use shared::Shared;

/// Hears what plugins say while they work. Texts are already fit for a terminal. Called on the threads that make the calls.
pub trait Observer: Send + Sync {
    /// A line for the log.
    fn log(&self, instance: &str, level: Level, message: &str, fields: &Attributes);
    /// The plugin did not get what it asked for: because it was not granted (`is_denied`), or for another reason.
    fn refused(&self, instance: &str, is_denied: bool, attempt: &str);
    /// So many more requests of one call were refused.
    fn refused_more(&self, instance: &str, count: u64);
    /// The plugin was shown the secret of a credential.
    fn secret_shown(&self, instance: &str, credential: &str);
    /// Beyond the bytes and entries that the host counts itself.
    fn progress(&self, part: &str, bytes: u64, items: u64);
}

/// What a session needs.
#[derive(Clone)]
pub struct SessionOptions<'a> {
    /// What to run.
    pub plugin: &'a CompiledPlugin,
    /// Of the source, for messages.
    pub name: String,
    /// What the plugin may reach.
    pub grants: &'a Grants,
    /// What the plugin may use.
    pub limits: Limits,
    /// What `job.config` answers: JSON.
    pub config: String,
    /// Hears the plugin.
    pub observer: Arc<dyn Observer>,
    /// Carries the connections.
    pub runtime: Handle,
    /// How to start the worker.
    pub worker: WorkerCommand,
}

/// What keeps a worker of this shape in, on this machine: a worker enters its jail and tells.
///
/// # Errors
/// When the worker does not start or does not come through.
pub fn probe(worker: &WorkerCommand, shape: Shape) -> Result<Report, Error> {
    launch::probe(worker, shape)
}

/// A worker process that runs one plugin. Dropped, the worker is killed.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
}

/// Stops a session from elsewhere.
#[derive(Clone, Debug)]
pub struct Canceller {
    shared: Arc<Shared>,
}

impl Session {
    /// Starts a worker and loads the plugin.
    ///
    /// # Errors
    /// When a grant cannot be used, a granted folder does not open, or the worker does not come up.
    pub fn launch(options: &SessionOptions<'_>) -> Result<Self, Error> {
        launch::launch(options).map(|shared| Self { shared: Arc::new(shared) })
    }

    /// Brings up one more instance. `label` names it in messages.
    ///
    /// # Errors
    /// When the component cannot be instantiated or the worker is gone.
    pub fn instance(&self, label: &str) -> Result<Instance, Error> {
        Lane::open(Arc::clone(&self.shared), label).map(Instance::new)
    }

    /// Stops the run: capabilities answer `cancelled` from now on, and a call that goes on regardless is killed after a grace
    /// period. Never waits for the plugin.
    pub fn cancel(&self) {
        self.shared.cancel();
    }

    /// Does what [`Session::cancel`] does, from any thread.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller { shared: Arc::clone(&self.shared) }
    }

    /// What was granted and has not been used so far. Folders, clock and random numbers are used inside the worker, which is
    /// taken at its word.
    #[must_use]
    pub fn unused(&self) -> Vec<Granted> {
        self.shared.unused()
    }

    /// Number of the worker process, while it runs.
    #[must_use]
    pub fn worker_id(&self) -> Option<u32> {
        self.shared.process.pid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok())
    }

    /// What keeps the worker in.
    #[must_use]
    pub fn jail(&self) -> &Report {
        &self.shared.jail
    }

    /// Ends the worker and waits for it and for everything that served it. Instances that are left have ended. Not to be called
    /// on a thread of the runtime.
    pub fn close(self) {
        self.shared.close(true);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.close(false);
    }
}

impl Canceller {
    /// Stops the run.
    pub fn cancel(&self) {
        self.shared.cancel();
    }
}

#[cfg(test)]
mod tests;
