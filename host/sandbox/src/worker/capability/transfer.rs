//! `archive.transfer`: the host writes entries into files while the plugin goes on.
//!
//! The question is sent and its answer left for later. The host answers in order, so whoever asks next takes that answer first.

use wasmtime::component::Resource;

use crate::limits::DESCRIPTORS_MAX;
use crate::protocol::Answer;
use crate::worker::bindings::lockgate::datastore::archive::{Extraction, HostTransfer};
use crate::worker::fault::{Fault, Reply};
use crate::worker::state::{State, mismatch};

/// Entries that are being written into files.
#[derive(Debug)]
pub struct Transfer {
    call: u64,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    UnderWay,
    /// The plugin has not asked yet how it ended.
    Done(Reply<u64>),
    Finished,
}

impl State {
    /// Sends the question, and remembers who waits for the answer.
    pub(super) fn start_transfer(
        &mut self,
        extractions: Vec<Extraction>,
    ) -> Reply<Resource<Transfer>> {
        let count = extractions.len();
        if count > DESCRIPTORS_MAX {
            return Err(Fault::other(format!(
                "{count} entries are more than the {DESCRIPTORS_MAX} of one transfer"
            )));
        }
        self.settle()?;
        let call = self.call.number;
        let transfer = self.table.push(Transfer { call, progress: Progress::UnderWay })?;
        if let Err(fault) = self.ask_to_extract(extractions) {
            self.table.delete(transfer)?;
            return Err(fault);
        }
        self.under_way = Some(transfer.rep());
        self.call.open_transfers += 1;
        Ok(transfer)
    }

    /// Takes the answer that the host still owes.
    ///
    /// # Errors
    /// Only when the lane is lost: how the transfer went is told to whoever finishes it.
    pub fn settle(&mut self) -> Reply<()> {
        let Some(number) = self.under_way.take() else { return Ok(()) };
        let outcome = match self.answer().and_then(written) {
            Err(trap @ Fault::Trap(_)) => return Err(trap),
            outcome => outcome,
        };
        self.table.get_mut(&Resource::<Transfer>::new_own(number))?.progress =
            Progress::Done(outcome);
        Ok(())
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
        self.go_on()?;
        if self.table.get(&transfer)?.call != self.call.number {
            return Err(Fault::other("the transfer belongs to a call that has ended"));
        }
        if self.under_way == Some(transfer.rep()) {
            self.settle()?;
        }
        let transfer = self.table.get_mut(&transfer)?;
        let Progress::Done(outcome) = std::mem::replace(&mut transfer.progress, Progress::Finished)
        else {
            return Err(Fault::other("the transfer is finished"));
        };
        self.call.open_transfers = self.call.open_transfers.saturating_sub(1);
        outcome
    }

    fn drop(&mut self, transfer: Resource<Transfer>) -> wasmtime::Result<()> {
        if self.under_way == Some(transfer.rep()) {
            super::job::trap_only(self.settle())?;
        }
        self.table.delete(transfer)?;
        Ok(())
    }
}
