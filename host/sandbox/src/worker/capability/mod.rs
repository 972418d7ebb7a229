//! What the contract's imports do: one file per capability. A capability that was not granted answers `denied` and says what
//! to add to the configuration.

pub mod archive;
mod clock;
pub mod credentials;
pub mod file_locks;
pub mod files;
pub mod http;
pub mod job;
pub mod listing;
pub mod net;
mod random;
pub mod under_way;

use lockgate_types::Failure;

use crate::limits::{LOG_TEXT_BYTES_MAX, REFUSALS_LOGGED_MAX};
use crate::protocol::FromWorker;

use super::bindings::lockgate::datastore::types;
use super::fault::{Fault, trap_only};
use super::state::State;

impl types::Host for State {
    fn convert_failure(&mut self, fault: Fault) -> wasmtime::Result<types::Failure> {
        self.refuse(fault)
    }
}

impl State {
    /// What the plugin is told. The operator's log is told too: a plugin that asks for what it may not have need not mention it.
    pub fn refuse(&mut self, fault: Fault) -> wasmtime::Result<types::Failure> {
        if let Fault::Failure(failure) = &fault
            && *failure != Failure::Cancelled
        {
            self.call.refusals += 1;
            if self.call.refusals <= REFUSALS_LOGGED_MAX {
                let is_denied = matches!(failure, Failure::Denied(_));
                let text = cut(&failure.to_string(), LOG_TEXT_BYTES_MAX).to_owned();
                trap_only(self.tell_now(&FromWorker::Refused { is_denied, text }, &[]))?;
            }
        }
        fault.into()
    }
}

/// Bytes of a name that a plugin made up, in a message.
const ASKED_BYTES_MAX: usize = 256;

/// What the plugin asked for, in quotes: it may be as long as the plugin likes, the message may not.
fn asked(name: &str) -> String {
    let ellipsis = if name.len() > ASKED_BYTES_MAX { "…" } else { "" };
    format!("{:?}{ellipsis}", cut(name, ASKED_BYTES_MAX))
}

fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// The names in quotes, for a message; what is granted is no secret to the plugin.
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let list: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if list.is_empty() { "nothing".to_owned() } else { list.join(", ") }
}
