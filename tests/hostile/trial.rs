//! One case in one direction: runs it and demands everything that must hold whatever a plugin does.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Lockgate, Outcome};
use serde_json::Value;

use crate::case::{Case, End, HELD};
use crate::measure::{self, Measured};
use crate::stage::{MEMORY_BYTES, Stage};

/// Time that may pass between the deadline and the end.
const GRACE: Duration = Duration::from_secs(2);
/// Memory that host and worker may take beyond what the plugin may have and what they take anyway.
const MARGIN_BYTES: u64 = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Backup,
    Restore,
}

impl Direction {
    /// The command line, with everything that can be told.
    pub fn arguments(self, end: &End) -> &'static [&'static str] {
        match (self, end.at) {
            (Self::Backup, Some("check")) => &["-vv", "health", "bad"],
            (Self::Backup, _) => &["-vv", "backup", "bad", "--allow-shrink", "--force"],
            (Self::Restore, Some("preview")) => {
                &["-vv", "restore", "latest", "--dry-run", "--into", "bad"]
            }
            (Self::Restore, _) => &["-vv", "restore", "latest", "--into", "bad"],
        }
    }
}

pub struct Trial {
    pub case: Case,
    pub end: End,
    pub direction: Direction,
}

/// What a run takes in which the plugin behaves.
pub fn usual(stage: &Stage, direction: Direction) -> Result<Measured> {
    let end = crate::case::end(0, &[]);
    let case = Case::both("good", &[], end);
    let mut usual = None;
    // The first one fills caches.
    for _ in 0..2 {
        let measured = run(stage, &stage.case(&case, &end)?, direction, &end)?;
        ensure!(measured.outcome.code == Some(0), "{:?}", measured.outcome);
        if direction == Direction::Backup {
            std::fs::remove_file(newest(stage)?)?;
        }
        usual = Some(measured);
    }
    usual.context("two runs")
}

fn newest(stage: &Stage) -> Result<std::path::PathBuf> {
    let folder = stage.site.repository_folder().context("local")?.join("snapshots");
    let mut snapshots: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.metadata()?.modified()?, entry.path()))
        })
        .collect::<Result<_>>()?;
    snapshots.sort();
    Ok(snapshots.pop().context("no snapshot")?.1)
}

/// Runs the command line.
pub fn run(
    stage: &Stage,
    lockgate: &Lockgate,
    direction: Direction,
    end: &End,
) -> Result<Measured> {
    measure::run(lockgate.command(direction.arguments(end)), &stage.site.path(""))
}

impl Trial {
    pub fn title(&self) -> String {
        let at = self.end.at.map(|call| format!(" at {call}")).unwrap_or_default();
        format!("{:?} {}{at}", self.direction, self.case.name)
    }

    pub fn run(&self, stage: &mut Stage, usual: &Measured) -> Result<()> {
        let lockgate = stage.case(&self.case, &self.end)?;
        let known = stage.audit()?.lines().count();
        let measured = run(stage, &lockgate, self.direction, &self.end)?;
        println!(
            "{}: {:.1} s, host {} MiB, worker {} MiB: {}",
            self.title(),
            measured.took.as_secs_f64(),
            measured.host_bytes >> 20,
            measured.worker_bytes >> 20,
            measured.outcome.error_line(),
        );
        let deadline = Duration::from_millis(self.case.call_ms);
        review(&measured, usual, &self.end, deadline, MEMORY_BYTES)?;
        self.names_the_place(&measured.outcome)?;
        let recorded = stage.audit()?;
        self.is_recorded(&measured.outcome, recorded.lines().skip(known))?;
        let is_new = self.direction == Direction::Backup && self.end.code == 0;
        stage.review(usize::from(is_new))?;
        if is_new {
            std::fs::remove_file(newest(stage)?)?;
            stage.forget_one();
        }
        if self.direction == Direction::Restore {
            stage.fill("given")?;
        }
        Ok(())
    }
}

impl Trial {
    /// The audit log says that the plugin was let in, what it was refused, and how it ended.
    fn is_recorded<'a>(
        &self,
        outcome: &Outcome,
        lines: impl Iterator<Item = &'a str>,
    ) -> Result<()> {
        let entries: Vec<Value> = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
        let said = |event: &str, key: &str| -> Vec<&str> {
            let of_event = entries.iter().filter(|entry| entry["event"] == event);
            of_event.filter_map(|entry| entry[key].as_str()).collect()
        };
        ensure!(said("started", "purpose").len() == 1, "no run began: {entries:?}");
        let (error, ended) = (outcome.error_line(), said("ended", "outcome"));
        if self.end.code == 0 {
            ensure!(ended == ["completed"], "the audit log says {ended:?}");
        } else {
            ensure!(ended == ["failed"], "the audit log says {ended:?}");
            let told = said("ended", "error").concat();
            let told = lockgate_types::shown(&told, usize::MAX);
            ensure!(
                error.contains(told.as_ref()),
                "the audit log says {told}, and the operator heard {error}"
            );
        }
        let is_refused = self.end.says == [HELD] && !self.gets_what_there_is();
        ensure!(
            !is_refused || !said("refused", "attempt").is_empty(),
            "the audit log says nothing of what was refused: {entries:?}"
        );
        Ok(())
    }

    /// Asks for more of an entry than there is, and gets what there is: nothing is refused.
    fn gets_what_there_is(&self) -> bool {
        self.direction == Direction::Restore
            && ["gives-more", "gives-less", "after-finish"].contains(&self.case.name)
    }

    /// The error names the source, and the part or the instance.
    fn names_the_place(&self, outcome: &Outcome) -> Result<()> {
        let line = outcome.error_line();
        let places = ["victim", "bystander", "instance coordinator", "instance worker", "part"];
        ensure!(
            self.end.code == 0 || line.contains("bad") && places.iter().any(|it| line.contains(it)),
            "names no source or no part: {line}"
        );
        Ok(())
    }
}

/// What must hold of every run in which the worker may take so many bytes more than usual.
pub fn review(
    measured: &Measured,
    usual: &Measured,
    end: &End,
    deadline: Duration,
    worker_bytes: u64,
) -> Result<()> {
    let outcome = &measured.outcome;
    let printed = format!("{}{}", outcome.stdout, outcome.stderr);
    let shown = || excerpt(&printed);
    ensure!(!printed.contains("BREACH"), "breached: {}", shown());
    let is_unfit =
        |it: char| (it.is_control() && it != '\n') || ('\u{202a}'..='\u{202e}').contains(&it);
    ensure!(!printed.contains(is_unfit), "control characters reached the terminal: {}", shown());
    ensure!(outcome.code == Some(end.code), "exit code {:?}: {}", outcome.code, shown());
    let line = told(outcome, end)?;
    let missing = end.says.iter().find(|words| !line.contains(**words));
    ensure!(missing.is_none(), "does not say {missing:?}: {}", shown());
    let missing = end.logs.iter().find(|words| !printed.contains(**words));
    ensure!(missing.is_none(), "the log does not say {missing:?}: {}", shown());
    let limit = deadline + GRACE + usual.took;
    ensure!(measured.took <= limit, "took {:?}, more than {limit:?}", measured.took);
    let host = usual.host_bytes + MARGIN_BYTES;
    ensure!(
        measured.host_bytes <= host,
        "the host took {} MiB of {}",
        measured.host_bytes >> 20,
        host >> 20
    );
    let worker = usual.worker_bytes + worker_bytes + MARGIN_BYTES;
    ensure!(
        measured.worker_bytes <= worker,
        "the worker took {} MiB of {}",
        measured.worker_bytes >> 20,
        worker >> 20
    );
    Ok(())
}

/// The one line of the error, which names the source and the part or the instance; all that was printed when there is none.
fn told(outcome: &Outcome, end: &End) -> Result<String> {
    let lines: Vec<&str> =
        outcome.stderr.lines().filter(|line| line.starts_with("lockgate: ")).collect();
    if end.code == 0 {
        ensure!(lines.is_empty(), "an error although it went well: {lines:?}");
        return Ok(format!("{}{}", outcome.stdout, outcome.stderr));
    }
    ensure!(lines.len() == 1, "{} lines with errors: {}", lines.len(), excerpt(&outcome.stderr));
    let line = lines.first().copied().unwrap_or_default();
    ensure!(line.len() < 4096, "a line of {} bytes", line.len());
    Ok(line.to_owned())
}

fn excerpt(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rev().take(6).rev();
    last.map(|line| line.get(..line.floor_char_boundary(600)).unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n    ")
}
