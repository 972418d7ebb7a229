use lockgate_api::{Event, Happening, JobId, Progress};
use lockgate_engine::Cancel;
use tokio::sync::watch;

use crate::{Result, Store};

/// Events that are read from the store at once.
const PAGE: u32 = 200;

/// A job that waits or runs.
pub struct Live {
    /// How it is stopped.
    pub(super) cancel: Cancel,
    progress: watch::Sender<Progress>,
    /// Number of the last event that is in the store.
    last: watch::Sender<u64>,
    /// Becomes true when no event will follow.
    ended: watch::Sender<bool>,
}

impl Live {
    pub(super) fn new(last: u64) -> Self {
        Self {
            cancel: Cancel::default(),
            progress: watch::Sender::default(),
            last: watch::Sender::new(last),
            ended: watch::Sender::new(false),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    pub(super) fn change_progress(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    pub(super) fn stored(&self, number: u64) {
        self.last.send_replace(number);
    }

    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }
}

/// Reads the events of a job in order, none left out, however slow the reader is: they come from the store.
pub struct Listener {
    store: Store,
    job: JobId,
    after: u64,
    page: std::collections::VecDeque<Event>,
    live: Option<Watched>,
}

struct Watched {
    progress: watch::Receiver<Progress>,
    last: watch::Receiver<u64>,
    ended: watch::Receiver<bool>,
}

impl Listener {
    pub(super) fn new(store: Store, job: JobId, after: u64, live: Option<&Live>) -> Self {
        let live = live.map(|live| Watched {
            progress: live.progress.subscribe(),
            last: live.last.subscribe(),
            ended: live.ended.subscribe(),
        });
        Self { store, job, after, page: std::collections::VecDeque::new(), live }
    }

    /// The next event; none when the job has ended and all were read. `progress` comes in between when nothing else does.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.page.pop_front() {
                self.after = event.number;
                return Ok(Some(event));
            }
            // Looks at the end before it reads, so that what came before the end is read.
            let is_ended = self.live.as_ref().is_none_or(|live| *live.ended.borrow());
            let after = self.after;
            let is_behind = |live: &mut Watched| *live.last.borrow_and_update() > after;
            // While only the progress changes, the store is left alone.
            if is_ended || self.live.as_mut().is_some_and(is_behind) {
                self.page.extend(self.store.events(self.job, self.after, PAGE).await?);
            }
            if !self.page.is_empty() {
                continue;
            }
            let Some(live) = self.live.as_mut().filter(|_| !is_ended) else { return Ok(None) };
            if let Some(progress) = live.change().await {
                let time = jiff::Timestamp::now();
                return Ok(Some(Event {
                    number: 0,
                    time,
                    happening: Happening::Progress(progress),
                }));
            }
        }
    }
}

impl Watched {
    /// Waits for anything new; the progress when it is that.
    async fn change(&mut self) -> Option<Progress> {
        tokio::select! {
            biased;
            _ = self.last.changed() => None,
            _ = self.ended.changed() => None,
            changed = self.progress.changed() => {
                changed.ok()?;
                Some(self.progress.borrow_and_update().clone())
            }
        }
    }
}
