use std::collections::VecDeque;
use std::sync::Arc;

use lockgate_repository::{Node, NodeKind, Reader, Repository, Snapshot};
use lockgate_types::{Digest, Entry, EntryPath, Name};
use tokio::runtime::Handle;

use crate::manifest::{Manifest, read_manifest};
use crate::{Result, manifest};

/// The snapshot that a new one follows.
pub(super) struct Parent {
    pub snapshot: Snapshot,
    pub manifest: Option<Manifest>,
    reader: Reader,
    runtime: Handle,
}

/// Folders of the parent snapshot that one part looked at last.
pub(super) struct ParentFolders {
    reader: Reader,
    runtime: Handle,
    tree: Digest,
    recent: VecDeque<(EntryPath, Arc<Folder>)>,
}

/// In the order of the names.
type Folder = Vec<Node>;

/// What a file of the parent snapshot holds.
pub(super) struct Content {
    pub blobs: Option<Vec<Digest>>,
    /// In bytes.
    pub size: u64,
}

/// A plugin that walks a tree comes back to a folder's outer folders only, so a few are enough; those that are used stay.
const RECENT_FOLDERS_MAX: usize = 16;

impl Parent {
    pub async fn open(
        repository: &Repository,
        snapshot: Snapshot,
        source: &Name,
        runtime: Handle,
    ) -> Result<Self> {
        let reader = repository.reader().await?;
        let manifest = read_manifest(&reader, &snapshot, source).await?;
        Ok(Self { snapshot, manifest, reader, runtime })
    }

    /// What the plugin said then, for it to continue from.
    pub fn mark(&self) -> Option<Vec<u8>> {
        manifest::mark(self.manifest.as_ref()?)
    }

    pub fn folders(&self) -> ParentFolders {
        ParentFolders {
            reader: self.reader.clone(),
            runtime: self.runtime.clone(),
            tree: self.snapshot.tree,
            recent: VecDeque::new(),
        }
    }
}

impl ParentFolders {
    /// The content that the parent snapshot holds for an entry that has not changed since.
    pub fn unchanged(&mut self, path: &EntryPath, entry: &Entry) -> Result<Option<Content>> {
        let (Some(folder), Some(name)) = (path.parent(), path.name()) else { return Ok(None) };
        let folder = self.folder(&folder)?;
        Ok(find(&folder, name)
            .filter(|then| then.has_content_of(entry))
            .map(|then| Content { blobs: then.content.clone(), size: then.size }))
    }

    /// What is in a folder; nothing when there is none. Found by way of the folder that holds it, which was mostly looked at
    /// just before.
    fn folder(&mut self, path: &EntryPath) -> Result<Arc<Folder>> {
        if let Some(place) = self.recent.iter().position(|(recent, _)| recent == path) {
            if let Some(found) = self.recent.remove(place) {
                self.recent.push_front(found);
            }
        } else {
            let folder = Arc::new(self.read(path)?);
            self.recent.truncate(RECENT_FOLDERS_MAX - 1);
            self.recent.push_front((path.clone(), folder));
        }
        Ok(self.recent.front().map(|(_, folder)| Arc::clone(folder)).unwrap_or_default())
    }

    fn read(&mut self, path: &EntryPath) -> Result<Folder> {
        let tree = match (path.parent(), path.name()) {
            (Some(outer), Some(name)) => find(&*self.folder(&outer)?, name)
                .filter(|node| node.kind == NodeKind::Directory)
                .and_then(|node| node.subtree),
            _ => Some(self.tree),
        };
        let Some(tree) = tree else { return Ok(Folder::new()) };
        let found = self.runtime.block_on(self.reader.folder(&tree, &EntryPath::root()))?;
        Ok(found.unwrap_or_default())
    }
}

fn find<'a>(folder: &'a Folder, name: &[u8]) -> Option<&'a Node> {
    let found = folder.binary_search_by(|node| node.name.as_slice().cmp(name));
    found.ok().and_then(|index| folder.get(index))
}
