//! A running `lockgate`: its memory while it runs, signals, and an end that is waited for no longer than a deadline.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::{Lockgate, Outcome};

/// Pause between two looks at the process.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Looks between two measurements of the memory, which cost a millisecond each.
const LOOKS_PER_MEASUREMENT: u32 = 3;
/// Deepest tree of processes that is measured: host and worker, and one more.
const PROCESS_DEPTH_MAX: usize = 3;

/// A `lockgate` that was started. It is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// What it prints goes into files, so that nobody has to read it while it runs.
    stdout: File,
    stderr: File,
    arguments: String,
    started: Instant,
    looks: u32,
    peak_kib: u64,
}

/// How a command ended, and what it took.
#[derive(Debug)]
pub struct Ended {
    /// Exit code and texts.
    pub outcome: Outcome,
    /// Highest memory of host and workers together that was seen, in bytes.
    pub peak_memory: u64,
    /// How long it ran.
    pub duration: Duration,
}

impl Running {
    /// Starts `lockgate`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(lockgate: &Lockgate, arguments: &[&str]) -> Result<Self> {
        let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut command = lockgate.command(arguments);
        command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let child = command.spawn().context("lockgate cannot be started")?;
        let arguments = arguments.join(" ");
        Ok(Self {
            child,
            stdout,
            stderr,
            arguments,
            started: Instant::now(),
            looks: 0,
            peak_kib: 0,
        })
    }

    /// Whether it has ended by now; measures its memory on the way.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        if self.looks.is_multiple_of(LOOKS_PER_MEASUREMENT) {
            self.peak_kib = self.peak_kib.max(resident_kib(self.child.id()));
        }
        self.looks = self.looks.wrapping_add(1);
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// When it ends before, or the deadline passes; `what` says what was waited for.
    pub fn wait_until(
        &mut self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let start = Instant::now();
        while !condition()? {
            if self.has_ended()? {
                let outcome = self.outcome()?;
                bail!("lockgate {} ended before {what}: {outcome:?}", self.arguments);
            }
            if start.elapsed() > deadline {
                bail!("lockgate {}: {what} did not happen in {deadline:?}", self.arguments);
            }
            sleep(LOOK_PAUSE);
        }
        Ok(())
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it does not end before the deadline; it is killed then.
    pub fn wait(mut self, deadline: Duration) -> Result<Ended> {
        while !self.has_ended()? {
            if self.started.elapsed() > deadline {
                let arguments = &self.arguments;
                bail!("lockgate {arguments} did not end within {deadline:?} and was killed");
            }
            sleep(LOOK_PAUSE);
        }
        let outcome = self.outcome()?;
        let duration = self.started.elapsed();
        Ok(Ended { outcome, peak_memory: self.peak_kib * 1024, duration })
    }

    /// Sends a signal to the host process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("send a signal to lockgate")
    }

    fn outcome(&mut self) -> Result<Outcome> {
        let code = self.child.wait()?.code();
        Ok(Outcome { code, stdout: text(&self.stdout)?, stderr: text(&self.stderr)? })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole file, whatever position the writer left it at.
fn text(file: &File) -> Result<String> {
    use std::os::unix::fs::FileExt as _;
    let length = usize::try_from(file.metadata()?.len())?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Resident memory of a process and its children, in KiB. A page that several map, as those of the program itself, is
/// counted once (`Pss` in `proc(5)`).
#[must_use]
pub fn resident_kib(pid: u32) -> u64 {
    resident_below(pid, PROCESS_DEPTH_MAX)
}

fn resident_below(pid: u32, depth: usize) -> u64 {
    let own = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = own.lines().find(|line| line.starts_with("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
    if depth == 0 {
        return kib;
    }
    // Workers are started by any thread of the host.
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")));
    let children: Vec<u32> = lists
        .filter_map(Result::ok)
        .flat_map(|list| {
            list.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<_>>()
        })
        .collect();
    kib + children.into_iter().map(|child| resident_below(child, depth - 1)).sum::<u64>()
}
