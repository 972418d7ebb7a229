//! The entries of one part while its call runs: what the worker says of them becomes calls of the engine's sink or source.
//!
//! Messages about writers need no answer, so the first failure sticks: what comes after it is passed over, and the next
//! question is answered with the failure.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use lockgate_types::{Entry, EntryPath, Failure, Kind};

use super::descriptor::{Use, regular_file};
use crate::flow::{EntryReader, EntrySink, EntrySource, EntryWriter, Extraction};
use crate::limits::{DESCRIPTORS_MAX, OPEN_ENTRIES_MAX, PAGE_ENTRIES_MAX, READ_BYTES_MAX};
use crate::protocol::Answer;

/// What is passed over after a failure until the plugin asks, in bytes. Then its instance is ended.
const IGNORED_BYTES_MAX: u64 = 64 << 20;
/// What a message counts for besides its data.
const FRAME_BYTES: u64 = 64 << 10;

/// A worker that breaks the protocol: what it did.
pub type Violation = &'static str;

/// Where the entries of a call go or come from.
pub enum Flow<'a> {
    /// The call has no entries.
    None,
    /// The plugin writes them.
    Export(&'a mut dyn EntrySink),
    /// The plugin reads them.
    Import(&'a mut dyn EntrySource),
}

/// The entries of one call.
pub struct Entries<'a> {
    flow: Flow<'a>,
    /// The largest number of a writer on this lane so far.
    last_writer: u32,
    writers: HashMap<u32, Writing>,
    readers: HashMap<u32, Box<dyn EntryReader>>,
    last_reader: u32,
    failure: Option<Failure>,
    /// Bytes that were passed over since the failure.
    ignored: u64,
}

struct Writing {
    path: EntryPath,
    has_content: bool,
    /// None once something has failed.
    writer: Option<Box<dyn EntryWriter>>,
}

impl<'a> Entries<'a> {
    /// For one call. Numbers of writers go on from `last_writer`.
    pub fn new(flow: Flow<'a>, last_writer: u32) -> Self {
        Self {
            flow,
            last_writer,
            writers: HashMap::new(),
            readers: HashMap::new(),
            last_reader: 0,
            failure: None,
            ignored: 0,
        }
    }

    /// Whether so much came since a failure that the plugin does not look for it any more.
    pub fn is_ignored(&mut self) -> bool {
        if self.failure.is_some() {
            self.ignored += FRAME_BYTES;
        }
        self.ignored > IGNORED_BYTES_MAX
    }

    /// Starts an entry.
    pub fn create(&mut self, number: u32, entry: Entry) -> Result<(), Violation> {
        if number <= self.last_writer {
            return Err("the number of a writer was used before");
        }
        self.last_writer = number;
        if self.writers.len() >= OPEN_ENTRIES_MAX {
            return Err("more entries are open than allowed");
        }
        let path = entry.path.clone();
        let has_content =
            entry.metadata.as_ref().is_none_or(|metadata| metadata.kind == Kind::Regular);
        let writer = self.unless_failed(|entries| entries.start(entry));
        self.writers.insert(number, Writing { path, has_content, writer });
        Ok(())
    }

    fn start(&mut self, entry: Entry) -> Result<Box<dyn EntryWriter>, Failure> {
        let Flow::Export(sink) = &mut self.flow else {
            return Err(Failure::Denied("entries are written during `export` only".to_owned()));
        };
        if entry.path.is_root() {
            return Err(Failure::Other("an entry has an empty path".to_owned()));
        }
        if self.writers.values().any(|writing| writing.path == entry.path) {
            return Err(Failure::Conflict(format!(
                "entry {} is being written already",
                entry.path
            )));
        }
        sink.create(entry)
    }

    /// Takes `length` bytes from `source`. Errors of `source` itself are not failures of the entry: the caller notices them.
    pub fn data(
        &mut self,
        number: u32,
        length: u32,
        source: &mut dyn Read,
    ) -> Result<(), Violation> {
        let writing = self.writers.get_mut(&number).ok_or("data for an unknown writer came")?;
        let Some(writer) = writing.writer.as_mut() else {
            self.ignored += u64::from(length);
            return Ok(());
        };
        let mut source = Counted { source, taken: 0, is_broken: false };
        let result = if writing.has_content {
            writer.write(&mut source, u64::from(length))
        } else {
            Err(no_content(&writing.path))
        };
        if source.is_broken {
            return Ok(());
        }
        let result = match result {
            Ok(()) if source.taken != u64::from(length) => {
                Err(Failure::Other(format!("entry {}: not all bytes were taken", writing.path)))
            }
            result => result,
        };
        self.note(number, result);
        Ok(())
    }

    /// Takes a range of a file.
    pub fn file_range(
        &mut self,
        number: u32,
        descriptor: OwnedFd,
        offset: u64,
        length: Option<u64>,
    ) -> Result<(), Violation> {
        let file = regular_file(descriptor, Use::Read)?;
        if offset > i64::MAX as u64 || length.is_some_and(|length| length > i64::MAX as u64) {
            return Err("a range lies outside every file");
        }
        let writing = self.writers.get_mut(&number).ok_or("a range for an unknown writer came")?;
        let Some(writer) = writing.writer.as_mut() else { return Ok(()) };
        let result = if writing.has_content {
            writer.write_file(&file, offset, length).map(drop)
        } else {
            Err(no_content(&writing.path))
        };
        self.note(number, result);
        Ok(())
    }

    /// Completes an entry.
    pub fn finish(&mut self, number: u32) -> Result<(), Violation> {
        let writing = self.writers.remove(&number).ok_or("an unknown writer was finished")?;
        if let Some(writer) = writing.writer {
            self.unless_failed(|_| writer.finish());
        }
        Ok(())
    }

    /// Forgets an entry that was not finished.
    pub fn abandon(&mut self, number: u32) -> Result<(), Violation> {
        self.writers.remove(&number).map(drop).ok_or("an unknown writer was dropped")
    }

    /// Ends reading an entry.
    pub fn close_reader(&mut self, number: u32) -> Result<(), Violation> {
        self.readers.remove(&number).map(drop).ok_or("an unknown reader was dropped")
    }

    /// Whether all that was sent so far has been taken.
    pub fn barrier(&self) -> Result<Answer, Failure> {
        self.failure.clone().map_or(Ok(Answer::Done), Err)
    }

    /// Asks which entries the parent snapshot holds.
    pub fn reuse(&mut self, asked: Vec<Entry>) -> Result<Answer, Failure> {
        self.barrier()?;
        let Flow::Export(sink) = &mut self.flow else {
            return Err(Failure::Denied("entries are reused during `export` only".to_owned()));
        };
        if !sink.has_parent() {
            return Ok(Answer::NothingToReuse);
        }
        let count = asked.len();
        let reused = sink.reuse(asked)?;
        if reused.len() != count {
            return Err(Failure::Other("not every entry was looked up".to_owned()));
        }
        Ok(Answer::Reused(reused))
    }

    /// Lists entries.
    pub fn list(
        &mut self,
        prefix: &EntryPath,
        after: Option<&EntryPath>,
        limit: u32,
    ) -> Result<Answer, Failure> {
        let limit = limit.min(PAGE_ENTRIES_MAX) as usize;
        let mut listed = self.source()?.entries(prefix, after, limit)?;
        listed.truncate(limit);
        Ok(Answer::Entries(listed))
    }

    /// Opens an entry.
    pub fn open(&mut self, path: &EntryPath) -> Result<Answer, Failure> {
        if self.readers.len() >= OPEN_ENTRIES_MAX {
            return Err(Failure::Other(format!("more than {OPEN_ENTRIES_MAX} entries are open")));
        }
        let reader = self.source()?.open(path)?;
        let entry = reader.entry().clone();
        self.last_reader += 1;
        self.readers.insert(self.last_reader, reader);
        Ok(Answer::Opened { reader: self.last_reader, entry: Box::new(entry) })
    }

    /// Reads on in an entry.
    pub fn read(&mut self, number: u32, max: u32) -> Result<Answer, Failure> {
        let max = max.min(READ_BYTES_MAX) as usize;
        let bytes = self.reader(number)?.read(max)?;
        Ok(Answer::Bytes(bytes.get(..max).unwrap_or(&bytes).to_vec()))
    }

    /// Goes to another place in an entry.
    pub fn seek(&mut self, number: u32, offset: u64) -> Result<Answer, Failure> {
        self.reader(number)?.seek(offset).map(|()| Answer::Done)
    }

    /// Writes entries into files.
    pub fn extract(
        &mut self,
        asked: Vec<(EntryPath, u64)>,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Result<Answer, Failure>, Violation> {
        if asked.len() > DESCRIPTORS_MAX || asked.len() != descriptors.len() {
            return Err("entries to extract and descriptors differ in number");
        }
        let mut extractions = Vec::with_capacity(asked.len());
        for ((path, offset), descriptor) in asked.into_iter().zip(descriptors) {
            if offset > i64::MAX as u64 {
                return Err("an offset lies outside every file");
            }
            let target = regular_file(descriptor, Use::Write)?;
            extractions.push(Extraction { path, target, offset });
        }
        Ok(self.source().and_then(|source| source.extract(extractions)).map(Answer::Count))
    }

    /// Ends the call: what failed, or what was begun and not ended.
    pub fn end(self) -> Result<(), Failure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        match self.writers.values().map(|writing| &writing.path).min() {
            Some(path) => Err(Failure::Other(format!("entry {path} was begun and never finished"))),
            None => Ok(()),
        }
    }

    /// The largest number of a writer so far.
    pub fn last_writer(&self) -> u32 {
        self.last_writer
    }

    fn source(&mut self) -> Result<&mut dyn EntrySource, Failure> {
        match &mut self.flow {
            Flow::Import(source) => Ok(&mut **source),
            _ => Err(Failure::Denied("entries are read during `import` only".to_owned())),
        }
    }

    fn reader(&mut self, number: u32) -> Result<&mut Box<dyn EntryReader>, Failure> {
        let unknown = || Failure::Other("the reader does not exist".to_owned());
        self.readers.get_mut(&number).ok_or_else(unknown)
    }

    fn note(&mut self, number: u32, result: Result<(), Failure>) {
        let Err(failure) = result else { return };
        self.failure.get_or_insert(failure);
        if let Some(writing) = self.writers.get_mut(&number) {
            writing.writer = None;
        }
    }

    fn unless_failed<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Option<T> {
        if self.failure.is_some() {
            return None;
        }
        match act(self) {
            Ok(value) => Some(value),
            Err(failure) => {
                self.failure = Some(failure);
                None
            }
        }
    }
}

fn no_content(path: &EntryPath) -> Failure {
    Failure::Other(format!("entry {path} is not a regular file and has no content"))
}

/// Tells how much was taken and whether the source itself broke.
struct Counted<'a> {
    source: &'a mut dyn Read,
    taken: u64,
    is_broken: bool,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.source.read(buffer);
        match &result {
            Ok(length) => self.taken += *length as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.is_broken = true,
        }
        result
    }
}
