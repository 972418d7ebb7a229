//! One table of several reports, in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::cases;
use crate::report::{CaseReport, Report, Verdict};

/// Reads all reports of a folder, in the order of the plugins' names.
///
/// # Errors
/// When the folder or a report cannot be read, or there is none.
pub fn read_reports(folder: &Path) -> Result<Vec<Report>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    let mut reports: Vec<Report> =
        files.iter().map(|file| Report::read(file)).collect::<Result<_>>()?;
    ensure!(!reports.is_empty(), "there is no report in {}", folder.display());
    reports
        .sort_by(|left, right| (&left.plugin, &left.server).cmp(&(&right.plugin, &right.server)));
    Ok(reports)
}

/// Cases down, plugins across; below it what each case shows, and why some were not tried or failed.
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let mut notes = Notes::default();
    let mut text = String::from("| case |");
    for report in reports {
        write!(text, " {}<br>{} |", cell(&report.plugin), cell(&report.server)).ok();
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(reports.len()));
    text.push('\n');
    for case in &cases::ALL {
        write!(text, "| [{0}](#what-each-case-shows) |", case.name).ok();
        for report in reports {
            let found = report.cases.iter().find(|one| one.name == case.name);
            write!(text, " {} |", entry(found, &mut notes)).ok();
        }
        text.push('\n');
    }
    write!(text, "| **passed** |").ok();
    for report in reports {
        let passed = report.cases.iter().filter(|case| case.verdict == Verdict::Passed).count();
        write!(text, " {passed} of {} in {:.0} s |", report.cases.len(), report.seconds).ok();
    }
    text.push('\n');
    text.push_str(&notes.text());
    text.push_str("\n## What each case shows\n\n| case | shows |\n|---|---|\n");
    for case in &cases::ALL {
        writeln!(text, "| `{}` | {} |", case.name, case.shows).ok();
    }
    text
}

fn entry(found: Option<&CaseReport>, notes: &mut Notes) -> String {
    let Some(case) = found else { return "not run".to_owned() };
    match &case.verdict {
        Verdict::Passed => match case.main_figure() {
            Some(figure) => format!("passed ({})", cell(&figure)),
            None => "passed".to_owned(),
        },
        Verdict::Failed(reason) => format!("**failed**{}", notes.mark(reason)),
        Verdict::Skipped(reason) => format!("skipped{}", notes.mark(reason)),
    }
}

/// Reasons by their numbers; the same reason has the same number.
#[derive(Default)]
struct Notes {
    numbers: BTreeMap<String, usize>,
    order: Vec<String>,
}

impl Notes {
    fn mark(&mut self, reason: &str) -> String {
        let order = &mut self.order;
        let number = *self.numbers.entry(reason.to_owned()).or_insert_with(|| {
            order.push(reason.to_owned());
            order.len()
        });
        format!(" ({number})")
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (index, reason) in self.order.iter().enumerate() {
            write!(text, "\n{}. {}", index + 1, cell(reason)).ok();
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}

/// Text that neither ends a cell nor is taken for markup.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '|' | '<' | '>' | '`' | '*' | '[' | ']' | '\\' => out.extend(['\\', character]),
            _ if character.is_control() => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(plugin: &str, cases: &[(&str, Verdict)]) -> Report {
        let case = |(name, verdict): &(&str, Verdict)| CaseReport {
            name: (*name).to_owned(),
            verdict: verdict.clone(),
            seconds: 1.0,
            figures: BTreeMap::from([("second-percent".to_owned(), 0.25)]),
        };
        Report {
            plugin: plugin.to_owned(),
            server: "Server 1".to_owned(),
            lockgate: "0.1.0".to_owned(),
            scale: "default".to_owned(),
            cases: cases.iter().map(case).collect(),
            seconds: 2.0,
        }
    }

    #[test]
    fn reasons_are_below_and_nothing_breaks_a_cell() {
        let skipped = || Verdict::Skipped("no | server".to_owned());
        let failed = Verdict::Failed("it <b>differs</b>\nmuch".to_owned());
        let text = table(&[
            report("one", &[("empty", Verdict::Passed), ("cancel", skipped())]),
            report(
                "two",
                &[("empty", failed), ("cancel", skipped()), ("unchanged", Verdict::Passed)],
            ),
        ]);
        assert!(
            text.contains("| [empty](#what-each-case-shows) | passed (0.25 %) | **failed** (1) |"),
            "{text}"
        );
        assert!(
            text.contains("| [cancel](#what-each-case-shows) | skipped (2) | skipped (2) |"),
            "{text}"
        );
        assert!(text.contains("| not run | passed (0.25 %) |"), "{text}");
        assert!(text.contains("\n1. it \\<b\\>differs\\</b\\> much\n2. no \\| server\n"), "{text}");
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let failed = Verdict::Failed("why".to_owned());
        let written = report("one", &[("empty", Verdict::Passed), ("cancel", failed)]);
        written.write(folder.path()).unwrap();
        assert_eq!(read_reports(folder.path()).unwrap(), [written]);
        let text = std::fs::read_to_string(folder.path().join("one-server-1.txt")).unwrap();
        assert!(
            text.contains("FAILED   cancel") && text.contains("1 passed, 1 failed, 0 skipped"),
            "{text}"
        );
    }
}
