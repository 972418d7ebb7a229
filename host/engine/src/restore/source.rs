use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use lockgate_repository::{ContentReader, Node, Reader, Walk};
use lockgate_sandbox::{EntryReader, EntrySource, Extraction};
use lockgate_types::{Digest, Entry, EntryPath, Failure};
use tokio::runtime::Handle;

use crate::Cancel;
use crate::progress::Progress;

/// Waits for the repository, which may be slow, as long as the operator does.
#[derive(Clone)]
pub(super) struct Waiting {
    pub runtime: Handle,
    pub cancel: Cancel,
}

impl Waiting {
    fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, lockgate_repository::Error>>,
    ) -> Result<T, Failure> {
        match self.runtime.block_on(self.cancel.or_stop(work)) {
            Some(done) => done.map_err(corrupt),
            None => Err(Failure::Cancelled),
        }
    }
}

/// Gives the entries of one part from the repository.
pub(super) struct PartSource {
    pub reader: Reader,
    pub waiting: Waiting,
    pub tree: Digest,
    /// Where the part is in the tree.
    pub folder: EntryPath,
    pub progress: Arc<Progress>,
    listing: Option<Listing>,
    /// Nodes of the entries that were listed last, so that opening them needs no look-up.
    listed: HashMap<EntryPath, Node>,
}

/// A walk that the next page continues.
struct Listing {
    prefix: EntryPath,
    last: Option<EntryPath>,
    walk: Walk,
}

/// Listed nodes that are remembered: a plugin opens what it listed within a few pages.
const LISTED_NODES_MAX: usize = 20_000;

impl PartSource {
    pub fn new(
        reader: Reader,
        waiting: Waiting,
        tree: Digest,
        folder: EntryPath,
        progress: Arc<Progress>,
    ) -> Self {
        Self { reader, waiting, tree, folder, progress, listing: None, listed: HashMap::new() }
    }

    fn inside(&self, path: &EntryPath) -> Result<EntryPath, Failure> {
        self.folder.join(path).map_err(|error| Failure::Other(error.to_string()))
    }

    fn node(&mut self, path: &EntryPath) -> Result<Node, Failure> {
        if let Some(node) = self.listed.get(path) {
            return Ok(node.clone());
        }
        let inside = self.inside(path)?;
        let node = self.waiting.wait(self.reader.node(&self.tree, &inside))?;
        node.ok_or_else(|| Failure::Other(format!("the part has no entry {path}")))
    }

    fn continued(
        &mut self,
        prefix: &EntryPath,
        after: Option<&EntryPath>,
    ) -> Result<Listing, Failure> {
        if let Some(listing) = self.listing.take()
            && listing.prefix == *prefix
            && listing.last.as_ref() == after
        {
            return Ok(listing);
        }
        let inside = self.inside(prefix)?;
        let resume = after.map(|after| self.inside(after)).transpose()?;
        let walk = self.reader.walk(self.tree, inside, resume);
        Ok(Listing { prefix: prefix.clone(), last: after.cloned(), walk })
    }
}

fn corrupt(error: lockgate_repository::Error) -> Failure {
    Failure::Corrupt(error.to_string())
}

impl EntrySource for PartSource {
    fn entries(
        &mut self,
        prefix: &EntryPath,
        after: Option<&EntryPath>,
        limit: usize,
    ) -> Result<Vec<Entry>, Failure> {
        let mut listing = self.continued(prefix, after)?;
        if self.listed.len() > LISTED_NODES_MAX {
            self.listed.clear();
        }
        let mut entries = Vec::new();
        while entries.len() < limit {
            let Some((inside, node)) = self.waiting.wait(listing.walk.next())? else {
                break;
            };
            let Some(path) = inside.strip_prefix(&self.folder) else { continue };
            if path.is_root() {
                continue;
            }
            entries.push(node.to_entry(path.clone()));
            listing.last = Some(path.clone());
            self.listed.insert(path, node);
        }
        self.listing = Some(listing);
        Ok(entries)
    }

    fn open(&mut self, path: &EntryPath) -> Result<Box<dyn EntryReader>, Failure> {
        let node = self.node(path)?;
        let content = self.reader.content(&node);
        self.progress.add_entries(1);
        Ok(Box::new(PartReader {
            entry: node.to_entry(path.clone()),
            content,
            waiting: self.waiting.clone(),
            progress: Arc::clone(&self.progress),
        }))
    }

    fn extract(&mut self, extractions: Vec<Extraction>) -> Result<u64, Failure> {
        let mut files = Vec::with_capacity(extractions.len());
        for extraction in extractions {
            files.push((self.node(&extraction.path)?, extraction.target, extraction.offset));
        }
        let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
        let bytes = self.waiting.wait(self.reader.extract_many(files))?;
        self.progress.add_entries(count);
        self.progress.add_bytes(bytes);
        Ok(bytes)
    }
}

struct PartReader {
    entry: Entry,
    content: ContentReader,
    waiting: Waiting,
    progress: Arc<Progress>,
}

impl EntryReader for PartReader {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn read(&mut self, max: usize) -> Result<Bytes, Failure> {
        let bytes = self.waiting.wait(self.content.read(max))?;
        self.progress.add_bytes(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(bytes)
    }

    fn seek(&mut self, offset: u64) -> Result<(), Failure> {
        self.content.seek(offset).map_err(corrupt)
    }
}
