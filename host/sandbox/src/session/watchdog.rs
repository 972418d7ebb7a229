//! Wall-clock limits of calls. A thread of the session kills the worker when one runs out: futures and threads inside a
//! process that may be hostile cannot be stopped in any other way.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::process::Process;
use crate::error::Error;
use crate::limits::CANCEL_GRACE;

/// Watches the calls of one worker.
#[derive(Debug)]
pub struct Watchdog {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<u64, Instant>,
    last: u64,
    is_cancelled: bool,
    is_closing: bool,
    verdict: Option<Verdict>,
}

/// Why the worker was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call with this number ran into its limit.
    Deadline(u64),
    /// A call went on for too long after the run was cancelled.
    Cancelled,
    /// The worker broke the protocol.
    Violation,
}

/// One call; watched until dropped.
#[derive(Debug)]
pub struct Watched<'a> {
    watchdog: &'a Watchdog,
    number: u64,
}

impl Watchdog {
    /// Starts to watch over `process`. `on_kill` ends what the host does for it meanwhile.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        process: Arc<Process>,
        on_kill: impl Fn() + Send + 'static,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || theirs.run(&process, &on_kill))
            .map_err(|error| Error::io("start a thread", error))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Watches one call from now on.
    pub fn watch(&self, limit: Duration) -> Watched<'_> {
        let mut state = self.shared.lock();
        let limit = if state.is_cancelled { limit.min(CANCEL_GRACE) } else { limit };
        state.last += 1;
        let number = state.last;
        state.calls.insert(number, Instant::now() + limit);
        self.shared.changed.notify_all();
        Watched { watchdog: self, number }
    }

    /// From now on calls have [`CANCEL_GRACE`] at most.
    pub fn cancel(&self) {
        let mut state = self.shared.lock();
        state.is_cancelled = true;
        let until = Instant::now() + CANCEL_GRACE;
        for deadline in state.calls.values_mut() {
            *deadline = until.min(*deadline);
        }
        self.shared.changed.notify_all();
    }

    /// Whether the run was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.shared.lock().is_cancelled
    }

    /// Records why the worker is about to be killed by somebody else; the first reason stays.
    pub fn condemn(&self, verdict: Verdict) {
        self.shared.lock().verdict.get_or_insert(verdict);
    }

    /// Why the worker was killed, when it was.
    pub fn verdict(&self) -> Option<Verdict> {
        self.shared.lock().verdict
    }

    /// Stops watching and joins the thread.
    pub fn close(&self) {
        self.shared.lock().is_closing = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Watched<'_> {
    /// Of the call, as in [`Verdict::Deadline`].
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.watchdog.shared.lock().calls.remove(&self.number);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, process: &Process, on_kill: &dyn Fn()) {
        let mut state = self.lock();
        while !state.is_closing {
            let next = state.calls.iter().map(|(number, until)| (*until, *number)).min();
            let Some((until, number)) = next.filter(|_| state.verdict.is_none()) else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.verdict = Some(if state.is_cancelled {
                    Verdict::Cancelled
                } else {
                    Verdict::Deadline(number)
                });
                process.kill();
                on_kill();
                continue;
            }
            state =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
