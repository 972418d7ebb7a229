//! What the file system answers. Errors are those of the system calls; what is behind them stands in the log.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fuser::{Errno, FileAttr};
use lockgate_repository::{Node, NodeKind};
use lockgate_types::{Digest, EntryPath};

use crate::ahead::Ahead;
use crate::attributes::{self, Owner};
use crate::cache::Cache;
use crate::current::Current;
use crate::file::File;
use crate::folder::Folder;
use crate::handles::Handles;
use crate::inodes::{Inode, Inodes, Object};
use crate::limits;
use crate::view::{Shown, Way};

type Answer<T> = Result<T, Errno>;

/// Chunks of content that were read.
pub(crate) struct Chunks {
    cache: Cache<Digest, Bytes>,
    current: Arc<Current>,
}

impl Chunks {
    pub(crate) fn new(current: Arc<Current>) -> Self {
        Self { cache: Cache::new(limits::CHUNKS_BYTES_MAX, Bytes::len), current }
    }

    pub(crate) async fn get(&self, id: Digest) -> lockgate_repository::Result<Bytes> {
        let read = || async {
            let chunk = self.current.known().reader.chunk(id).await?;
            // The reader lends memory that may be larger than the chunk, and wants it back.
            Ok(Bytes::copy_from_slice(&chunk))
        };
        self.cache.get(id, read).await
    }
}

/// An open folder, as it was when it was opened.
pub(crate) struct OpenFolder {
    inode: Arc<Inode>,
    content: FolderContent,
}

enum FolderContent {
    Listing(Way, Vec<(Arc<str>, Shown)>),
    Folder(Option<Digest>, Arc<Folder>),
}

/// All that answers need.
pub(crate) struct Served {
    current: Arc<Current>,
    owner: Owner,
    folders: Cache<Digest, Arc<Folder>>,
    chunks: Arc<Chunks>,
    ahead: Ahead,
    pub(crate) inodes: Inodes,
    files: Handles<File>,
    listings: Handles<OpenFolder>,
    troubles: Troubles,
}

impl Served {
    pub(crate) fn new(
        current: Arc<Current>,
        chunks: Arc<Chunks>,
        ahead: Ahead,
        owner: Owner,
    ) -> Self {
        Self {
            current,
            owner,
            folders: Cache::new(limits::FOLDERS_BYTES_MAX, |folder| folder.bytes()),
            chunks,
            ahead,
            inodes: Inodes::new(owner),
            files: Handles::new(),
            listings: Handles::new(),
            troubles: Troubles::default(),
        }
    }

    /// How often something could not be read.
    pub(crate) fn errors(&self) -> u64 {
        self.troubles.count.load(Ordering::Relaxed)
    }

    /// What stands under `name` in a folder, and how long that is sure. The kernel then knows it.
    pub(crate) async fn lookup(&self, parent: u64, name: &[u8]) -> Answer<(Duration, FileAttr)> {
        let parent = self.inode(parent)?;
        let found = match &parent.object {
            Object::Listing(way) => {
                let listing = self.current.fresh().await.view.at(way).ok_or(Errno::ENOENT)?;
                let name = std::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
                let (name, shown) = listing.names.get_key_value(name).ok_or(Errno::ENOENT)?;
                let inode = Inode::of_shown(&parent, way, name, shown, self.owner);
                (limits::VIEW_VALID, inode)
            }
            Object::Folder(tree) => {
                let folder = self.folder(&parent).await?;
                let node = folder.find(name).ok_or(Errno::ENOENT)?;
                (limits::CONTENT_VALID, Inode::of_node(&parent, *tree, node))
            }
            Object::Link(_) | Object::Other => return Err(Errno::ENOTDIR),
        };
        Ok((found.0, self.inodes.take(found.1)))
    }

    pub(crate) async fn attributes(&self, number: u64) -> Answer<(Duration, FileAttr)> {
        let inode = self.inode(number)?;
        let Object::Listing(way) = &inode.object else {
            let is_of_snapshot = inode.origin.is_some();
            let valid = if is_of_snapshot { limits::CONTENT_VALID } else { limits::VIEW_VALID };
            return Ok((valid, inode.attributes));
        };
        let listing = self.current.fresh().await.view.at(way).ok_or(Errno::ENOENT)?;
        let now = attributes::of_folder(listing.modified, self.owner);
        Ok((limits::VIEW_VALID, FileAttr { ino: inode.attributes.ino, ..now }))
    }

    pub(crate) async fn target(&self, number: u64) -> Answer<Bytes> {
        let inode = self.inode(number)?;
        if let Object::Link(way) = &inode.object {
            let listing = self.current.known().view.at(way).ok_or(Errno::ENOENT)?;
            let name = std::str::from_utf8(&inode.name).map_err(|_| Errno::ENOENT)?;
            let Some(Shown::Link(target, _)) = listing.names.get(name) else {
                return Err(Errno::ENOENT);
            };
            return Ok(Bytes::copy_from_slice(target.as_bytes()));
        }
        let (folder, name) = self.place(&inode).await?;
        let node = folder.find(&name).ok_or(Errno::ENOENT)?;
        if node.kind != NodeKind::Symlink {
            return Err(Errno::EINVAL);
        }
        let target = &node.linktarget;
        if target.is_empty() || target.len() > limits::TARGET_BYTES_MAX || target.contains(&0) {
            return Err(self.trouble(number, "the target of the link is none"));
        }
        Ok(Bytes::copy_from_slice(target))
    }

    pub(crate) async fn open(&self, number: u64) -> Answer<u64> {
        let inode = self.inode(number)?;
        let (folder, name) = self.place(&inode).await?;
        let node = folder.find(&name).ok_or(Errno::ENOENT)?;
        let layout = if node.kind == NodeKind::File {
            self.current.known().reader.chunks(node)
        } else {
            self.current.known().reader.chunks(&Node::default())
        };
        let layout = layout.map_err(|error| self.trouble(number, error))?;
        self.files.open(File::new(layout)).ok_or(Errno::ENFILE)
    }

    pub(crate) async fn read(
        &self,
        number: u64,
        handle: u64,
        offset: u64,
        size: u32,
    ) -> Answer<Bytes> {
        let file = self.files.get(handle).ok_or(Errno::EBADF)?;
        let read = file.read(&self.chunks, &self.ahead, offset, size).await;
        read.map_err(|error| self.trouble(number, error))
    }

    pub(crate) fn close(&self, handle: u64) {
        self.files.close(handle);
    }

    pub(crate) async fn open_folder(&self, number: u64) -> Answer<u64> {
        let inode = self.inode(number)?;
        let content = match &inode.object {
            Object::Listing(way) => {
                let listing = self.current.fresh().await.view.at(way).ok_or(Errno::ENOENT)?;
                let names = listing.names.iter();
                let names = names.map(|(name, shown)| (Arc::clone(name), shown.clone()));
                FolderContent::Listing(Arc::clone(way), names.collect())
            }
            Object::Folder(tree) => FolderContent::Folder(*tree, self.folder(&inode).await?),
            Object::Link(_) | Object::Other => return Err(Errno::ENOTDIR),
        };
        self.listings.open(OpenFolder { inode, content }).ok_or(Errno::ENFILE)
    }

    pub(crate) fn open_listing(&self, handle: u64) -> Answer<Arc<OpenFolder>> {
        self.listings.get(handle).ok_or(Errno::EBADF)
    }

    pub(crate) fn close_folder(&self, handle: u64) {
        self.listings.close(handle);
    }

    /// What stands under a number in an open folder, and how long that is sure.
    pub(crate) fn child(&self, open: &OpenFolder, number: usize) -> Option<(Duration, Inode)> {
        match &open.content {
            FolderContent::Listing(way, names) => {
                let (name, shown) = names.get(number)?;
                let inode = Inode::of_shown(&open.inode, way, name, shown, self.owner);
                Some((limits::VIEW_VALID, inode))
            }
            FolderContent::Folder(tree, folder) => {
                let inode = Inode::of_node(&open.inode, *tree, folder.get(number)?);
                Some((limits::CONTENT_VALID, inode))
            }
        }
    }

    /// What `work` makes of the node of an inode; none when no snapshot holds one.
    pub(crate) async fn with_node<T>(
        &self,
        number: u64,
        work: impl FnOnce(&Node) -> T,
    ) -> Answer<Option<T>> {
        let inode = self.inode(number)?;
        if inode.origin.is_none() {
            return Ok(None);
        }
        let (folder, name) = self.place(&inode).await?;
        folder.find(&name).map(|node| Some(work(node))).ok_or(Errno::ENOENT)
    }

    fn inode(&self, number: u64) -> Answer<Arc<Inode>> {
        self.inodes.get(number).ok_or(Errno::ESTALE)
    }

    /// What the folder of a snapshot holds.
    async fn folder(&self, inode: &Inode) -> Answer<Arc<Folder>> {
        match &inode.object {
            Object::Folder(Some(tree)) => self.tree(inode.number(), *tree).await,
            Object::Folder(None) => {
                Err(self.trouble(inode.number(), "the folder is damaged: it names no tree"))
            }
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The folder that holds the node of an inode, and its name there.
    async fn place(&self, inode: &Inode) -> Answer<(Arc<Folder>, Arc<[u8]>)> {
        let tree = inode.origin.ok_or(Errno::EINVAL)?;
        Ok((self.tree(inode.parent(), tree).await?, Arc::clone(&inode.name)))
    }

    async fn tree(&self, number: u64, tree: Digest) -> Answer<Arc<Folder>> {
        let read = || async {
            let reader = self.current.known().reader.clone();
            let nodes = reader.folder(&tree, &EntryPath::root()).await?.unwrap_or_default();
            Ok::<_, lockgate_repository::Error>(Arc::new(Folder::new(nodes)))
        };
        self.folders.get(tree, read).await.map_err(|error| self.trouble(number, error))
    }

    /// Tells in the log what is wrong with which file.
    fn trouble(&self, number: u64, why: impl Display) -> Errno {
        if self.troubles.meet(number) {
            tracing::error!("{}: {why}", self.inodes.path(number));
        }
        Errno::EIO
    }
}

/// What could not be read. A program that tries again and again does not fill the log.
#[derive(Default)]
struct Troubles {
    count: AtomicU64,
    told: Mutex<HashMap<u64, Instant>>,
}

impl Troubles {
    /// Whether it is to be told.
    fn meet(&self, number: u64) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&number).is_some_and(|when| when.elapsed() < limits::TOLD_AGAIN_AFTER) {
            return false;
        }
        if told.len() >= limits::TOLD_MAX {
            told.clear();
        }
        told.insert(number, Instant::now());
        true
    }
}
