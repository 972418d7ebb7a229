//! What the suite found: for people, for programs, and as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Everything that a run of the suite found out about a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the plugin.
    pub plugin: String,
    /// Product and version of the server.
    pub server: String,
    /// Version of the `lockgate` that ran.
    pub lockgate: String,
    /// `default` or `full`: how large the contents were.
    pub scale: String,
    /// What each case showed, in the order of the suite.
    pub cases: Vec<CaseReport>,
    /// How long all of it took.
    pub seconds: f64,
}

/// What one case showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// Name of the case.
    pub name: String,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took.
    pub seconds: f64,
    /// What was measured: bytes, counts, seconds, by name.
    #[serde(default)]
    pub figures: BTreeMap<String, f64>,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", content = "reason", rename_all = "kebab-case")]
pub enum Verdict {
    /// As it must be.
    Passed,
    /// Otherwise; what was seen.
    Failed(String),
    /// It was not tried; why.
    Skipped(String),
}

impl Report {
    /// The cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(|case| matches!(case.verdict, Verdict::Failed(_)))
    }

    /// The report as a person reads it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} against {}, lockgate {}, scale {}\n",
            self.plugin, self.server, self.lockgate, self.scale
        );
        for case in &self.cases {
            text.push_str(&case.text());
        }
        let count = |wanted: fn(&Verdict) -> bool| {
            self.cases.iter().filter(|case| wanted(&case.verdict)).count()
        };
        let passed = count(|verdict| matches!(verdict, Verdict::Passed));
        let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
        let failed = self.failed().count();
        writeln!(
            text,
            "{passed} passed, {failed} failed, {skipped} skipped in {:.0} s",
            self.seconds
        )
        .ok();
        text
    }

    /// Writes `PLUGIN.json` and `PLUGIN.txt` into `folder`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        // One plugin is tested with several servers.
        let server =
            self.server.to_lowercase().replace(|it: char| !it.is_ascii_alphanumeric(), "-");
        let file = |ending: &str| folder.join(format!("{}-{server}.{ending}", self.plugin));
        std::fs::write(file("json"), serde_json::to_string_pretty(self)? + "\n")?;
        std::fs::write(file("txt"), self.text())?;
        Ok(())
    }

    /// Reads what [`Report::write`] wrote as JSON.
    ///
    /// # Errors
    /// When it is no report.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{} is no report", file.display()))
    }
}

impl CaseReport {
    /// The figure that says most of a case, for a table.
    pub(crate) fn main_figure(&self) -> Option<String> {
        let (value, unit, divisor) = MAIN_FIGURES
            .iter()
            .find_map(|(name, unit, divisor)| Some((self.figures.get(*name)?, unit, divisor)))?;
        let value = value / divisor;
        Some(if value < 10.0 { format!("{value:.2} {unit}") } else { format!("{value:.0} {unit}") })
    }

    /// One case as a person reads it: a line, and the reason below it when there is one.
    #[must_use]
    pub fn text(&self) -> String {
        let (word, reason) = match &self.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Failed(reason) => ("FAILED", Some(reason)),
            Verdict::Skipped(reason) => ("skipped", Some(reason)),
        };
        let figures: Vec<String> = self.figures.iter().map(figure).collect();
        let mut text = format!("{word:8} {:24} {:6.1} s", self.name, self.seconds);
        if !figures.is_empty() {
            text.push_str(&format!("  {}", figures.join(", ")));
        }
        text.push('\n');
        for line in reason.into_iter().flat_map(|reason| reason.lines()) {
            text.push_str(&format!("         {line}\n"));
        }
        text
    }
}

/// Figures that a table shows, with what they are measured in behind.
const MAIN_FIGURES: [(&str, &str, f64); 3] = [
    ("second-percent", "%", 1.0),
    ("on-the-way-bytes", "MiB on the way", 1048576.0),
    ("changes", "changes", 1.0),
];

/// A figure by its name's ending: bytes are shown in MiB, everything else as it is.
fn figure((name, value): (&String, &f64)) -> String {
    let words = name.replace('-', " ");
    match words.strip_suffix(" bytes") {
        Some(what) if *value >= 1048576.0 => format!("{what} {:.1} MiB", value / 1048576.0),
        Some(what) => format!("{what} {value:.0} B"),
        None if value.fract() == 0.0 => format!("{words} {value:.0}"),
        None => format!("{words} {value:.2}"),
    }
}
