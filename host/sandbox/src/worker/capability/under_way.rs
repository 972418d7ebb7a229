//! `archive.transfer` and `archive.lookup`: the host works while the plugin goes on.

use wasmtime::component::Resource;

use crate::protocol::Answer;
use crate::worker::bindings::lockgate::datastore::archive::{HostLookup, HostTransfer};
use crate::worker::fault::{Reply, trap_only};
use crate::worker::owed::Ticket;
use crate::worker::state::{State, mismatch};

/// Entries that are being written into files.
#[derive(Debug)]
pub struct Transfer(pub(super) Ticket);

/// Entries that are being looked up in the parent snapshot.
#[derive(Debug)]
pub struct Lookup {
    pub(super) ticket: Ticket,
    pub(super) count: usize,
}

impl State {
    /// Gives the plugin what it fetches the answer to the last question with. One that holds as many handles as it may gets none, and
    /// no answer is kept for it.
    pub(super) fn hand_out<T: Send + 'static>(
        &mut self,
        of: impl FnOnce(Ticket) -> T,
    ) -> Reply<Resource<T>> {
        let ticket = self.owe();
        match self.table.push(of(ticket)) {
            Ok(handle) => Ok(handle),
            Err(error) => {
                self.forgo(ticket)?;
                Err(error.into())
            }
        }
    }

    /// Which of `count` entries were found.
    pub(super) fn found(&mut self, answer: Answer, count: usize) -> Reply<Vec<bool>> {
        match answer {
            Answer::Reused(reused) if reused.len() == count => Ok(reused),
            Answer::NothingToReuse => {
                self.call.has_no_parent = true;
                Ok(vec![false; count])
            }
            _ => Err(mismatch()),
        }
    }
}

/// The bytes that an answer says were written.
pub(super) fn written(answer: Answer) -> Reply<u64> {
    match answer {
        Answer::Count(bytes) => Ok(bytes),
        _ => Err(mismatch()),
    }
}

impl HostTransfer for State {
    fn finish(&mut self, transfer: Resource<Transfer>) -> Reply<u64> {
        let Transfer(ticket) = *self.table.get(&transfer)?;
        written(self.fetch(ticket, "transfer")?)
    }

    fn drop(&mut self, transfer: Resource<Transfer>) -> wasmtime::Result<()> {
        let Transfer(ticket) = self.table.delete(transfer)?;
        trap_only(self.forgo(ticket))
    }
}

impl HostLookup for State {
    fn finish(&mut self, lookup: Resource<Lookup>) -> Reply<Vec<bool>> {
        let Lookup { ticket, count } = *self.table.get(&lookup)?;
        let answer = self.fetch(ticket, "lookup")?;
        self.found(answer, count)
    }

    fn drop(&mut self, lookup: Resource<Lookup>) -> wasmtime::Result<()> {
        let Lookup { ticket, .. } = self.table.delete(lookup)?;
        trap_only(self.forgo(ticket))
    }
}
