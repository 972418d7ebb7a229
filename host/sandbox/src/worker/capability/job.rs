//! `job`: always there.

use std::time::{Duration, Instant};

use crate::limits::LOG_BYTES_MAX;
use crate::protocol::{FromWorker, Level};
use crate::worker::bindings::lockgate::datastore::job::{self, Host};
use crate::worker::bindings::lockgate::datastore::types::Attribute;
use crate::worker::convert;
use crate::worker::fault::trap_only;
use crate::worker::state::State;

/// With this field a message of level `error` is a panic: it is kept for the trap that follows.
const PANIC_FIELD: &str = "panic";
/// Progress reaches the host at least this often when the plugin reports it more often.
const PROGRESS_FLUSH: Duration = Duration::from_millis(200);

impl Host for State {
    fn log(
        &mut self,
        level: job::Level,
        message: String,
        fields: Vec<Attribute>,
    ) -> wasmtime::Result<()> {
        let length =
            fields.iter().fold(message.len(), |sum, pair| sum + pair.key.len() + pair.value.len());
        if self.call.log_bytes.saturating_add(length) > LOG_BYTES_MAX {
            self.call.log_lines_dropped += 1;
            return Ok(());
        }
        self.call.log_bytes += length;
        let fields = convert::attributes(fields);
        let level = Level::from(level);
        if level == Level::Error && fields.get(PANIC_FIELD).is_some_and(|value| value == "true") {
            self.call.panic = Some(message);
            return Ok(());
        }
        trap_only(self.tell_now(&FromWorker::Log { level, message, fields }, &[]))
    }

    fn progress(&mut self, part: String, bytes: u64, items: u64) -> wasmtime::Result<()> {
        let message = FromWorker::Progress { part, bytes, items };
        // Plugins may report each row; people look a few times a second.
        let is_due = self.call.progress_flushed.is_none_or(|last| last.elapsed() >= PROGRESS_FLUSH);
        if !is_due {
            return trap_only(self.tell(&message, &[]));
        }
        self.call.progress_flushed = Some(Instant::now());
        trap_only(self.tell_now(&message, &[]))
    }

    fn is_cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(State::is_cancelled(self))
    }

    fn config(&mut self) -> wasmtime::Result<String> {
        Ok(self.grants.config.clone())
    }
}
