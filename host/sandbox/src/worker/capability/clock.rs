//! `clock`: wall and monotonic time, when granted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_trust::Granted;

use crate::worker::bindings::lockgate::datastore::clock::Host;
use crate::worker::fault::{Fault, Reply};
use crate::worker::state::State;

impl Host for State {
    fn now(&mut self) -> Reply<u64> {
        allow(self, "the time")?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    fn monotonic(&mut self) -> Reply<u64> {
        allow(self, "the monotonic time")?;
        Ok(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn sleep(&mut self, milliseconds: u32) -> Reply<()> {
        allow(self, "to sleep")?;
        self.lane.socket().flush()?;
        self.pause(Duration::from_millis(milliseconds.into()))
    }
}

fn allow(state: &State, asked: &str) -> Reply<()> {
    state.go_on()?;
    if state.grants.clock {
        return state.note_use(Granted::Clock);
    }
    Err(Fault::denied(format!(
        "the clock: the plugin asked for {asked}; `clock = true` in the source's grants allows it"
    )))
}
