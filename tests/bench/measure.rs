//! Figures of whole processes, as GNU time has them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Seconds that a person waits.
    pub wall_s: f64,
    /// Seconds of all processors, user and system.
    pub cpu_s: f64,
    /// Of the largest process.
    pub peak_mib: f64,
}

/// Figures by step and program.
#[derive(Default)]
pub struct Table {
    runs: BTreeMap<(usize, &'static str), BTreeMap<&'static str, Vec<Figures>>>,
    order: Vec<&'static str>,
}

/// A command that runs `program` and writes its figures into `file`.
pub fn timed(program: &Path, file: &Path) -> Command {
    let mut command = Command::new("/usr/bin/time");
    command.args(["--format", "%e %U %S %M", "--output"]).arg(file).arg(program);
    command
}

/// The figures that a timed command left.
pub fn read(file: &Path) -> Result<Figures> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().last().context("GNU time wrote nothing")?;
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [wall_s, user_s, system_s, peak_kib] = numbers[..] else { anyhow::bail!("{line}") };
    Ok(Figures { wall_s, cpu_s: user_s + system_s, peak_mib: peak_kib / 1024.0 })
}

/// Bytes of all files below a folder.
pub fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// The processors of this machine in a line.
pub fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split(": ").nth(1)).unwrap_or_default().to_owned()
    };
    let count = text.lines().filter(|line| line.starts_with("processor")).count();
    let sha = if value("flags").contains("sha_ni") { "with" } else { "without" };
    format!("{count} x {} {sha} SHA instructions", value("model name"))
}

impl Table {
    pub fn add(&mut self, program: &'static str, step: &'static str, figures: Figures) {
        if !self.order.contains(&step) {
            self.order.push(step);
        }
        let position = self.order.iter().position(|known| *known == step).unwrap_or(0);
        self.runs.entry((position, step)).or_default().entry(program).or_default().push(figures);
    }

    /// Prints medians, and for each other program how many times as long it took as `ours`.
    pub fn print(&self, ours: &str) {
        println!("| step | program | wall s | cpu s | peak MiB | wall / {ours} | cpu / {ours} |");
        println!("|---|---|---|---|---|---|---|");
        for ((_, step), programs) in &self.runs {
            let Some(base) = programs.get(ours).map(|runs| middle(runs)) else { continue };
            for (program, runs) in programs {
                let Figures { wall_s, cpu_s, peak_mib } = middle(runs);
                let (wall, cpu) = (wall_s / base.wall_s.max(0.01), cpu_s / base.cpu_s.max(0.01));
                println!(
                    "| {step} | {program} | {wall_s:.2} | {cpu_s:.2} | {peak_mib:.0} | {wall:.2} | {cpu:.2} |"
                );
            }
        }
    }
}

/// The value in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn middle(runs: &[Figures]) -> Figures {
    Figures {
        wall_s: median(runs.iter().map(|run| run.wall_s)),
        cpu_s: median(runs.iter().map(|run| run.cpu_s)),
        peak_mib: median(runs.iter().map(|run| run.peak_mib)),
    }
}
