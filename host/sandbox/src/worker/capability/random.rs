//! `random`: bytes from the operating system, when granted.

use lockgate_trust::Granted;
use ring::rand::{SecureRandom, SystemRandom};

use crate::limits::RANDOM_BYTES_MAX;
use crate::worker::bindings::lockgate::datastore::random::Host;
use crate::worker::fault::{Fault, Reply};
use crate::worker::state::State;

impl Host for State {
    fn bytes(&mut self, count: u32) -> Reply<Vec<u8>> {
        self.go_on()?;
        if !self.grants.random {
            return Err(Fault::denied(format!(
                "random bytes: the plugin asked for {count}; `random = true` in the source's grants allows it"
            )));
        }
        self.note_use(Granted::Random)?;
        if count > RANDOM_BYTES_MAX {
            return Err(Fault::other(format!(
                "{count} random bytes are more than the {RANDOM_BYTES_MAX} that one call gives"
            )));
        }
        let mut bytes = vec![0; count as usize];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Fault::other("the operating system gave no random bytes"))?;
        Ok(bytes)
    }
}
