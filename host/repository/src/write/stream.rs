use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use lockgate_types::EntryPath;

use super::budget::{Budget, Lease};
use super::entry::Entry;
use super::line::Line;
use super::queue::{Job, Role};
use crate::chunk::{CHUNK_BYTES_MIN, Cutter};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Node, NodeKind};

/// First buffer of a long stream: three chunks out of four fit.
const BUFFER_BYTES: usize = 1536 << 10;
/// Most bytes that are read in one step where a chunk may end: what is read beyond the end is moved to the next buffer.
const STEP_BYTES: usize = 192 << 10;

/// The content of one entry on its way into the repository. Dropped without [`Self::finish`], the entry does not exist.
pub struct StreamWriter {
    line: Arc<Line>,
    entry: Arc<Entry>,
    cutter: Cutter,
    buffer: Option<Lease>,
    chunks: usize,
    bytes: u64,
    /// Some content was lost: there is no way to finish.
    is_broken: bool,
}

impl StreamWriter {
    pub(super) fn new(line: Arc<Line>) -> Self {
        Self {
            line,
            entry: Arc::default(),
            cutter: Cutter::default(),
            buffer: None,
            chunks: 0,
            bytes: 0,
            is_broken: false,
        }
    }

    /// Appends exactly `length` bytes of `source`. Waits while the memory budget is used up.
    ///
    /// # Errors
    /// `Io` when the source fails or ends early, and the first error of the run. The entry is lost then.
    pub fn write(&mut self, source: &mut dyn Read, length: u64) -> Result<()> {
        let read = self.append(length, length, |room, _| source.read(room))?;
        if read == length {
            return Ok(());
        }
        self.is_broken = true;
        let text = format!("the content ends after {read} of {length} bytes");
        Err(Error::new(ErrorKind::Io, text))
    }

    /// Appends `length` bytes of `file` from `offset`, or all up to its end; the number of bytes, which is smaller than
    /// `length` when the file ends before. The position of `file` is neither used nor changed.
    ///
    /// # Errors
    /// `Io` when the file cannot be read, and the first error of the run. The entry is lost then.
    pub fn write_file(&mut self, file: &File, offset: u64, length: Option<u64>) -> Result<u64> {
        let size = file.metadata().map_err(|error| Error::io("read the content", error))?.len();
        // One byte more than the file has shows its end without a larger buffer.
        let expected = size.saturating_sub(offset).saturating_add(1);
        self.append(length.unwrap_or(u64::MAX), expected, |room, done| {
            file.read_at(room, offset.saturating_add(done))
        })
    }

    /// The entry is complete: gives the bytes of its content. Waits for room, but not for hashing or storing; `size` and
    /// `content` of `node` are filled in when they are known. Trouble that comes later fails the run.
    ///
    /// # Errors
    /// The first error of the run, `Invalid` when a write failed before.
    pub fn finish(mut self, path: EntryPath, mut node: Node) -> Result<u64> {
        self.line.check_open()?;
        if self.is_broken {
            let text = format!("{path}: a part of the content is missing");
            return Err(Error::new(ErrorKind::Invalid, text));
        }
        if let Some(buffer) = self.buffer.take().filter(|buffer| !buffer.filled().is_empty()) {
            self.push(fitting(buffer, &self.line.budget));
            self.line.wait();
        }
        node.kind = NodeKind::File;
        node.size = self.bytes;
        if let Some(complete) = self.entry.finish(path, node, self.chunks) {
            self.line.add(complete)?;
        }
        Ok(self.bytes)
    }

    /// Reads up to `length` bytes, fewer when `read` gives no more; it is told how many it gave before. Buffers are made
    /// for the `expected` bytes.
    fn append(
        &mut self,
        length: u64,
        expected: u64,
        mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
    ) -> Result<u64> {
        let mut done = 0;
        while done < length {
            self.line.check_open()?;
            let left = usize::try_from(length - done).unwrap_or(usize::MAX);
            let expected = expected.saturating_sub(done).clamp(1, left as u64);
            let mut buffer = self.take_buffer(usize::try_from(expected).unwrap_or(usize::MAX));
            let filled = buffer.filled().len();
            let step = CHUNK_BYTES_MIN.saturating_sub(filled).max(STEP_BYTES).min(left);
            let room = buffer.room();
            let step = step.min(room.len());
            let result = read(&mut room[..step], done);
            let count = match result {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.buffer = Some(buffer);
                    continue;
                }
                Err(error) => {
                    self.is_broken = true;
                    return Err(Error::io("read the content", error));
                }
            };
            if count == 0 {
                self.buffer = Some(buffer);
                break;
            }
            buffer.advance(count);
            done += count as u64;
            self.bytes += count as u64;
            self.line.counters.bytes_read.add(count);
            self.cut(buffer);
        }
        Ok(done)
    }

    /// A buffer with room, made for `left` more bytes as far as a chunk goes.
    fn take_buffer(&mut self, left: usize) -> Lease {
        let budget = &self.line.budget;
        match self.buffer.take() {
            None => budget.lease_patiently(left.min(BUFFER_BYTES)),
            Some(buffer) if buffer.filled().len() < buffer.capacity() => buffer,
            Some(full) => {
                let capacity = full.capacity();
                let wanted = capacity.saturating_add(left.max(capacity));
                let wanted = wanted.min(2 * capacity.max(BUFFER_BYTES / 2));
                // Not patiently: the stream holds a buffer, and nobody can use it before there is a larger one.
                let mut larger = budget.lease(wanted.min(self.line.chunker.bytes_max()));
                larger.fill(full.filled());
                larger
            }
        }
    }

    /// Sends the chunks that end in `buffer` on their way and keeps the rest.
    fn cut(&mut self, mut buffer: Lease) {
        while let Some(length) = self.cutter.cut(&self.line.chunker, buffer.filled()) {
            let rest = &buffer.filled()[length..];
            let mut next = None;
            if !rest.is_empty() {
                let mut lease = self.line.budget.lease(BUFFER_BYTES.max(rest.len()));
                lease.fill(rest);
                next = Some(lease);
            }
            buffer.truncate(length);
            self.push(buffer);
            // Everybody who goes on reading waits here, where the stream holds next to nothing.
            self.line.wait();
            match next {
                Some(lease) => buffer = lease,
                None => return,
            }
        }
        self.buffer = Some(buffer);
    }

    fn push(&mut self, data: Lease) {
        let place = self.chunks;
        self.chunks += 1;
        self.line.counters.chunks.add(1);
        let role = Role::Chunk { entry: Arc::clone(&self.entry), place };
        self.line.queue.push(Job { data, role });
    }
}

/// `buffer`, or a smaller one with its content when it is mostly empty.
fn fitting(buffer: Lease, budget: &Arc<Budget>) -> Lease {
    if buffer.filled().len() > buffer.capacity() / 2 {
        return buffer;
    }
    let mut smaller = budget.lease(buffer.filled().len());
    smaller.fill(buffer.filled());
    smaller
}
