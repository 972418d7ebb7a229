//! What was measured: JSON lines, tables of medians, and what the picture shows.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::tools::UNVERIFIED;
use crate::measure::{Figures, median};

/// One run of one command.
#[derive(Clone, Debug)]
pub struct Run {
    pub storage: String,
    pub set: String,
    pub compresses: bool,
    pub verifies: bool,
    pub step: String,
    pub tool: String,
    pub figures: Figures,
    /// Bytes of the repository afterwards.
    pub stored: u64,
}

/// What is compared with each other: storage, set, compression, number of the step, step.
pub type Row = (String, String, bool, usize, String);

/// The steps in their order.
pub const STEPS: [&str; 6] =
    ["first backup", "unchanged backup", "changed backup", "restore", "check", "stream"];

/// The runs of each program in one row.
pub type Rows = BTreeMap<Row, BTreeMap<String, Vec<Run>>>;

impl Run {
    pub fn json(&self, version: &str, round: u32) -> Value {
        let Figures { wall_s, cpu_s, peak_mib } = self.figures;
        json!({
            "storage": self.storage, "set": self.set, "compression": self.compresses, "step": self.step,
            "tool": self.tool, "version": version, "verifies": self.verifies, "round": round,
            "wall_s": wall_s, "cpu_s": cpu_s, "peak_mib": peak_mib, "stored_bytes": self.stored,
        })
    }

    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let number = |key: &str| value.get(key)?.as_f64();
        Some(Self {
            storage: text("storage")?,
            set: text("set")?,
            compresses: value.get("compression")?.as_bool()?,
            verifies: value.get("verifies")?.as_bool()?,
            step: text("step")?,
            tool: text("tool")?,
            figures: Figures {
                wall_s: number("wall_s")?,
                cpu_s: number("cpu_s")?,
                peak_mib: number("peak_mib")?,
            },
            stored: value.get("stored_bytes")?.as_u64()?,
        })
    }
}

/// Appends a line to the file of results.
pub fn append(path: &Path, line: &Value) -> Result<()> {
    let mut file = std::fs::File::options().create(true).append(true).open(path)?;
    Ok(writeln!(file, "{line}")?)
}

/// All runs of a file, row by row; lines that describe the machine are left out.
pub fn read(path: &Path) -> Result<Rows> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut rows = Rows::new();
    for run in text.lines().filter_map(Run::parse) {
        let number = STEPS.iter().position(|step| *step == run.step).unwrap_or(STEPS.len());
        let row = (run.storage.clone(), run.set.clone(), !run.compresses, number, run.step.clone());
        rows.entry(row).or_default().entry(run.tool.clone()).or_default().push(run);
    }
    Ok(rows)
}

/// The figures in the middle, and the bytes of the repository.
pub fn middle(runs: &[Run]) -> (Figures, u64) {
    let of = |figure: fn(&Figures) -> f64| median(runs.iter().map(|run| figure(&run.figures)));
    let figures = Figures {
        wall_s: of(|run| run.wall_s),
        cpu_s: of(|run| run.cpu_s),
        peak_mib: of(|run| run.peak_mib),
    };
    (figures, runs.last().map_or(0, |run| run.stored))
}

/// One table for each storage and compression; ratios above 1 say how many times as much as lockgate.
pub fn print(rows: &Rows) {
    let mut title = String::new();
    for ((storage, set, is_plain, _, step), programs) in rows {
        let now = format!("{storage}, compression {}", if *is_plain { "off" } else { "on" });
        if now != title {
            println!("\n### {now}\n");
            println!(
                "| data | step | program | wall s | cpu s | peak MiB | stored MiB | wall / lockgate | cpu / lockgate |"
            );
            println!("|---|---|---|---|---|---|---|---|---|");
            title = now;
        }
        let Some((base, _)) = programs.get("lockgate").map(|runs| middle(runs)) else { continue };
        for (program, runs) in programs {
            let (Figures { wall_s, cpu_s, peak_mib }, stored) = middle(runs);
            let (wall, cpu) = (wall_s / base.wall_s.max(0.01), cpu_s / base.cpu_s.max(0.01));
            println!(
                "| {set} | {step} | {program} | {wall_s:.2} | {cpu_s:.2} | {peak_mib:.0} | {} | {wall:.2} | {cpu:.2} |",
                stored >> 20
            );
        }
    }
    summary(rows);
}

/// lockgate beside the best other program of each row. Where something is stored, those that verify and those that do not are
/// two rows, each beside the lockgate that does alike.
fn summary(rows: &Rows) {
    println!("\n### lockgate beside the best of the others\n");
    println!(
        "| storage | compression | data | step | verify | lockgate s | best other | times | lockgate cpu s | best other | times | lockgate MiB | restic | share |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for ((storage, set, is_plain, _, step), programs) in rows {
        let stores = step.contains("backup") || step == "stream";
        for verifies in [true, false] {
            if !stores && !verifies {
                continue;
            }
            let ours = if verifies { "lockgate" } else { UNVERIFIED };
            let is_like = |runs: &[Run]| !stores || runs.iter().all(|run| run.verifies == verifies);
            let others: Vec<_> = programs
                .iter()
                .filter(|(name, runs)| !name.starts_with("lockgate") && is_like(runs))
                .collect();
            let Some(figures) = programs.get(ours).map(|runs| middle(runs).0) else { continue };
            let word = match (stores, verifies) {
                (false, _) => "",
                (_, true) => "yes",
                (_, false) => "no",
            };
            let compression = if *is_plain { "off" } else { "on" };
            let restic = programs.get("restic").map_or(f64::NAN, |runs| middle(runs).0.peak_mib);
            println!(
                "| {storage} | {compression} | {set} | {step} | {word} | {} | {} | {:.0} | {restic:.0} | {:.2} |",
                beside(figures.wall_s, &others, |run| run.wall_s),
                beside(figures.cpu_s, &others, |run| run.cpu_s),
                figures.peak_mib,
                figures.peak_mib / restic,
            );
        }
    }
}

/// Three cells: our figure, the least of the others, and how many times as much that is.
fn beside(ours: f64, others: &[(&String, &Vec<Run>)], figure: impl Fn(&Figures) -> f64) -> String {
    let best = others
        .iter()
        .map(|(name, runs)| (figure(&middle(runs).0), *name))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((least, name)) => {
            format!("{ours:.2} | {name} {least:.2} | {:.2}", least / ours.max(0.01))
        }
        None => format!("{ours:.2} | | "),
    }
}
