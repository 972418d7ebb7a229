use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lockgate_repository::{Node, StreamWriter, Writer};
use lockgate_sandbox::{EntrySink, EntryWriter};
use lockgate_types::{Entry, EntryPath, Failure, Kind};

use super::parent_folders::{Content, ParentFolders};
use crate::lanes::lock;
use crate::progress::Progress;
use crate::{Error, ErrorKind};

/// Puts the entries of one part into the repository.
pub(super) struct PartSink {
    pub writer: Arc<Writer>,
    /// Where the part is in the snapshot's tree.
    pub folder: EntryPath,
    pub parent: Option<ParentFolders>,
    pub counts: Arc<Counts>,
}

/// What one part's sink and writers share.
#[derive(Default)]
pub(super) struct Counts {
    pub entries: AtomicU64,
    pub bytes: AtomicU64,
    pub progress: Arc<Progress>,
    /// What really went wrong; the plugin is told less.
    pub failure: Mutex<Option<Error>>,
}

impl Counts {
    fn add_entry(&self, bytes: u64) {
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.progress.add_entries(1);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Keeps the first error and gives the plugin one that tells nothing of the repository.
    fn fail(&self, error: impl Into<Error>) -> Failure {
        lock(&self.failure).get_or_insert(error.into());
        Failure::Other("the host could not store the entry".to_owned())
    }
}

impl PartSink {
    fn path(&self, entry: &Entry) -> Result<EntryPath, Failure> {
        self.folder.join(&entry.path).map_err(|error| Failure::Other(error.to_string()))
    }
}

fn is_regular(entry: &Entry) -> bool {
    entry.metadata.as_ref().is_none_or(|metadata| metadata.kind == Kind::Regular)
}

impl EntrySink for PartSink {
    fn create(&mut self, entry: Entry) -> Result<Box<dyn EntryWriter>, Failure> {
        let path = self.path(&entry)?;
        let node = Node::from_entry(&entry);
        let counts = Arc::clone(&self.counts);
        if is_regular(&entry) {
            // A file may change while it is read; anything else must keep its word.
            let announced = entry.size_hint.filter(|_| entry.metadata.is_none());
            let stream = self.writer.stream();
            return Ok(Box::new(ContentWriter {
                stream,
                path,
                node,
                announced,
                written: 0,
                counts,
            }));
        }
        Ok(Box::new(BareWriter { writer: Arc::clone(&self.writer), path, node, counts }))
    }

    fn has_parent(&self) -> bool {
        self.parent.is_some()
    }

    fn reuse(&mut self, entries: Vec<Entry>) -> Result<Vec<bool>, Failure> {
        let mut reused = Vec::with_capacity(entries.len());
        for entry in entries {
            reused.push(self.reuse_one(&entry)?);
        }
        Ok(reused)
    }
}

impl PartSink {
    fn reuse_one(&mut self, entry: &Entry) -> Result<bool, Failure> {
        let path = self.path(entry)?;
        let Some(parent) = self.parent.as_mut() else { return Ok(false) };
        if !is_regular(entry) {
            return Ok(false);
        }
        let then = parent.unchanged(&path, entry).map_err(|error| self.counts.fail(error))?;
        let Some(Content { blobs, size }) = then else { return Ok(false) };
        let node = Node { content: blobs, size, ..Node::from_entry(entry) };
        let added = self.writer.add_if_stored(path, node);
        let is_stored = added.map_err(|error| self.counts.fail(error))?;
        if is_stored {
            self.counts.add_entry(size);
            self.counts.progress.add_bytes(size);
        }
        Ok(is_stored)
    }
}

/// An entry with content.
struct ContentWriter {
    stream: StreamWriter,
    path: EntryPath,
    node: Node,
    announced: Option<u64>,
    written: u64,
    counts: Arc<Counts>,
}

impl EntryWriter for ContentWriter {
    fn write(&mut self, source: &mut dyn Read, length: u64) -> Result<(), Failure> {
        self.stream.write(source, length).map_err(|error| self.counts.fail(error))?;
        self.written += length;
        self.counts.progress.add_bytes(length);
        Ok(())
    }

    fn write_file(
        &mut self,
        file: &File,
        offset: u64,
        length: Option<u64>,
    ) -> Result<u64, Failure> {
        let written = self
            .stream
            .write_file(file, offset, length)
            .map_err(|error| self.counts.fail(error))?;
        self.written += written;
        self.counts.progress.add_bytes(written);
        Ok(written)
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        let Self { stream, path, node, announced, written, counts } = *self;
        if let Some(announced) = announced.filter(|announced| *announced != written) {
            let message = format!("entry {path} announced {announced} bytes and gave {written}");
            counts.fail(Error::new(ErrorKind::Failed, message.clone()));
            return Err(Failure::Other(message));
        }
        let bytes = stream.finish(path, node).map_err(|error| counts.fail(error))?;
        counts.add_entry(bytes);
        Ok(bytes)
    }
}

/// A folder, a link, a device: an entry without content.
struct BareWriter {
    writer: Arc<Writer>,
    path: EntryPath,
    node: Node,
    counts: Arc<Counts>,
}

impl BareWriter {
    fn refuse(&self) -> Failure {
        let message = format!("entry {} is no regular file and can have no content", self.path);
        self.counts.fail(Error::new(ErrorKind::Failed, message.clone()));
        Failure::Other(message)
    }
}

impl EntryWriter for BareWriter {
    fn write(&mut self, _source: &mut dyn Read, _length: u64) -> Result<(), Failure> {
        Err(self.refuse())
    }

    fn write_file(
        &mut self,
        _file: &File,
        _offset: u64,
        _length: Option<u64>,
    ) -> Result<u64, Failure> {
        Err(self.refuse())
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        let Self { writer, path, node, counts } = *self;
        writer.add(path, node).map_err(|error| counts.fail(error))?;
        counts.add_entry(0);
        Ok(0)
    }
}
