//! The entries of a part: written while it is exported, read while it is imported.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use crate::bindings::lockgate::datastore::archive as host;
use crate::bindings::lockgate::datastore::files::File;
use crate::{Error, Result};

pub use host::{Entry, Extraction, Transfer};

/// Bytes that cross to or from the host at a time.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes in one piece from which on gathering more would only copy them once more.
const LARGE_BYTES: usize = 256 << 10;
/// Entries in one question to the host.
const PAGE_ENTRIES: usize = 500;
/// [`Lookup`]s that one instance has under way at most: starting another waits for the oldest.
pub const LOOKUPS_MAX: usize = 4;
/// Bytes of paths and attributes in one question to the host, which refuses 16 MiB.
const PAGE_BYTES: usize = 4 << 20;
/// Entries in one [`Transfer`]: as many descriptors can travel beside one message.
pub const TRANSFER_ENTRIES_MAX: usize = 128;

/// Starts an entry. It exists once [`EntryWriter::finish`] has returned.
///
/// # Errors
/// When the path is not one, or was used before.
pub fn create(entry: &Entry) -> Result<EntryWriter> {
    Ok(EntryWriter { host: host::create(entry)?, buffer: Vec::new() })
}

/// Writes an entry that has no content: a directory, a symbolic link, ...
///
/// # Errors
/// When the path is not one, or was used before.
pub fn create_empty(entry: &Entry) -> Result<()> {
    Ok(host::create(entry)?.finish()?)
}

/// For each of `entries`, whether the content that the parent snapshot has for it now stands for it too. Such an entry is
/// complete: it needs no `create`.
///
/// # Errors
/// When a path is not one, or was used before.
pub fn reuse(entries: &[Entry]) -> Result<Vec<bool>> {
    start_reuse(entries)?.finish()
}

/// Begins to ask the same as [`reuse`] while the plugin goes on; [`Lookup::finish`] waits for the answer and must be called. Up to
/// [`LOOKUPS_MAX`] may be under way without a wait. What else the host is asked meanwhile waits for them; the files of `files` are the
/// worker's own business and do not.
///
/// # Errors
/// As [`reuse`].
pub fn start_reuse(entries: &[Entry]) -> Result<Lookup> {
    let mut lookup = Lookup { reused: Vec::with_capacity(entries.len()), last: None };
    let mut rest = entries;
    while !rest.is_empty() {
        let (page, after) = rest.split_at(page_length(rest));
        rest = after;
        if rest.is_empty() {
            lookup.last = Some((host::start_reuse(page)?, page.len()));
        } else {
            lookup.take(host::reuse(page)?, page.len())?;
        }
    }
    Ok(lookup)
}

/// A question that is under way; made by [`start_reuse`].
#[derive(Debug)]
pub struct Lookup {
    /// What is known of pages that did not fit into the last question.
    reused: Vec<bool>,
    /// That question and the number of its entries; none where there are no entries.
    last: Option<(host::Lookup, usize)>,
}

impl Lookup {
    /// Waits for what [`reuse`] returns.
    ///
    /// # Errors
    /// As [`reuse`].
    pub fn finish(mut self) -> Result<Vec<bool>> {
        if let Some((last, count)) = self.last.take() {
            self.take(last.finish()?, count)?;
        }
        Ok(self.reused)
    }

    fn take(&mut self, answer: Vec<bool>, count: usize) -> Result<()> {
        if answer.len() != count {
            return Err(Error::other("the host answered for another number of entries"));
        }
        self.reused.extend(answer);
        Ok(())
    }
}

/// Waits until the host has read everything that was written or named so far.
///
/// # Errors
/// When the host could not take it.
pub fn settle() -> Result<()> {
    host::reuse(&[])?;
    Ok(())
}

/// How many of `entries` go into one question: at least one.
fn page_length(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let fits = entries.iter().take(PAGE_ENTRIES).take_while(|entry| {
        bytes += weight(entry);
        bytes <= PAGE_BYTES
    });
    fits.count().max(1)
}

/// About how many bytes an entry takes on its way.
fn weight(entry: &Entry) -> usize {
    let attributes: usize =
        entry.attributes.iter().map(|pair| pair.key.len() + pair.value.len()).sum();
    let extended: usize = entry.metadata.as_ref().map_or(0, |metadata| {
        metadata.extended_attributes.iter().map(|pair| pair.name.len() + pair.value.len()).sum()
    });
    entry.path.len() + attributes + extended
}

/// Opens an entry for reading.
///
/// # Errors
/// When there is none at `path`, or it has no content.
pub fn open(path: &[u8]) -> Result<EntryReader> {
    Ok(EntryReader { host: host::open(path)?, buffer: Vec::new(), consumed: 0, position: 0 })
}

/// All entries below `prefix` (empty for all), depth first in the order of their names' bytes.
pub fn entries(prefix: impl Into<Vec<u8>>) -> Entries {
    Entries { prefix: prefix.into(), after: None, page: VecDeque::new(), is_last: false }
}

/// Writes whole entries into files, in parallel and without entering the plugin. Returns the number of bytes.
///
/// # Errors
/// When an entry cannot be read or a file cannot be written.
pub fn extract(extractions: &[Extraction<'_>]) -> Result<u64> {
    let mut bytes = 0;
    for page in extractions.chunks(TRANSFER_ENTRIES_MAX) {
        bytes += host::extract(page)?;
    }
    Ok(bytes)
}

/// Begins to write whole entries into files, [`TRANSFER_ENTRIES_MAX`] at most, while the plugin goes on; [`Transfer::finish`] waits
/// for the end and must be called. What the host is asked meanwhile waits for the transfer; the files of `files` are the worker's own
/// business and do not.
///
/// # Errors
/// When these are too many, or a file cannot be written.
pub fn start_extract(extractions: &[Extraction<'_>]) -> Result<Transfer> {
    Ok(host::start_extract(extractions)?)
}

/// Takes the bytes of one entry, a MiB at a time. Dropped without [`finish`](Self::finish), the entry does not exist.
#[derive(Debug)]
pub struct EntryWriter {
    host: host::Writer,
    buffer: Vec<u8>,
}

impl EntryWriter {
    /// Adds the bytes of `source` from `offset`, `length` of them or up to its end, which never enter the plugin.
    ///
    /// # Errors
    /// When the file cannot be read, or has fewer bytes than `length`.
    pub fn write_file(&mut self, source: &File, offset: u64, length: Option<u64>) -> Result<()> {
        self.send()?;
        Ok(self.host.write_file(source, offset, length)?)
    }

    /// Completes the entry.
    ///
    /// # Errors
    /// When the host could not take the bytes.
    pub fn finish(mut self) -> Result<()> {
        self.send()?;
        Ok(self.host.finish()?)
    }

    fn send(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.host.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl Write for EntryWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + data.len() > BUFFER_BYTES {
            self.send()?;
        }
        let taken = data.get(..BUFFER_BYTES).unwrap_or(data);
        if taken.len() >= LARGE_BYTES {
            self.send()?;
            self.host.write(taken)?;
        } else {
            self.buffer.extend_from_slice(taken);
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.send()?)
    }
}

/// Gives the bytes of one entry.
#[derive(Debug)]
pub struct EntryReader {
    host: host::Reader,
    buffer: Vec<u8>,
    consumed: usize,
    // Of the end of the buffer, in the entry.
    position: u64,
}

impl EntryReader {
    /// What is being read.
    #[must_use]
    pub fn entry(&self) -> Entry {
        self.host.entry()
    }
}

impl BufRead for EntryReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.buffer.len() {
            self.buffer = self.host.read(BUFFER_BYTES as u32)?;
            self.consumed = 0;
            self.position += self.buffer.len() as u64;
        }
        Ok(self.buffer.get(self.consumed..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.consumed = (self.consumed + amount).min(self.buffer.len());
    }
}

impl Read for EntryReader {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(target)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for EntryReader {
    /// From the end only when the entry's size is known.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let here = self.position - (self.buffer.len() - self.consumed) as u64;
        let (from, by) = match to {
            SeekFrom::Start(offset) => (offset, 0),
            SeekFrom::Current(by) => (here, by),
            SeekFrom::End(by) => {
                let size = self.entry().metadata.map(|metadata| metadata.size);
                (size.ok_or(io::ErrorKind::Unsupported)?, by)
            }
        };
        let offset = from.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
        if offset != here {
            self.host.seek(offset)?;
            self.buffer.clear();
            self.consumed = 0;
            self.position = offset;
        }
        Ok(offset)
    }
}

/// Entries of the archive, asked of the host page by page; made by [`entries`].
#[derive(Debug)]
pub struct Entries {
    prefix: Vec<u8>,
    after: Option<Vec<u8>>,
    page: VecDeque<Entry>,
    is_last: bool,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() && !self.is_last {
            match host::entries(&self.prefix, self.after.as_deref(), PAGE_ENTRIES as u32) {
                Ok(page) => self.page = page.into(),
                Err(failure) => {
                    self.is_last = true;
                    return Some(Err(failure.into()));
                }
            }
            // A short page is not taken for the last: the host may end one early to keep it small.
            self.is_last = self.page.is_empty();
            self.after = self.page.back().map(|last| last.path.clone());
        }
        self.page.pop_front().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_stays_small_and_always_moves_on() {
        let small = vec![Entry::new("a"); PAGE_ENTRIES + 1];
        assert_eq!(page_length(&small), PAGE_ENTRIES);
        let large = vec![Entry::new("a").with_attribute("x", "y".repeat(PAGE_BYTES / 2)); 3];
        assert_eq!(page_length(&large), 1);
        let huge = [Entry::new("a").with_attribute("x", "y".repeat(PAGE_BYTES + 1))];
        assert_eq!(page_length(&huge), 1);
    }
}
