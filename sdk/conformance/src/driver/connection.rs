//! The lines to and from a driver.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::Value;

use super::message::{Answer, Question};

/// Longest line of an answer, in bytes: the contents of a full store, an object a line of it.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// Time for one answer; starting a server or filling it can take some.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(600);
/// Time to end by itself when nobody asks any more.
const END_TIME_MAX: Duration = Duration::from_secs(10);
/// Names another time for one answer, in seconds.
const ANSWER_TIME_VARIABLE: &str = "LOCKGATE_DRIVER_SECONDS";

/// A running driver.
#[derive(Debug)]
pub(super) struct Connection {
    child: Child,
    /// Its end tells the driver to stop its servers and end.
    input: Option<ChildStdin>,
    /// None when it was given up.
    lines: Option<Receiver<Result<String>>>,
    reader: Option<JoinHandle<()>>,
    answer_time: Duration,
}

impl Connection {
    pub(super) fn open(program: &OsString, arguments: &[OsString]) -> Result<Self> {
        let shown = program.to_string_lossy().into_owned();
        let mut command = Command::new(program);
        // In a group of its own: what it starts can be stopped with it, and Ctrl-C leaves it the time to clean up.
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("start the driver {shown}"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("the driver has no output")?;
        // One line waits at most: a driver that chatters is not listened to.
        let (sender, lines) = sync_channel(1);
        let name = std::thread::Builder::new().name("driver".to_owned());
        let thread = name.spawn(move || {
            let mut reader = BufReader::new(output);
            loop {
                let line = read_line(&mut reader);
                let is_over = !matches!(line, Ok(Some(_)));
                let line = line.and_then(|line| line.context("the driver ended"));
                if sender.send(line).is_err() || is_over {
                    return;
                }
            }
        })?;
        let seconds = std::env::var(ANSWER_TIME_VARIABLE).ok().and_then(|text| text.parse().ok());
        let answer_time = seconds.map_or(ANSWER_TIME_MAX, Duration::from_secs);
        let (lines, reader) = (Some(lines), Some(thread));
        Ok(Self { child, input, lines, reader, answer_time })
    }

    /// Asks and waits for the answer.
    pub(super) fn ask(&mut self, question: &Question) -> Result<Value> {
        let answer = self.exchange(question);
        answer.with_context(|| format!("the driver, asked to {}", question.verb))
    }

    fn exchange(&mut self, question: &Question) -> Result<Value> {
        let line = serde_json::to_string(question)? + "\n";
        let input = self.input.as_mut().context("it was given up before")?;
        let asked = input.write_all(line.as_bytes()).and_then(|()| input.flush());
        let lines = self.lines.as_ref().context("it was given up before")?;
        let line = match lines.recv_timeout(self.answer_time) {
            Ok(line) => line?,
            Err(RecvTimeoutError::Disconnected) => bail!("it ended"),
            Err(RecvTimeoutError::Timeout) => {
                // What it says later would be taken for the answer to another question.
                self.end(Duration::ZERO);
                bail!("it did not answer within {:?} and was stopped", self.answer_time);
            }
        };
        // When it could not be asked, its last words above say more.
        asked.context("it closed its input")?;
        match serde_json::from_str(&line) {
            Ok(Answer::Ok(value)) => Ok(value),
            Ok(Answer::Error(text)) => Err(anyhow!(text)),
            Err(error) => {
                let start: String = line.chars().take(100).collect();
                bail!(
                    "its answer {start:?} is neither {{\"ok\": ...}} nor {{\"error\": \"...\"}}: {error}"
                )
            }
        }
    }

    /// Closes its input, waits for its end, and kills what is left of its group.
    fn end(&mut self, patience: Duration) {
        self.input = None;
        let start = Instant::now();
        let pid = Pid::from_child(&self.child);
        // It is not reaped before the group is killed, so that the number is nobody else's.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), look), Ok(None)) && start.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        // These fail when nothing is left.
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.child.wait();
        self.lines = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.lines.is_some() {
            self.end(END_TIME_MAX);
        }
    }
}

/// The next line; none at the end.
fn read_line(reader: &mut BufReader<ChildStdout>) -> Result<Option<String>> {
    let mut line = Vec::new();
    reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(String::from_utf8(line).context("the driver's line is not UTF-8")?)),
        Some(_) if line.len() as u64 == LINE_BYTES_MAX => {
            bail!("the driver's line is longer than {} MiB", LINE_BYTES_MAX >> 20)
        }
        Some(_) => bail!("the driver ended in the middle of a line"),
    }
}
