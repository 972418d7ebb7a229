//! What was measured: JSON lines, tables of medians, and what the picture shows.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::measure::{Figures, median};

/// One run of one command.
#[derive(Clone, Debug)]
pub struct Run {
    pub storage: String,
    pub set: String,
    pub compresses: bool,
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
    pub fn json(&self, version: &str, verifies: &str, round: u32) -> Value {
        let Figures { wall_s, cpu_s, peak_mib } = self.figures;
        json!({
            "storage": self.storage, "set": self.set, "compression": self.compresses, "step": self.step,
            "tool": self.tool, "version": version, "verifies": verifies, "round": round,
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

/// lockgate beside the best other program of each row.
fn summary(rows: &Rows) {
    println!("\n### lockgate beside the best of the others\n");
    println!(
        "| storage | compression | data | step | wall: best other | ratio | cpu: best other | ratio | peak: restic | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for ((storage, set, is_plain, _, step), programs) in rows {
        let Some((ours, _)) = programs.get("lockgate").map(|runs| middle(runs)) else { continue };
        let others = || programs.iter().filter(|(name, _)| *name != "lockgate");
        let best = |figure: fn(&Figures) -> f64| {
            others()
                .map(|(name, runs)| (figure(&middle(runs).0), name))
                .min_by(|a, b| a.0.total_cmp(&b.0))
        };
        let (Some((wall, by)), Some((cpu, with))) = (best(|run| run.wall_s), best(|run| run.cpu_s))
        else {
            continue;
        };
        let restic = programs.get("restic").map_or(f64::NAN, |runs| middle(runs).0.peak_mib);
        println!(
            "| {storage} | {} | {set} | {step} | {by} {wall:.2} | {:.2} | {with} {cpu:.2} | {:.2} | {restic:.0} | {:.2} |",
            if *is_plain { "off" } else { "on" },
            wall / ours.wall_s.max(0.01),
            cpu / ours.cpu_s.max(0.01),
            restic / ours.peak_mib,
        );
    }
}
