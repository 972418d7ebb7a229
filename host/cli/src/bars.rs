//! How far a run or a check is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lockgate_engine::{Event, Level, Observe, Totals};
use lockgate_repository::{CheckProgress, CheckStage};
use serde_json::json;

use crate::context::Context;
use crate::screen::{Screen, style};
use crate::{output, words};

/// How often a status line is printed for programs.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Shows a run: a bar for people, lines for programs, warnings for both.
pub struct Bars {
    screen: Screen,
    verbose: u8,
    parts: AtomicU64,
    started: Instant,
    status_at: AtomicU64,
}

impl Bars {
    pub fn new(context: &Context) -> Self {
        let (parts, status_at) = (AtomicU64::new(0), AtomicU64::new(0));
        let (screen, verbose) = (Screen::new(context), context.verbose);
        Self { screen, verbose, parts, started: Instant::now(), status_at }
    }

    /// Takes the bar away, so that results can be printed.
    pub fn finish(&self) {
        self.screen.finish();
    }

    fn planned(&self, parts: u64, bytes: Option<u64>) {
        self.parts.store(parts, Ordering::Relaxed);
        match &self.screen {
            Screen::Bar(bar) => {
                if let Some(bytes) = bytes.filter(|bytes| *bytes > 0) {
                    bar.set_length(bytes);
                    bar.set_style(style(
                        "{prefix:8} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}",
                    ));
                }
            }
            Screen::Json => output::message("planned", json!({ "parts": parts, "bytes": bytes })),
            Screen::Silent => {}
        }
    }

    fn totals(&self, totals: Totals) {
        let parts = self.parts.load(Ordering::Relaxed);
        match &self.screen {
            Screen::Bar(bar) => {
                bar.set_position(totals.bytes);
                let items = words::count(totals.entries);
                bar.set_message(format!("{items} items {}/{parts} parts", totals.parts));
            }
            Screen::Json => self.status(totals, parts),
            Screen::Silent => {}
        }
    }

    fn status(&self, totals: Totals, parts: u64) {
        let elapsed = self.started.elapsed();
        let now = elapsed.as_secs() / STATUS_EVERY.as_secs();
        if self.status_at.swap(now, Ordering::Relaxed) == now {
            return;
        }
        let body = json!({
            "seconds_elapsed": elapsed.as_secs(),
            "bytes_done": totals.bytes,
            "entries_done": totals.entries,
            "parts_done": totals.parts,
            "parts": parts,
        });
        output::message("status", body);
    }

    fn log(&self, level: Level, instance: &str, message: &str) {
        let shown = match level {
            Level::Error | Level::Warn => true,
            Level::Info => self.verbose >= 1,
            Level::Debug => self.verbose >= 2,
            Level::Trace => self.verbose >= 3,
        };
        if !shown {
            return;
        }
        match &self.screen {
            Screen::Json => {
                let level = format!("{level:?}").to_lowercase();
                output::message(
                    "log",
                    json!({ "level": level, "instance": instance, "message": message }),
                );
            }
            Screen::Bar(_) | Screen::Silent => self.screen.say(&format!("{instance}: {message}")),
        }
    }
}

impl Observe for Bars {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Stage(stage) => match &self.screen {
                Screen::Bar(bar) => bar.set_prefix(*stage),
                Screen::Json => output::message("stage", json!({ "stage": stage })),
                Screen::Silent => {}
            },
            Event::Planned { parts, bytes } => self.planned(*parts, *bytes),
            Event::PartStarted { part } if self.verbose >= 1 => {
                self.screen.say(&format!("{part} …"))
            }
            Event::PartDone { part } if self.verbose >= 1 => {
                self.screen.say(&format!("{part} done"))
            }
            Event::Log { level, instance, message, .. } => self.log(*level, instance, message),
            Event::Finding(finding) => self.screen.say(&words::finding(finding)),
            Event::Totals(totals) => self.totals(*totals),
            _ => {}
        }
    }
}

/// Shows how far a check is.
pub struct CheckBar(Screen);

impl CheckBar {
    pub fn new(context: &Context) -> Self {
        Self(Screen::new(context))
    }

    pub fn show(&self, progress: CheckProgress) {
        let Some(bar) = self.0.bar() else { return };
        let (name, template) = match progress.stage {
            CheckStage::Structure => ("check", "{prefix:8} {spinner} {elapsed}"),
            CheckStage::Trees => ("trees", "{prefix:8} {spinner} {human_pos} {elapsed}"),
            CheckStage::Data => {
                ("data", "{prefix:8} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
            }
            CheckStage::Locate => ("locate", "{prefix:8} {spinner} {elapsed}"),
        };
        if bar.prefix() != name {
            bar.set_prefix(name);
            bar.set_style(style(template));
            bar.set_length(progress.total);
        }
        bar.set_position(progress.done);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish();
    }
}
