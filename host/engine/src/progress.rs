use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use lockgate_sandbox::{Level, Observer};
use lockgate_types::{Attributes, Finding};

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
    // Dropped when the work ends, also by a panic; then the ticker ends too.
    let (working, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                observer.event(&Event::Totals(progress.totals()));
            }
            observer.event(&Event::Totals(progress.totals()));
        });
        let result = work();
        drop(working);
        result
    })
}

/// Hands on what the sandbox hears from a plugin.
pub(crate) struct PluginObserver(pub Arc<dyn Observe>);

impl Observer for PluginObserver {
    fn log(&self, instance: &str, level: Level, message: &str, fields: &Attributes) {
        self.0.event(&Event::Log { level, instance, message, fields });
    }

    fn progress(&self, part: &str, _bytes: u64, items: u64) {
        self.0.event(&Event::Items { part, items });
    }
}
