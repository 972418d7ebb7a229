//! Where a plugin's entries go and come from: implemented by the engine over a repository, so that this crate need not
//! know one. All calls are made on the thread that serves the part's lane and may block.

use std::fs::File;
use std::io::Read;

use bytes::Bytes;
use lockgate_types::{Entry, EntryPath, Failure};

/// Takes the entries of one part that is exported.
pub trait EntrySink: Send {
    /// Starts an entry. An entry whose metadata says that it is no regular file gets no bytes.
    ///
    /// # Errors
    /// What the plugin is told.
    fn create(&mut self, entry: Entry) -> Result<Box<dyn EntryWriter>, Failure>;

    /// Whether there is a parent snapshot at all, so that asking [`Self::reuse`] can bring anything.
    fn has_parent(&self) -> bool;

    /// For each entry, whether the parent snapshot's content now stands for it.
    ///
    /// # Errors
    /// What the plugin is told.
    fn reuse(&mut self, entries: Vec<Entry>) -> Result<Vec<bool>, Failure>;
}

/// Takes the bytes of one entry. Dropped without `finish`, the entry does not exist.
pub trait EntryWriter: Send {
    /// Takes exactly `length` bytes from `source`.
    ///
    /// # Errors
    /// What the plugin is told; `source` may then stand anywhere.
    fn write(&mut self, source: &mut dyn Read, length: u64) -> Result<(), Failure>;

    /// Takes the bytes of `file` from `offset`, at most `length`, fewer when the file ends first. Returns their number.
    ///
    /// # Errors
    /// What the plugin is told.
    fn write_file(&mut self, file: &File, offset: u64, length: Option<u64>)
    -> Result<u64, Failure>;

    /// Completes the entry and returns the number of its bytes.
    ///
    /// # Errors
    /// What the plugin is told.
    fn finish(self: Box<Self>) -> Result<u64, Failure>;
}

/// Gives the entries of one part that is imported.
pub trait EntrySource: Send {
    /// The entries below `prefix` after the path `after`, depth first, at most `limit`.
    ///
    /// # Errors
    /// What the plugin is told.
    fn entries(
        &mut self,
        prefix: &EntryPath,
        after: Option<&EntryPath>,
        limit: usize,
    ) -> Result<Vec<Entry>, Failure>;

    /// Opens one entry for reading.
    ///
    /// # Errors
    /// What the plugin is told.
    fn open(&mut self, path: &EntryPath) -> Result<Box<dyn EntryReader>, Failure>;

    /// Writes whole entries into open files, in parallel, and returns the number of bytes.
    ///
    /// # Errors
    /// What the plugin is told.
    fn extract(&mut self, extractions: Vec<Extraction>) -> Result<u64, Failure>;
}

/// One entry to be written into a file.
#[derive(Debug)]
pub struct Extraction {
    /// Which entry.
    pub path: EntryPath,
    /// Open for writing; its length is set to where the entry ends.
    pub target: File,
    /// Where in the file the entry starts.
    pub offset: u64,
}

/// Gives the bytes of one entry.
pub trait EntryReader: Send {
    /// What the entry is.
    fn entry(&self) -> &Entry;

    /// The next bytes, at most `max`; empty at the end.
    ///
    /// # Errors
    /// What the plugin is told.
    fn read(&mut self, max: usize) -> Result<Bytes, Failure>;

    /// Continues at `offset` bytes from the start.
    ///
    /// # Errors
    /// What the plugin is told.
    fn seek(&mut self, offset: u64) -> Result<(), Failure>;
}
