//! Reads snapshots: nodes by path, walks, content as a stream, and whole files.
//!
//! ```text
//! files ──► pieces (blob, file, position) ──► sorted by pack ──► regions ──► fetch ──► open, expand, hash ──► write
//! ```
//! Every blob is authenticated and compared with the SHA-256 that names it before any of its bytes is handed on. What is
//! fetched at the same time is bounded by one budget for all users of a [`Reader`].

mod blobs;
mod chunks;
mod content;
mod extract;
mod fetch;
mod others;
mod region;
mod sparse;
mod trees;
mod walk;
mod windows;

#[cfg(test)]
mod interop_tests;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::Arc;

use lockgate_types::{Digest, EntryPath};
use tokio::sync::{AcquireError, Semaphore};

use crate::buffers::Buffers;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, Node, NodeKind};
use crate::hash::Engine;
use crate::index::{Index, Location};
use crate::limits;
use crate::open::Repository;

pub use chunks::Chunks;
pub use content::ContentReader;
pub(crate) use fetch::Missed;
use others::Other;
pub use others::Rescued;
pub use trees::SealedTree;
use trees::Trees;
pub use walk::Walk;
use windows::Windows;

/// Reads snapshots through the index as it was when the reader was made. Cheap to clone; clones share their caches.
#[derive(Clone, Debug)]
pub struct Reader {
    inner: Arc<Inner>,
    /// Asked for what cannot be read here, in this order.
    others: Arc<[Other]>,
}

#[derive(Debug)]
struct Inner {
    repository: Repository,
    index: Arc<Index>,
    engine: Engine,
    trees: Trees,
    windows: Windows,
    buffers: Buffers,
    /// KiB that extractions may have in memory.
    memory: Semaphore,
    /// Regions that are opened at the same time.
    openings: Semaphore,
}

impl Repository {
    /// Loads the index for reading. Snapshots must be chosen before: one that is written later may need packs that this
    /// index does not know.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`, `Limit`.
    pub async fn reader(&self) -> Result<Reader> {
        let inner = Inner {
            repository: self.clone(),
            index: self.load_index().await?,
            engine: Engine::detect(),
            trees: Trees::default(),
            windows: Windows::default(),
            buffers: Buffers::default(),
            memory: Semaphore::new(limits::EXTRACT_KIB_MAX as usize),
            openings: Semaphore::new(limits::cpus()),
        };
        Ok(Reader { inner: Arc::new(inner), others: Arc::new([]) })
    }
}

impl Reader {
    /// The node at `path` below `tree`; none when there is nothing, and none for the root, which has no node.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`.
    pub async fn node(&self, tree: &Digest, path: &EntryPath) -> Result<Option<Node>> {
        let mut tree = *tree;
        let mut components = path.components().peekable();
        while let Some(name) = components.next() {
            let Some(node) = self.tree(&tree).await?.find(name)? else { return Ok(None) };
            if components.peek().is_none() {
                return Ok(Some(node));
            }
            let Some(subtree) = node.subtree else { return Ok(None) };
            tree = subtree;
        }
        Ok(None)
    }

    /// The nodes of the folder at `path` in the order of their names; none when there is no folder.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`.
    pub async fn folder(&self, tree: &Digest, path: &EntryPath) -> Result<Option<Vec<Node>>> {
        let Some(folder) = self.folder_tree(tree, path).await? else { return Ok(None) };
        self.tree(&folder).await?.all().map(Some)
    }

    /// The tree of the folder at `path` below `tree`; none when there is no folder.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`.
    pub async fn folder_tree(&self, tree: &Digest, path: &EntryPath) -> Result<Option<Digest>> {
        if path.is_root() {
            return Ok(Some(*tree));
        }
        let node = self.node(tree, path).await?;
        Ok(node.filter(|node| node.kind == NodeKind::Directory).and_then(|node| node.subtree))
    }

    /// All that is below `prefix`, depth first, folders before what they hold, names in the order of their bytes;
    /// after the path `after` when one is given. Below what is no folder there is nothing.
    #[must_use]
    pub fn walk(&self, tree: Digest, prefix: EntryPath, after: Option<EntryPath>) -> Walk {
        Walk::new(self.clone(), tree, prefix, after)
    }

    /// The bytes of `node`.
    #[must_use]
    pub fn content(&self, node: &Node) -> ContentReader {
        ContentReader::new(self.clone(), node)
    }

    /// Writes the content of `node` into `target` from `offset` on and ends the file there. Returns the number of bytes.
    ///
    /// # Errors
    /// As [`Reader::extract_many`].
    pub async fn extract(&self, node: &Node, target: File, offset: u64) -> Result<u64> {
        self.extract_many(vec![(node.clone(), target, offset)]).await
    }

    /// The same for many files at once: what lies together in the repository is fetched together, once.
    ///
    /// # Errors
    /// `Corrupt` when a blob is missing or does not verify, `Storage`, and `Io` for the targets. A file of which a part could
    /// not be had is left incomplete.
    pub async fn extract_many(&self, files: Vec<(Node, File, u64)>) -> Result<u64> {
        extract::extract(self, files).await
    }

    /// Whether all blobs are in packs that something new may rely on.
    #[must_use]
    pub fn contains(&self, content: &[Digest]) -> bool {
        content.iter().all(|id| self.inner.index.contains(BlobKind::Data, id))
    }

    /// What the repository holds, as it was when the reader was made.
    pub(crate) fn index(&self) -> &Index {
        &self.inner.index
    }

    fn locate(&self, kind: BlobKind, id: &Digest) -> Result<Location> {
        self.inner.index.locate(kind, id).ok_or_else(|| blobs::missing(kind, id))
    }
}

fn closed(source: AcquireError) -> Error {
    Error::new(ErrorKind::Cancelled, "reader closed").with_source(source)
}
