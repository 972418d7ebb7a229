//! Where what goes on is shown: a bar for people who look, lines for programs, nothing for everyone else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::context::Context;
use crate::output;

/// How often a bar moves although nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// How it is shown.
pub enum Screen {
    Bar(ProgressBar),
    Json,
    Silent,
}

impl Screen {
    pub fn new(context: &Context) -> Self {
        if context.json {
            return Self::Json;
        }
        if !context.shows_progress() {
            return Self::Silent;
        }
        let bar = ProgressBar::no_length()
            .with_style(style("{prefix:8} {spinner} {bytes} {bytes_per_sec} {elapsed} {msg}"));
        bar.enable_steady_tick(TICK);
        Self::Bar(bar)
    }

    /// The bar, when a person is looking.
    pub fn bar(&self) -> Option<&ProgressBar> {
        match self {
            Self::Bar(bar) => Some(bar),
            Self::Json | Self::Silent => None,
        }
    }

    /// A line for people, above the bar.
    pub fn say(&self, text: &str) {
        match self {
            Self::Bar(bar) => bar.println(lockgate_types::shown(text, usize::MAX)),
            Self::Json | Self::Silent => output::note(text),
        }
    }

    /// Takes the bar away, so that results can be printed.
    pub fn finish(&self) {
        if let Some(bar) = self.bar() {
            bar.finish_and_clear();
        }
    }
}

/// How a bar looks.
pub fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
