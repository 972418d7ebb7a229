use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use lockgate_sandbox::{Level, Observer};
use lockgate_types::{Attributes, Finding, Part};

use crate::audit;

/// Hears what happens during a run.
pub trait Observe: Send + Sync {
    /// Something happened. Called from any thread; must not block for long.
    fn event(&self, event: &Event<'_>);
}

/// What happens during a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A stage of the run begins; the names are those of the architecture.
    Stage(&'static str),
    /// The plan is known: parts, and bytes as far as the plugin can tell.
    Planned {
        /// Number of parts.
        parts: u64,
        /// Sum of the plugin's estimates.
        bytes: Option<u64>,
    },
    /// Work begins on a part.
    PartStarted {
        /// Id of the part.
        part: &'a str,
    },
    /// Work on a part is done.
    PartDone {
        /// Id of the part.
        part: &'a str,
    },
    /// The plugin counts items of its own.
    Items {
        /// Id of the part.
        part: &'a str,
        /// Items so far.
        items: u64,
    },
    /// The plugin says something.
    Log {
        /// How grave.
        level: Level,
        /// Which instance said it.
        instance: &'a str,
        /// What it said; escaped.
        message: &'a str,
        /// Facts beside it.
        fields: &'a Attributes,
    },
    /// The plugin noticed something.
    Finding(&'a Finding),
    /// How far the run is, sent a few times a second.
    Totals(Totals),
}

/// What is known before the first part: how many there are, and their bytes when the plugin could tell all of them.
pub(crate) fn planned<'a>(mut parts: impl ExactSizeIterator<Item = &'a Part>) -> Event<'static> {
    let count = u64::try_from(parts.len()).unwrap_or(u64::MAX);
    let add = |sum: u64, part: &Part| Some(sum.saturating_add(part.bytes_estimate?));
    Event::Planned { parts: count, bytes: parts.try_fold(0, add) }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes that were exported or imported.
    pub bytes: u64,
    /// Entries that were completed.
    pub entries: u64,
    /// Parts that were completed.
    pub parts: u64,
}

/// Counters that the threads of a run share.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    entries: AtomicU64,
    parts: AtomicU64,
}

impl Progress {
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_entries(&self, entries: u64) {
        self.entries.fetch_add(entries, Ordering::Relaxed);
    }

    pub(crate) fn add_part(&self) {
        self.parts.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            bytes: self.bytes.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
            parts: self.parts.load(Ordering::Relaxed),
        }
    }
}

/// How often totals are told.
const TICK: Duration = Duration::from_millis(200);

/// Tells the totals a few times a second while `work` goes on, and once at its end.
pub(crate) fn with_ticker<T>(
    observer: &Arc<dyn Observe>,
    progress: &Progress,
    work: impl FnOnce() -> T,
) -> T {
    let tell = || observer.event(&Event::Totals(progress.totals()));
    let result = every(TICK, tell, work);
    tell();
    result
}

/// Calls `beat` each time that `period` has passed while `work` goes on.
pub(crate) fn every<T>(
    period: Duration,
    mut beat: impl FnMut() + Send,
    work: impl FnOnce() -> T,
) -> T {
    // Dropped when the work ends, also by a panic; then nothing beats any more.
    let (working, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                beat();
            }
        });
        let result = work();
        drop(working);
        result
    })
}

/// Hands on what the sandbox hears from a plugin, and records what matters for the evidence.
pub(crate) struct PluginObserver {
    pub observer: Arc<dyn Observe>,
    pub run: Arc<audit::Run>,
}

impl PluginObserver {
    fn say(&self, instance: &str, level: Level, message: &str) {
        let fields = &Attributes::new();
        self.observer.event(&Event::Log { level, instance, message, fields });
    }
}

impl Observer for PluginObserver {
    fn log(&self, instance: &str, level: Level, message: &str, fields: &Attributes) {
        self.observer.event(&Event::Log { level, instance, message, fields });
    }

    fn refused(&self, instance: &str, is_denied: bool, attempt: &str) {
        self.run.refused(instance, is_denied, attempt);
        let level = if is_denied { Level::Warn } else { Level::Debug };
        self.say(instance, level, &format!("refused to the plugin: {attempt}"));
    }

    fn refused_more(&self, instance: &str, count: u64) {
        self.run.refused_more(count);
        let message = format!("{count} more requests were refused to the plugin");
        self.say(instance, Level::Warn, &message);
    }

    fn secret_shown(&self, instance: &str, credential: &str) {
        self.run.secret_shown(instance, credential);
        // Some protocols need it for each connection: the audit log has each use, the operator sees it on demand.
        let message = format!("the plugin was shown a secret: credential {credential}");
        self.say(instance, Level::Info, &message);
    }

    fn progress(&self, part: &str, _bytes: u64, items: u64) {
        self.observer.event(&Event::Items { part, items });
    }
}
