//! Runs a command and looks at what it takes: time, and memory of the host and of its workers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lockgate_tests::Outcome;

/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(10);
/// A command that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a command printed and took.
pub struct Measured {
    pub outcome: Outcome,
    pub took: Duration,
    /// Peak of the host's memory, and of the largest of its workers, in bytes.
    pub host_bytes: u64,
    pub worker_bytes: u64,
}

/// Runs to the end. Output goes to files in `folder`, so that a flood of it stops nobody.
pub fn run(mut command: Command, folder: &Path) -> Result<Measured> {
    let paths = [folder.join("stdout"), folder.join("stderr")];
    let [stdout, stderr] = paths.each_ref().map(File::create);
    command.stdout(stdout?).stderr(stderr?).stdin(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().context("lockgate cannot be started")?;
    let mut peaks = BTreeMap::new();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > PATIENCE {
            child.kill()?;
        }
        look(&child, &mut peaks);
        thread::sleep(LOOK);
    };
    let took = started.elapsed();
    let [stdout, stderr] =
        paths.map(|path| fs::read(path).map(|it| String::from_utf8_lossy(&it).into_owned()));
    let host_bytes = peaks.remove(&child.id()).unwrap_or_default();
    let worker_bytes = peaks.into_values().max().unwrap_or_default();
    let outcome = Outcome { code: status.code(), stdout: stdout?, stderr: stderr? };
    Ok(Measured { outcome, took, host_bytes, worker_bytes })
}

fn look(child: &Child, peaks: &mut BTreeMap<u32, u64>) {
    let workers = workers(child.id()).into_iter().filter(|process| is_worker(*process));
    for process in workers.chain([child.id()]) {
        let peak = peak(process).unwrap_or_default();
        let known = peaks.entry(process).or_default();
        *known = peak.max(*known);
    }
}

/// The processes that `parent` started.
pub fn workers(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|process| parent_of(*process) == Some(parent)).collect()
}

/// Fourth field of `/proc/PID/stat` (`proc_pid_stat(5)`), behind the name in parentheses.
fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Whether the process is a worker by now: before that it has its parent's memory.
fn is_worker(process: u32) -> bool {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(b"worker")
}

/// Largest resident memory so far, in bytes.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}
