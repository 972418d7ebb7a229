//! The worker process: started, watched, killed and reaped here and nowhere else.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};

use super::shown::into_shown;
use crate::error::{Error, ErrorKind};
use crate::jail::{self, Isolation};
use crate::limits::WORKER_STDERR_BYTES_MAX;
use crate::protocol::FrameSocket;

/// How often a process that should end is looked at.
const POLL: Duration = Duration::from_millis(1);

/// Of -1000 to 1000; 0 is what a process has.
const OOM_SCORE: &str = "500";

/// How to start a worker: the program runs [`crate::worker_main`].
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// An absolute path.
    pub program: PathBuf,
    /// What makes the program a worker.
    pub arguments: Vec<OsString>,
    /// What to do when the machine lacks a required layer of the jail.
    pub isolation: Isolation,
}

impl WorkerCommand {
    /// The running program itself, even when its file was replaced meanwhile.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn current(arguments: Vec<OsString>) -> io::Result<Self> {
        let program = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe()?
        };
        Ok(Self { program, arguments, isolation: Isolation::Full })
    }
}

/// A worker process. Dropped, it is killed and reaped.
#[derive(Debug)]
pub struct Process {
    child: Mutex<Child>,
    stderr: Mutex<Option<JoinHandle<String>>>,
}

/// How a worker ended.
#[derive(Debug)]
pub struct Ending {
    status: Option<ExitStatus>,
    /// It did not end by itself.
    was_killed: bool,
    /// The last of what it wrote to its standard error.
    stderr: String,
}

impl Process {
    /// Starts a worker with a control socket.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn spawn(worker: &WorkerCommand) -> Result<(Self, FrameSocket), Error> {
        let (ours, theirs) =
            UnixStream::pair().map_err(|error| Error::io("make a socket", error))?;
        let control = FrameSocket::new(ours).map_err(|error| Error::protocol(&error))?;
        // Alive until the child has started: its path stands for it.
        let program = jail::read_only_program(&worker.program).ok();
        let path: Option<PathBuf> =
            program.as_ref().map(|program| jail::descriptor_path(program.as_fd()).into());
        let mut command = Command::new(path.as_ref().unwrap_or(&worker.program));
        command.args(&worker.arguments).arg0("lockgate-worker");
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped());
        confine(&mut command);
        let mut child = command.spawn().map_err(|error| {
            Error::io(&format!("start the worker {}", worker.program.display()), error)
        })?;
        let pipe = child.stderr.take();
        // From here on the child is killed and reaped when anything fails.
        let process = Self { child: Mutex::new(child), stderr: Mutex::new(None) };
        process.offer_to_the_system();
        if let Some(pipe) = pipe {
            let reader = Builder::new()
                .name("worker's stderr".to_owned())
                .spawn(move || last_of(pipe))
                .map_err(|error| Error::io("start a thread", error))?;
            *process.stderr.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
        }
        Ok((process, control))
    }

    /// When memory runs out, the system shall take a worker before it takes the host (`proc_pid_oom_score_adj(5)`). It may
    /// refuse; then it chooses by size.
    fn offer_to_the_system(&self) {
        if let Some(pid) = self.pid().filter(|_| cfg!(target_os = "linux")) {
            let file = format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero());
            let _ = std::fs::write(file, OOM_SCORE);
        }
    }

    /// Lets the worker write files of at most `bytes`; the system kills it when it goes on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn limit_files(&self, bytes: u64) -> Result<(), Error> {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        prlimit(self.pid(), Resource::Fsize, limit)
            .map(drop)
            .map_err(|errno| Error::io("limit the worker", errno.into()))
    }

    /// Kills the worker with whatever it may have started. Does nothing when it has ended.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Reaping happens under the same lock, so the number cannot belong to another process here.
        if let Ok(None) = child.try_wait() {
            if let Some(group) = pid_of(&child) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.kill();
        }
    }

    /// Waits for the end, at most `patience`, then kills.
    pub fn end(&self, patience: Duration) -> Ending {
        let until = Instant::now() + patience;
        let (status, was_killed) = loop {
            // The lock is free again before anything else is done.
            let looked = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
            match looked {
                Ok(Some(status)) => break (Some(status), false),
                Ok(None) if Instant::now() < until => {}
                _ => {
                    self.kill();
                    break (self.reap(), true);
                }
            }
            std::thread::sleep(POLL);
        };
        let reader = self.stderr.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stderr = reader.and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ending { status, was_killed, stderr }
    }

    fn reap(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).wait().ok()
    }

    /// Of the running worker, for messages and tests.
    pub fn pid(&self) -> Option<Pid> {
        pid_of(&self.child.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// What the host can do from outside: no environment, no folder of the host's, a process group of its own so that signals from
/// a terminal reach only the host. The rest is the jail ([`crate::jail`]), which the worker enters itself.
fn confine(command: &mut Command) {
    command.env_clear().current_dir("/").process_group(0);
}

/// Reads to the end and keeps the last bytes.
fn last_of(mut pipe: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = pipe.read(&mut buffer) {
        kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let surplus = kept.len().saturating_sub(WORKER_STDERR_BYTES_MAX);
        kept.drain(..surplus);
    }
    into_shown(String::from_utf8_lossy(&kept).trim().to_owned(), WORKER_STDERR_BYTES_MAX)
}

impl Ending {
    /// The error of a worker that nobody told to end.
    pub fn into_error(self) -> Error {
        let signal = self.status.and_then(|status| status.signal());
        let how = match (signal, self.status.and_then(|status| status.code())) {
            _ if self.was_killed => "closed its end and was stopped".to_owned(),
            (Some(signal), _) => format!("was killed by signal {signal}{}", signal_name(signal)),
            (None, Some(code)) => format!("ended with status {code}"),
            (None, None) => "is gone".to_owned(),
        };
        let last =
            if self.stderr.is_empty() { String::new() } else { format!(": {}", self.stderr) };
        let error = Error::new(ErrorKind::WorkerLost, format!("the worker {how}{last}"));
        if signal == Some(Signal::SYS.as_raw()) {
            return error.with_hint(
                "it made a system call that the jail forbids: it may be compromised, report this with the plugin's digest",
            );
        }
        if signal == Some(Signal::KILL.as_raw()) && !self.was_killed {
            return error.with_hint(
                "the system may have run out of memory: look for `oom` in the kernel's log",
            );
        }
        error
    }
}

fn signal_name(signal: i32) -> &'static str {
    let names = [
        (Signal::KILL, " (KILL)"),
        (Signal::SEGV, " (SEGV)"),
        (Signal::ABORT, " (ABRT)"),
        (Signal::BUS, " (BUS)"),
        (Signal::ILL, " (ILL)"),
        (Signal::TERM, " (TERM)"),
        (Signal::SYS, " (SYS)"),
        (Signal::XFSZ, " (XFSZ)"),
    ];
    names.iter().find(|(number, _)| number.as_raw() == signal).map_or("", |(_, name)| name)
}
