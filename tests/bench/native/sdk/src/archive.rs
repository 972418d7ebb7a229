//! The repository's own writer in place of the host's end of `archive`.

use std::cell::RefCell;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use lockgate_plugin::{Error, Failure, Kind, Metadata, Result};
use lockgate_repository::{Node, StreamWriter, Writer};
use lockgate_types as types;
use lockgate_types::EntryPath;

use crate::files::File;
use crate::no_import;

pub use lockgate_plugin::Entry;

thread_local! {
    /// Where the entries of the part that this thread exports go.
    static PLACE: RefCell<Option<(Arc<Writer>, EntryPath)>> = const { RefCell::new(None) };
}

/// From now on this thread exports into `folder`.
pub fn enter(writer: Arc<Writer>, folder: EntryPath) {
    PLACE.set(Some((writer, folder)));
}

fn place(entry: &Entry) -> Result<(Arc<Writer>, EntryPath, Node)> {
    let (writer, folder) = PLACE
        .with_borrow(Clone::clone)
        .ok_or_else(|| Error::other("no part is being exported in this thread"))?;
    let own = entry.path.clone().try_into().map_err(|_| Error::other("the path is none"))?;
    let path = folder.join(&own).map_err(|error| Error::other(error.to_string()))?;
    let node = Node::from_entry(&types::Entry {
        path: own,
        media_type: entry.media_type.clone(),
        size_hint: entry.size_hint,
        metadata: entry.metadata.clone().map(metadata),
        attributes: entry
            .attributes
            .iter()
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect(),
    });
    Ok((writer, path, node))
}

fn metadata(metadata: Metadata) -> types::Metadata {
    let time = |time: lockgate_plugin::Timestamp| types::Timestamp {
        seconds: time.seconds,
        nanoseconds: time.nanoseconds,
    };
    types::Metadata {
        kind: match metadata.kind {
            Kind::Regular => types::Kind::Regular,
            Kind::Directory => types::Kind::Directory,
            Kind::Symlink => types::Kind::Symlink,
            Kind::Fifo => types::Kind::Fifo,
            Kind::Socket => types::Kind::Socket,
            Kind::CharacterDevice => types::Kind::CharacterDevice,
            Kind::BlockDevice => types::Kind::BlockDevice,
        },
        mode: metadata.mode,
        owner: metadata.owner,
        group: metadata.group,
        owner_name: metadata.owner_name,
        group_name: metadata.group_name,
        size: metadata.size,
        modified: time(metadata.modified),
        accessed: time(metadata.accessed),
        changed: time(metadata.changed),
        inode: metadata.inode,
        device: metadata.device,
        links: metadata.links,
        device_number: metadata.device_number,
        link_target: metadata.link_target,
        extended_attributes: metadata
            .extended_attributes
            .into_iter()
            .map(|it| types::ExtendedAttribute { name: it.name, value: it.value })
            .collect(),
    }
}

fn failed(error: &lockgate_repository::Error) -> Error {
    Error::other(error.to_string())
}

/// Starts an entry.
///
/// # Errors
/// When no part is being exported.
pub fn create(entry: &Entry) -> Result<EntryWriter> {
    let (writer, path, node) = place(entry)?;
    Ok(EntryWriter { stream: writer.stream(), path, node, buffer: Vec::new() })
}

/// Writes an entry without content.
///
/// # Errors
/// When no part is being exported.
pub fn create_empty(entry: &Entry) -> Result<()> {
    let (writer, path, node) = place(entry)?;
    writer.add(path, node).map_err(|error| failed(&error))
}

/// Nothing: each measured backup is a first one.
///
/// # Errors
/// Never.
pub fn reuse(entries: &[Entry]) -> Result<Vec<bool>> {
    Ok(vec![false; entries.len()])
}

/// The answer of [`reuse`].
#[derive(Debug)]
pub struct Lookup(Vec<bool>);

impl Lookup {
    /// The answer.
    ///
    /// # Errors
    /// Never.
    pub fn finish(self) -> Result<Vec<bool>> {
        Ok(self.0)
    }
}

/// A question is answered before another can be asked.
pub const LOOKUPS_MAX: usize = 1;

/// The same.
///
/// # Errors
/// Never.
pub fn start_reuse(entries: &[Entry]) -> Result<Lookup> {
    reuse(entries).map(Lookup)
}

/// Everything was read already.
///
/// # Errors
/// Never.
pub fn settle() -> Result<()> {
    Ok(())
}

/// Bytes that go to the repository at a time: as in the real SDK.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes in one piece that are not gathered first: as in the real SDK.
const LARGE_BYTES: usize = 256 << 10;

/// Takes the bytes of one entry.
pub struct EntryWriter {
    stream: StreamWriter,
    path: EntryPath,
    node: Node,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for EntryWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EntryWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl EntryWriter {
    /// Adds the bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn write_file(&mut self, source: &File, offset: u64, length: Option<u64>) -> Result<()> {
        self.flush()?;
        self.stream.write_file(&source.file, offset, length).map_err(|error| failed(&error))?;
        Ok(())
    }

    /// Completes the entry.
    ///
    /// # Errors
    /// When the repository does not take it.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.stream.finish(self.path, self.node).map_err(|error| failed(&error))?;
        Ok(())
    }
}

impl Write for EntryWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + data.len() > BUFFER_BYTES || data.len() >= LARGE_BYTES {
            self.flush()?;
        }
        if data.len() >= LARGE_BYTES {
            put(&mut self.stream, data)?;
        } else {
            self.buffer.extend_from_slice(data);
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        put(&mut self.stream, &self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

fn put(stream: &mut StreamWriter, mut bytes: &[u8]) -> io::Result<()> {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(stream.write(&mut bytes, length).map_err(|error| failed(&error))?)
}

/// One entry to be written into a file.
#[derive(Debug)]
pub struct Extraction<'a> {
    /// Which entry.
    pub path: Vec<u8>,
    /// Where to.
    pub target: &'a File,
    /// From where on.
    pub offset: u64,
}

/// Nothing is imported.
///
/// # Errors
/// Always.
pub fn extract(_extractions: &[Extraction<'_>]) -> Result<u64> {
    Ok(no_import()?)
}

/// Entries in one transfer.
pub const TRANSFER_ENTRIES_MAX: usize = 128;

/// Stands for what never begins.
#[derive(Debug)]
pub enum Transfer {}

impl Transfer {
    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn finish(&self) -> Result<u64, Failure> {
        match *self {}
    }
}

/// Nothing is imported.
///
/// # Errors
/// Always.
pub fn start_extract(_extractions: &[Extraction<'_>]) -> Result<Transfer> {
    Ok(no_import()?)
}

/// Nothing is imported.
pub fn entries(_prefix: impl Into<Vec<u8>>) -> impl Iterator<Item = Result<Entry>> {
    std::iter::once(no_import::<Entry>().map_err(Into::into))
}

/// Nothing is imported.
///
/// # Errors
/// Always.
pub fn open(_path: &[u8]) -> Result<EntryReader> {
    Ok(no_import::<EntryReader>()?)
}

/// Never made.
#[derive(Debug)]
pub enum EntryReader {}

impl Read for EntryReader {
    fn read(&mut self, _target: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl BufRead for EntryReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match *self {}
    }

    fn consume(&mut self, _amount: usize) {
        match *self {}
    }
}
