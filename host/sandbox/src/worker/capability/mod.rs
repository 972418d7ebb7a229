//! What the contract's imports do: one file per capability. A capability that was not granted answers `denied` and says what
//! to add to the configuration.

pub mod archive;
mod clock;
pub mod credentials;
pub mod files;
mod job;
pub mod net;
mod random;

use super::bindings::lockgate::datastore::types;
use super::fault::Fault;
use super::state::State;

impl types::Host for State {
    fn convert_failure(&mut self, fault: Fault) -> wasmtime::Result<types::Failure> {
        fault.into()
    }
}

/// The names in quotes, for a message; what is granted is no secret to the plugin.
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let list: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if list.is_empty() { "nothing".to_owned() } else { list.join(", ") }
}
