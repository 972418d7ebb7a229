//! `lockgate serve`, started from what was built.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::Lockgate;

/// Time that the service may take to end.
const ENDS_IN: Duration = Duration::from_secs(60);

/// A service that runs. It is killed, as a power cut would, with the value.
#[derive(Debug)]
pub struct Service {
    /// Where it listens.
    pub url: String,
    child: Child,
    /// Kept open, so that what it prints last does not end it.
    _output: BufReader<ChildStdout>,
}

impl Service {
    /// Starts it and waits until it listens. What it says is added to the file `log`.
    ///
    /// # Errors
    /// What it said.
    pub fn start(lockgate: &Lockgate, log: &Path) -> Result<Self> {
        let errors = std::fs::File::options().create(true).append(true).open(log)?;
        let mut command = lockgate.command(&["--json", "serve"]);
        let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let told: Value = serde_json::from_str(&line).with_context(|| {
            format!("{line:?}, {}", std::fs::read_to_string(log).unwrap_or_default())
        })?;
        let url = told["url"].as_str().context("no url")?.to_owned();
        Ok(Self { url, child, _output: output })
    }

    /// Number of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and says how long that took.
    ///
    /// # Errors
    /// When it does not, or not well.
    pub fn terminate(self) -> Result<Duration> {
        self.end("TERM")
    }

    /// Asks it to end as Ctrl-C on its terminal does, and says how long that took.
    ///
    /// # Errors
    /// When it does not, or not well.
    pub fn interrupt(self) -> Result<Duration> {
        self.end("INT")
    }

    fn end(mut self, signal: &str) -> Result<Duration> {
        let begun = Instant::now();
        let asked = Command::new("kill").args(["-s", signal, &self.pid().to_string()]).status()?;
        ensure!(asked.success(), "kill");
        while begun.elapsed() < ENDS_IN {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "{status}");
                return Ok(begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the service did not end")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
