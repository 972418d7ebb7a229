//! Lines as a person types them, and what they take.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::measure;

/// Units of a second in which the system tells a process's time (proc(5): the same on every architecture that is left).
const TICKS_PER_S: f64 = 100.0;

/// Runs lines and adds up what all their processes took.
pub struct Shell {
    folder: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    /// Seconds of all processors, user and system.
    pub cpu_s: f64,
    /// Of the largest process.
    pub peak_mib: f64,
}

impl Shell {
    /// A shell in `folder` that finds programs in `programs` first.
    pub fn new(folder: &Path, programs: &[PathBuf]) -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = programs.iter().cloned().chain(std::env::split_paths(&path));
        let environment = vec![("PATH", std::env::join_paths(all)?)];
        Ok(Self { folder: folder.to_owned(), environment, cpu_s: 0.0, peak_mib: 0.0 })
    }

    /// The folder of the program that is measured, which goes when its turn is over.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn set(&mut self, name: &'static str, value: impl AsRef<OsStr>) {
        self.environment.push((name, value.as_ref().to_owned()));
    }

    /// Counts from here.
    pub fn reset(&mut self) {
        (self.cpu_s, self.peak_mib) = (0.0, 0.0);
    }

    /// Runs a line under GNU time. A pipe fails when any of its programs does.
    pub fn run(&mut self, line: &str) -> Result<()> {
        let file = self.folder.join("time");
        let mut command = measure::timed(Path::new("bash"), &file);
        command.args(["-e", "-o", "pipefail", "-c", line]).current_dir(&self.folder);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().context("GNU time is not installed: apt-get install time")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{line}: {}: {said}", output.status);
        let figures = measure::read(&file)?;
        self.cpu_s += figures.cpu_s;
        self.peak_mib = self.peak_mib.max(figures.peak_mib);
        Ok(())
    }
}

/// A path or another word as a shell takes it.
pub fn word(text: impl AsRef<OsStr>) -> String {
    format!("'{}'", text.as_ref().to_string_lossy().replace('\'', r"'\''"))
}

/// A client's command, with its variables, as a shell takes it.
pub fn line(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), word(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(word);
    variables.chain(words).collect::<Vec<String>>().join(" ")
}

/// Seconds of all processors that a process and its children have taken, also those that have ended.
pub fn server_seconds(process: u32) -> f64 {
    let path = |name: &str| format!("/proc/{process}/{name}");
    let stat = std::fs::read_to_string(path("stat")).unwrap_or_default();
    // The name of the program, in brackets, may have any character.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    // utime, stime, cutime and cstime; the first field here is the third of proc(5).
    let own: f64 = fields.skip(11).take(4).filter_map(|text| text.parse::<f64>().ok()).sum();
    let tasks = std::fs::read_dir(path("task")).into_iter().flatten().flatten();
    let children: f64 = tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .map(|text| {
            text.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .map(server_seconds)
                .sum::<f64>()
        })
        .sum();
    own / TICKS_PER_S + children
}
