use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use lockgate_repository::{Node, Reader, Repository, Snapshot};
use lockgate_types::{Entry, EntryPath, Name};
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
    tree: lockgate_types::Digest,
    recent: VecDeque<(EntryPath, Arc<Folder>)>,
}

type Folder = HashMap<Vec<u8>, Node>;

/// A plugin that walks a tree comes back to a folder's outer folders only, so a few are enough.
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
    pub fn unchanged(&mut self, path: &EntryPath, entry: &Entry) -> Result<Option<Node>> {
        let (Some(folder), Some(name)) = (path.parent(), path.name()) else { return Ok(None) };
        let folder = self.folder(&folder)?;
        let Some(then) = folder.get(name) else { return Ok(None) };
        let old = then.to_entry(entry.path.clone());
        let same_file = match (&old.metadata, &entry.metadata) {
            (Some(old), Some(now)) => old.is_unchanged(now),
            _ => false,
        };
        let same_tag =
            entry.attributes.get("etag").is_some_and(|tag| old.attributes.get("etag") == Some(tag));
        Ok((same_file || same_tag).then(|| then.clone()))
    }

    fn folder(&mut self, path: &EntryPath) -> Result<Arc<Folder>> {
        if let Some((_, folder)) = self.recent.iter().find(|(recent, _)| recent == path) {
            return Ok(Arc::clone(folder));
        }
        let nodes =
            self.runtime.block_on(self.reader.folder(&self.tree, path))?.unwrap_or_default();
        let folder: Folder = nodes.into_iter().map(|node| (node.name.clone(), node)).collect();
        let folder = Arc::new(folder);
        self.recent.truncate(RECENT_FOLDERS_MAX - 1);
        self.recent.push_front((path.clone(), Arc::clone(&folder)));
        Ok(folder)
    }
}
