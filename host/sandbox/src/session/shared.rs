//! What the instances of one session have in common, and how the session ends.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockgate_trust::Granted;

use super::Observer;
use super::credential::Credentials;
use super::http::{Around, Http};
use super::lane::Limit;
use super::net::Net;
use super::process::Process;
use super::watchdog::{Verdict, Watchdog};
use crate::error::{Error, ErrorKind};
use crate::jail::Report;
use crate::limits::{CLOSE_GRACE, Limits};
use crate::protocol::{Control, FrameSocket, ProtocolError};

/// One worker and what it may ask the host for.
pub struct Shared {
    pub name: String,
    pub limits: Limits,
    pub observer: Arc<dyn Observer>,
    /// What keeps the worker in.
    pub jail: Report,
    pub process: Arc<Process>,
    pub watchdog: Watchdog,
    pub net: Net,
    pub http: Http,
    pub credentials: Credentials,
    /// What was granted, and of that what was used.
    pub granted: BTreeSet<Granted>,
    pub used: Mutex<BTreeSet<Granted>>,
    /// None once the session is closed.
    pub control: Mutex<Option<FrameSocket>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Shared {
    /// Remembers that something was used. What was not granted cannot have been.
    pub fn note_use(&self, granted: Granted) {
        if self.granted.contains(&granted) {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(granted);
        }
    }

    /// What was granted and never used.
    pub fn unused(&self) -> Vec<Granted> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.granted.difference(&used).cloned().collect()
    }

    /// What an HTTP request needs.
    pub fn around(&self, is_cleanup: bool) -> Around<'_> {
        let silence = Duration::from_millis(self.limits.silence_ms);
        Around {
            http: &self.http,
            net: &self.net,
            credentials: &self.credentials,
            silence,
            is_cleanup,
        }
    }

    /// Tells the worker to bring up an instance on `lane`.
    pub fn open_lane(&self, lane: BorrowedFd<'_>) -> Result<(), ProtocolError> {
        self.tell(&Control::OpenLane, &[lane])
    }

    /// Stops the run: capabilities answer `cancelled`, and what goes on for too long is killed.
    pub fn cancel(&self) {
        self.watchdog.cancel();
        self.net.cancel();
        // A worker that is gone needs not be told.
        let _ = self.tell(&Control::Cancel, &[]);
    }

    fn tell(&self, message: &Control, descriptors: &[BorrowedFd<'_>]) -> Result<(), ProtocolError> {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = control.as_mut().ok_or(ProtocolError::Truncated)?;
        socket.send(message, descriptors)?;
        socket.flush()
    }

    /// Why a call with this number lost its worker.
    pub fn loss(&self, limit: Limit, number: u64) -> Error {
        match self.watchdog.verdict() {
            Some(Verdict::Deadline(late)) if late == number => {
                Error::deadline(limit.name, limit.milliseconds)
            }
            Some(Verdict::Deadline(_)) => {
                lost("the worker was stopped because another call took too long")
            }
            Some(Verdict::Violation) => {
                lost("the worker was stopped because it broke the protocol")
            }
            Some(Verdict::Cancelled) => Error::new(ErrorKind::Cancelled, "cancelled"),
            None if self.is_closed() => Error::new(ErrorKind::Ended, "the session is closed"),
            None => self.process.end(CLOSE_GRACE).into_error(),
        }
    }

    /// Kills a worker that broke the protocol.
    pub fn condemn(&self, what: &str) -> Error {
        self.watchdog.condemn(Verdict::Violation);
        self.process.kill();
        Error::new(ErrorKind::Protocol, format!("the worker broke the protocol: {what}"))
    }

    /// Once the operator has stopped the run, every error is a consequence of that.
    pub fn if_cancelled(&self, error: Error) -> Error {
        if self.watchdog.is_cancelled() { error.with_kind(ErrorKind::Cancelled) } else { error }
    }

    fn is_closed(&self) -> bool {
        self.control.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Ends the worker and everything that serves it. With `wait`, the worker has a moment to end by itself and tasks are waited
    /// for.
    pub fn close(&self, wait: bool) {
        drop(self.control.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.process.end(if wait { CLOSE_GRACE } else { Duration::ZERO });
        self.watchdog.close();
        self.net.close(wait);
    }
}

fn lost(detail: &str) -> Error {
    Error::new(ErrorKind::WorkerLost, detail)
}
