//! `archive`: entries go to the host during `backup.export` and come from it during `restore.import`.

use std::os::fd::AsFd;

use lockgate_types as host;
use lockgate_types::Kind;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList};

use super::files::OpenFile;
use super::under_way::{self, Lookup, Transfer};
use crate::limits::{
    DATA_BYTES_MAX, DESCRIPTORS_MAX, INLINE_BYTES_MAX, LOOKUPS_MAX, OPEN_ENTRIES_MAX,
    PAGE_ENTRIES_MAX, READ_BYTES_MAX,
};
use crate::protocol::{Answer, FromWorker, Question};
use crate::worker::bindings::lockgate::datastore::archive::{
    Entry, Extraction, Host, HostReader, HostWriter,
};
use crate::worker::bindings::lockgate::datastore::types::Failure;
use crate::worker::convert;
use crate::worker::fault::{Fault, Reply, trap_only};
use crate::worker::state::{Activity, State, mismatch};

/// The instance that the contract's version 0.1 imports.
const INTERFACE: &str = "lockgate:datastore/archive@0.1.0";

/// An entry that is being written.
#[derive(Debug)]
pub struct Writer {
    number: u32,
    call: u64,
    has_content: bool,
    is_finished: bool,
}

/// An entry that is being read.
#[derive(Debug)]
pub struct Reader {
    number: u32,
    call: u64,
    entry: host::Entry,
}

/// Replaces the generated `writer.write`, which would copy each list, by one that sends the guest's memory from where it is.
///
/// # Errors
/// When the linker does not have the interface yet.
pub fn write_without_copy(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap(
        "[method]writer.write",
        |mut store: StoreContextMut<'_, State>,
         (writer, data): (Resource<Writer>, WasmList<u8>)|
         -> wasmtime::Result<(Result<(), Failure>,)> {
            let reply = begin_write(store.data_mut(), &writer).and_then(|number| {
                let lane = store.data().lane.clone();
                send_data(&lane, number, data.as_le_slice(&store))
            });
            match reply {
                Ok(()) => Ok((Ok(()),)),
                Err(fault) => Ok((Err(store.data_mut().refuse(fault)?),)),
            }
        },
    )
}

fn begin_write(state: &mut State, writer: &Resource<Writer>) -> Reply<u32> {
    state.host_calls += 1;
    state.open_writer(writer)
}

fn send_data(lane: &crate::worker::state::Lane, writer: u32, data: &[u8]) -> Reply<()> {
    let mut socket = lane.socket();
    for piece in data.chunks(DATA_BYTES_MAX as usize) {
        let length = u32::try_from(piece.len()).unwrap_or(DATA_BYTES_MAX);
        socket.send_data(&FromWorker::Data { writer, length }, piece)?;
    }
    Ok(())
}

impl Host for State {
    fn create(&mut self, entry: Entry) -> Reply<Resource<Writer>> {
        self.expect(Activity::Export, "archive.create")?;
        let entry = convert::entry(entry)?;
        if entry.path.is_root() {
            return Err(Fault::other("an entry needs a path"));
        }
        self.may_open_entry()?;
        let number = self
            .last_writer
            .checked_add(1)
            .ok_or_else(|| Fault::other("one instance can write no more entries"))?;
        let has_content = entry.metadata.as_ref().is_none_or(|it| it.kind == Kind::Regular);
        self.tell(&FromWorker::Create { writer: number, entry }, &[])?;
        self.last_writer = number;
        self.call.open_entries += 1;
        self.call.unconfirmed = true;
        let call = self.call.number;
        Ok(self.table.push(Writer { number, call, has_content, is_finished: false })?)
    }

    fn reuse(&mut self, entries: Vec<Entry>) -> Reply<Vec<bool>> {
        self.expect(Activity::Export, "archive.reuse")?;
        self.settle()?;
        let count = self.ask_to_reuse(entries)?;
        let answer = self.answer()?;
        self.found(answer, count)
    }

    fn start_reuse(&mut self, entries: Vec<Entry>) -> Reply<Resource<Lookup>> {
        self.expect(Activity::Export, "archive.start-reuse")?;
        self.settle_but(LOOKUPS_MAX - 1)?;
        let count = self.ask_to_reuse(entries)?;
        self.hand_out(|ticket| Lookup { ticket, count })
    }

    fn open(&mut self, path: Vec<u8>) -> Reply<Resource<Reader>> {
        self.expect(Activity::Import, "archive.open")?;
        let path = convert::path(path)?;
        self.may_open_entry()?;
        match self.ask(Question::OpenEntry { path })? {
            Answer::Opened { reader, entry } => {
                self.call.open_entries += 1;
                let call = self.call.number;
                Ok(self.table.push(Reader { number: reader, call, entry: *entry })?)
            }
            _ => Err(mismatch()),
        }
    }

    fn extract(&mut self, extractions: Vec<Extraction>) -> Reply<u64> {
        self.expect(Activity::Import, "archive.extract")?;
        let mut bytes = 0_u64;
        let mut extractions = extractions.into_iter();
        loop {
            self.go_on()?;
            let batch: Vec<Extraction> = extractions.by_ref().take(DESCRIPTORS_MAX).collect();
            if batch.is_empty() {
                return Ok(bytes);
            }
            self.ask_to_extract(batch)?;
            bytes = bytes.saturating_add(under_way::written(self.answer()?)?);
        }
    }

    fn start_extract(&mut self, extractions: Vec<Extraction>) -> Reply<Resource<Transfer>> {
        self.expect(Activity::Import, "archive.start-extract")?;
        check_count(extractions.len(), DESCRIPTORS_MAX, "transfer")?;
        self.ask_to_extract(extractions)?;
        self.hand_out(Transfer)
    }

    fn entries(
        &mut self,
        prefix: Vec<u8>,
        after: Option<Vec<u8>>,
        limit: u32,
    ) -> Reply<Vec<Entry>> {
        self.expect(Activity::Import, "archive.entries")?;
        let prefix = convert::path(prefix)?;
        let after = after.map(convert::path).transpose()?;
        let limit = limit.min(PAGE_ENTRIES_MAX);
        match self.ask(Question::Entries { prefix, after, limit })? {
            Answer::Entries(entries) => Ok(entries.into_iter().map(Into::into).collect()),
            _ => Err(mismatch()),
        }
    }
}

impl HostWriter for State {
    // The linker has `write_without_copy` in this place; this one serves when it has not.
    fn write(&mut self, writer: Resource<Writer>, data: Vec<u8>) -> Reply<()> {
        let number = self.open_writer(&writer)?;
        send_data(&self.lane, number, &data)
    }

    fn write_file(
        &mut self,
        writer: Resource<Writer>,
        source: Resource<OpenFile>,
        offset: u64,
        length: Option<u64>,
    ) -> Reply<()> {
        let number = self.open_writer(&writer)?;
        inside_a_file(offset)?;
        length.map_or(Ok(()), inside_a_file)?;
        let Some((offset, length)) = self.send_start(number, &source, offset, length)? else {
            return Ok(());
        };
        let file = self.table.get(&source)?;
        let message = FromWorker::FileRange { writer: number, offset, length };
        Ok(self.lane.socket().send(&message, &[file.as_fd()])?)
    }

    fn finish(&mut self, writer: Resource<Writer>) -> Reply<()> {
        let number = self.any_open_writer(&writer)?;
        self.tell(&FromWorker::Finish { writer: number }, &[])?;
        self.table.get_mut(&writer)?.is_finished = true;
        self.call.open_entries = self.call.open_entries.saturating_sub(1);
        Ok(())
    }

    fn drop(&mut self, writer: Resource<Writer>) -> wasmtime::Result<()> {
        let writer = self.table.delete(writer)?;
        if writer.is_finished || writer.call != self.call.number {
            return Ok(());
        }
        self.call.open_entries = self.call.open_entries.saturating_sub(1);
        trap_only(self.tell(&FromWorker::Abandon { writer: writer.number }, &[]))
    }
}

impl HostReader for State {
    fn entry(&mut self, reader: Resource<Reader>) -> wasmtime::Result<Entry> {
        Ok(self.table.get(&reader)?.entry.clone().into())
    }

    fn read(&mut self, reader: Resource<Reader>, max: u32) -> Reply<Vec<u8>> {
        let reader = self.open_reader(&reader)?;
        let max = max.min(READ_BYTES_MAX);
        match self.ask(Question::ReadEntry { reader, max })? {
            Answer::Bytes(bytes) if bytes.len() <= max as usize => Ok(bytes),
            _ => Err(mismatch()),
        }
    }

    fn seek(&mut self, reader: Resource<Reader>, offset: u64) -> Reply<()> {
        let reader = self.open_reader(&reader)?;
        match self.ask(Question::SeekEntry { reader, offset })? {
            Answer::Done => Ok(()),
            _ => Err(mismatch()),
        }
    }

    fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        let reader = self.table.delete(reader)?;
        if reader.call != self.call.number {
            return Ok(());
        }
        self.call.open_entries = self.call.open_entries.saturating_sub(1);
        trap_only(self.tell(&FromWorker::CloseReader { reader: reader.number }, &[]))
    }
}

impl State {
    fn expect(&self, activity: Activity, function: &str) -> Reply<()> {
        self.go_on()?;
        if self.activity == activity {
            return Ok(());
        }
        let call = match activity {
            Activity::Export => "backup.export",
            _ => "restore.import",
        };
        Err(Fault::denied(format!("{function}: works only during {call}")))
    }

    fn may_open_entry(&self) -> Reply<()> {
        if self.call.open_entries < OPEN_ENTRIES_MAX {
            return Ok(());
        }
        Err(Fault::other(format!(
            "{OPEN_ENTRIES_MAX} entries are open, which is the most that may be; finish some first"
        )))
    }

    /// The number of a writer that takes content now.
    fn open_writer(&self, writer: &Resource<Writer>) -> Reply<u32> {
        let number = self.any_open_writer(writer)?;
        if self.table.get(writer)?.has_content {
            return Ok(number);
        }
        Err(Fault::other("only entries that are regular files have content"))
    }

    fn any_open_writer(&self, writer: &Resource<Writer>) -> Reply<u32> {
        self.go_on()?;
        let writer = self.table.get(writer)?;
        if writer.is_finished {
            return Err(Fault::other("the entry is finished"));
        }
        if writer.call != self.call.number {
            return Err(Fault::other("the entry belongs to a call that has ended"));
        }
        Ok(writer.number)
    }

    fn open_reader(&self, reader: &Resource<Reader>) -> Reply<u32> {
        self.go_on()?;
        let reader = self.table.get(reader)?;
        if reader.call != self.call.number {
            return Err(Fault::other("the entry belongs to a call that has ended"));
        }
        Ok(reader.number)
    }

    /// Sends the first bytes of a range of a file by value, which for a small file is cheaper than a descriptor. Returns the
    /// range that is left, if any.
    fn send_start(
        &mut self,
        writer: u32,
        source: &Resource<OpenFile>,
        offset: u64,
        length: Option<u64>,
    ) -> Reply<Option<(u64, Option<u64>)>> {
        let file = self.table.get(source)?;
        let expected = file.size().saturating_sub(offset);
        if length.map_or(expected, |length| length.min(expected)) > INLINE_BYTES_MAX as u64 {
            return Ok(Some((offset, length)));
        }
        // One byte more than there was shows whether the file has grown. Files of the kernel's own (`/proc`), and those that the
        // plugin created itself, say that they are empty and need not be, so those are read until their end.
        let (most, end) = match expected {
            0 => (INLINE_BYTES_MAX as u64, usize::MAX),
            expected => (expected + 1, expected as usize),
        };
        let wanted = length.map_or(most, |length| length.min(most));
        self.scratch.resize(INLINE_BYTES_MAX + 1, 0);
        let room = self.scratch.get_mut(..wanted as usize).unwrap_or_default();
        let count = file.read_until(room, offset, end)?;
        let start = self.scratch.get(..count).unwrap_or_default();
        if count > 0 {
            send_data(&self.lane, writer, start)?;
        }
        let left = length.map(|length| length - count as u64);
        let has_ended = count as u64 != wanted || left == Some(0);
        Ok((!has_ended).then_some((offset + count as u64, left)))
    }

    /// Sends the question which of the entries the parent snapshot has, and returns how many these are.
    fn ask_to_reuse(&mut self, entries: Vec<Entry>) -> Reply<usize> {
        let count = entries.len();
        check_count(count, PAGE_ENTRIES_MAX as usize, "call")?;
        let mut entries = entries.into_iter().map(convert::entry).collect::<Reply<Vec<_>>>()?;
        if self.call.has_no_parent {
            // The question is still asked, because plugins wait by it, but the entries need not travel.
            entries.clear();
        }
        self.call.unconfirmed = true;
        self.tell_now(&FromWorker::Question(Question::Reuse { entries }), &[])?;
        Ok(count)
    }

    /// Sends the question that writes entries into files.
    fn ask_to_extract(&mut self, batch: Vec<Extraction>) -> Reply<()> {
        self.settle()?;
        let mut extractions = Vec::with_capacity(batch.len());
        let mut targets = Vec::with_capacity(batch.len());
        for extraction in batch {
            inside_a_file(extraction.offset)?;
            targets.push(self.table.get(&extraction.target)?.for_writing()?.as_fd());
            extractions.push((convert::path(extraction.path)?, extraction.offset));
        }
        self.tell_now(&FromWorker::Question(Question::Extract { extractions }), &targets)
    }
}

/// The system counts in signed numbers (`off_t`): what is beyond them can be in no file.
fn inside_a_file(offset: u64) -> Reply<()> {
    if i64::try_from(offset).is_ok() {
        return Ok(());
    }
    Err(Fault::other(format!("byte {offset} lies outside every file")))
}

/// Fails when `count` entries are too many for one `what`.
fn check_count(count: usize, most: usize, what: &str) -> Reply<()> {
    if count <= most {
        return Ok(());
    }
    Err(Fault::other(format!("{count} entries are more than the {most} of one {what}")))
}
