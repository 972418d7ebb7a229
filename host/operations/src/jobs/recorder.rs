use std::sync::Arc;
use std::sync::Mutex;

use jiff::Timestamp;
use lockgate_api::{ComponentStatus, Event, Happening, JobId};
use lockgate_engine::{Event as EngineEvent, Level, Observe};
use lockgate_types::{Name, Severity};
use tokio::sync::mpsc;

use super::{Live, locked};
use crate::work::to_finding;
use crate::{Result, Store};

/// Notes and findings of one job that are kept: a plugin must not fill the store.
const NOTES_MAX: u32 = 1000;
/// Events that wait to be stored: more than a job can have beside its notes.
const WAITING_MAX: usize = 8192;
/// Events that are stored at once.
const BATCH_MAX: usize = 100;

/// Hears what happens in a job, numbers it, and has it stored in that order.
pub(crate) struct Recorder {
    live: Arc<Live>,
    state: Mutex<State>,
}

struct State {
    number: u64,
    notes: u32,
    /// None when the job has ended.
    sender: Option<mpsc::Sender<Event>>,
}

/// Stores what a recorder hears.
pub(super) struct Writer {
    job: JobId,
    store: Store,
    live: Arc<Live>,
    receiver: mpsc::Receiver<Event>,
}

impl Recorder {
    pub(super) fn new(job: JobId, store: Store, live: Arc<Live>, last: u64) -> (Arc<Self>, Writer) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let state = Mutex::new(State { number: last, notes: 0, sender: Some(sender) });
        let recorder = Self { live: Arc::clone(&live), state };
        (Arc::new(recorder), Writer { job, store, live, receiver })
    }

    /// Records what happened. Does not wait.
    pub(crate) fn happened(&self, happening: Happening) {
        let mut state = locked(&self.state);
        if matches!(happening, Happening::Note { .. } | Happening::Finding(_)) {
            state.notes += 1;
            if state.notes > NOTES_MAX {
                return;
            }
        }
        let number = state.number + 1;
        let event = Event { number, time: Timestamp::now(), happening };
        if state.sender.as_ref().is_some_and(|sender| sender.try_send(event).is_ok()) {
            state.number = number;
        }
    }

    /// Records a line.
    pub(crate) fn note(&self, message: impl Into<String>) {
        self.happened(Happening::Note { message: message.into() });
    }

    /// Records where a source stands.
    pub(crate) fn component(&self, source: &Name, status: ComponentStatus) {
        self.happened(Happening::Component { source: source.clone(), status });
    }

    /// Nothing more is recorded; the writer ends when it has stored all.
    pub(super) fn close(&self) {
        locked(&self.state).sender = None;
    }
}

impl Writer {
    /// Stores events until the recorder is closed.
    pub(super) async fn run(mut self) -> Result<()> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.receiver.recv_many(&mut batch, BATCH_MAX).await > 0 {
            self.store.append_events(self.job, &batch).await?;
            if let Some(event) = batch.last() {
                self.live.stored(event.number);
            }
            batch.clear();
        }
        Ok(())
    }
}

impl Observe for Recorder {
    fn event(&self, event: &EngineEvent<'_>) {
        match event {
            EngineEvent::Stage(stage) => {
                self.live.change_progress(|progress| (*stage).clone_into(&mut progress.stage));
                self.happened(Happening::Stage { stage: (*stage).to_owned() });
            }
            EngineEvent::Planned { parts, bytes } => self.live.change_progress(|progress| {
                progress.parts_planned = Some(progress.parts_planned.unwrap_or_default() + parts);
                let sum =
                    |bytes: u64| progress.bytes_planned.unwrap_or_default().saturating_add(bytes);
                progress.bytes_planned = bytes.map(sum);
            }),
            EngineEvent::Totals(totals) => self.live.change_progress(|progress| {
                progress.bytes = totals.bytes;
                progress.parts = totals.parts;
                progress.entries = totals.entries;
            }),
            EngineEvent::Finding(finding) if finding.severity != Severity::Ok => {
                self.happened(Happening::Finding(to_finding(None, finding)));
            }
            EngineEvent::Log {
                level: level @ (Level::Warn | Level::Error),
                instance,
                message,
                ..
            } => {
                let grave = if matches!(level, Level::Error) { "error" } else { "warning" };
                self.note(format!("{grave} of {instance}: {message}"));
            }
            _ => {}
        }
    }
}
