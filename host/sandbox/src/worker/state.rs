//! What one instance has: its lane to the host, its handles, its counters.

use std::collections::BTreeSet;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lockgate_trust::Granted;
use lockgate_types::Failure;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::fault::{Fault, LaneLost, Reply};
use super::folder::{Folder, Owners};
use super::limiter::Limiter;
use super::owed::Owed;
use crate::limits::{CANCEL_POLL, Limits, RANDOM_BYTES_MAX};
use crate::protocol::{
    Answer, Endpoint, FrameSocket, FromWorker, ProtocolError, Question, ToWorker,
};

/// What all instances of the worker share: what was granted, and whether the run goes on.
pub struct Grants {
    /// Folders that the host opened.
    pub folders: Vec<Arc<Folder>>,
    /// Names of users and groups.
    pub owners: Owners,
    /// Endpoints that may be named.
    pub endpoints: Vec<Endpoint>,
    /// Credentials that may be named.
    pub credentials: Vec<String>,
    /// Whether the clock answers.
    pub clock: bool,
    /// Whether random bytes are given.
    pub random: bool,
    /// What `job.config` answers.
    pub config: String,
    /// What was used at least once, so that the host is told once.
    pub used: Mutex<BTreeSet<Granted>>,
    /// Set once, when the operator stops the run.
    pub cancelled: AtomicBool,
}

/// What the running call is for; the archive works in one direction at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Neither of the others.
    Other,
    /// A part is exported: entries are written.
    Export,
    /// A part is imported: entries are read.
    Import,
    /// The plugin cleans up, which it may do although the run was cancelled.
    Cleanup,
}

/// The lane to the host. Shared only so that guest memory can be borrowed while it is written.
#[derive(Clone)]
pub struct Lane(Arc<Mutex<FrameSocket>>);

impl Lane {
    /// Takes over the socket.
    pub fn new(socket: FrameSocket) -> Self {
        Self(Arc::new(Mutex::new(socket)))
    }

    /// The socket. Never contended: one thread serves a lane.
    pub fn socket(&self) -> MutexGuard<'_, FrameSocket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The data of one store.
pub struct State {
    pub grants: Arc<Grants>,
    pub lane: Lane,
    pub table: ResourceTable,
    pub limiter: Limiter,
    pub activity: Activity,
    pub call: CallState,
    /// Grows with each call of the host, so that the deadline can tell computing from working with the host.
    pub host_calls: u64,
    /// Of the last entry written; never used twice on a lane.
    pub last_writer: u32,
    /// Connections that are open.
    pub connections: usize,
    /// Longest time that a server may keep the plugin waiting for a byte.
    pub silence: Duration,
    /// Parts of files that are locked.
    pub locks_held: usize,
    /// Memory of the listings that are open.
    pub listing_bytes: usize,
    /// Small files on their way to the host.
    pub scratch: Vec<u8>,
    pub started: Instant,
    wasi: WasiCtx,
}

/// What is counted anew in each call.
#[derive(Debug, Default)]
pub struct CallState {
    /// Tells handles of this call from those that a plugin kept of an earlier one.
    pub number: u64,
    pub log_bytes: usize,
    pub log_lines_dropped: u64,
    /// Requests that were refused.
    pub refusals: u64,
    pub progress_flushed: Option<Instant>,
    /// What the plugin said when it panicked.
    pub panic: Option<String>,
    /// Entries that are being written or read.
    pub open_entries: usize,
    /// Whether anything was sent that the host has not confirmed.
    pub unconfirmed: bool,
    /// The host said that there is no parent snapshot.
    pub has_no_parent: bool,
    /// Answers that the plugin does not wait for.
    pub owed: Owed,
}

impl State {
    /// Of a new instance.
    pub fn new(grants: Arc<Grants>, lane: Lane, limits: &Limits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        Self {
            grants,
            lane,
            table,
            limiter: Limiter::new(limits.memory_bytes),
            activity: Activity::Other,
            call: CallState::default(),
            host_calls: 0,
            last_writer: 0,
            connections: 0,
            locks_held: 0,
            silence: Duration::from_millis(limits.silence_ms),
            listing_bytes: 0,
            scratch: Vec::new(),
            started: Instant::now(),
            wasi: empty_wasi(),
        }
    }

    /// Forgets what belonged to the last call.
    pub fn begin_call(&mut self, activity: Activity) {
        self.activity = activity;
        self.call = CallState { number: self.call.number + 1, ..CallState::default() };
    }

    /// Whether the operator stopped the run. Cleaning up goes on.
    pub fn is_cancelled(&self) -> bool {
        self.activity != Activity::Cleanup && self.grants.cancelled.load(Ordering::Relaxed)
    }

    /// Fails when the operator stopped the run.
    pub fn go_on(&self) -> Reply<()> {
        if self.is_cancelled() { Err(Failure::Cancelled.into()) } else { Ok(()) }
    }

    /// Sends what needs no answer.
    pub fn tell(&self, message: &FromWorker, descriptors: &[BorrowedFd<'_>]) -> Reply<()> {
        Ok(self.lane.socket().send(message, descriptors)?)
    }

    /// [`State::tell`] without waiting for more to send.
    pub fn tell_now(&self, message: &FromWorker, descriptors: &[BorrowedFd<'_>]) -> Reply<()> {
        let mut socket = self.lane.socket();
        socket.send(message, descriptors)?;
        Ok(socket.flush()?)
    }

    /// Tells the host the first time that something granted is used in this worker; the host reports the rest as unused.
    pub fn note_use(&self, granted: Granted) -> Reply<()> {
        let mut used = self.grants.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains(&granted) {
            return Ok(());
        }
        used.insert(granted.clone());
        drop(used);
        self.tell(&FromWorker::Used(granted), &[])
    }

    /// Asks the host and waits for the answer.
    pub fn ask(&mut self, question: Question) -> Reply<Answer> {
        self.send_question(question)?;
        self.answer()
    }

    /// Sends a question at once, and leaves its answer for later. An answer that the host still owes is taken first.
    pub fn send_question(&mut self, question: Question) -> Reply<()> {
        self.settle()?;
        self.tell_now(&FromWorker::Question(question), &[])
    }

    /// Waits for the answer to the last question.
    pub fn answer(&self) -> Reply<Answer> {
        match self.lane.socket().receive()? {
            Some(ToWorker::Answer(answer)) => Ok(answer?),
            Some(ToWorker::Call(_)) => Err(lost("a call came instead of an answer")),
            None => Err(LaneLost(ProtocolError::Truncated).into_fault()),
        }
    }

    /// The descriptor beside the last answer.
    pub fn take_descriptor(&self) -> Reply<OwnedFd> {
        Ok(self.lane.socket().take_descriptor()?)
    }

    /// Waits until the host has taken everything that was sent, or says what went wrong with it.
    pub fn confirm(&mut self) -> Reply<()> {
        self.all_fetched()?;
        if !std::mem::take(&mut self.call.unconfirmed) {
            return Ok(());
        }
        match self.ask(Question::Barrier)? {
            Answer::Done => Ok(()),
            _ => Err(mismatch()),
        }
    }

    /// Sleeps, but not longer than until the run is cancelled.
    pub fn pause(&self, length: Duration) -> Reply<()> {
        let end = Instant::now() + length;
        loop {
            self.go_on()?;
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            std::thread::sleep(rest.min(CANCEL_POLL));
        }
    }
}

/// For components whose compiler cannot do without WASI: no environment, no arguments, no folders, no sockets, and standard
/// streams that lead nowhere. WASI's clocks and random numbers answer without a grant, because its interfaces have no way to
/// refuse; the contract's own do.
fn empty_wasi() -> WasiCtx {
    WasiCtx::builder()
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(RANDOM_BYTES_MAX.into())
        .build()
}

impl LaneLost {
    fn into_fault(self) -> Fault {
        Fault::Trap(self.into())
    }
}

/// The host answered something else than was asked.
pub fn mismatch() -> Fault {
    lost("an answer does not fit its question")
}

fn lost(what: &'static str) -> Fault {
    LaneLost(ProtocolError::Unexpected(what)).into_fault()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.host_calls += 1;
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
