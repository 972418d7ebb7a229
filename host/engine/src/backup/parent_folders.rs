//! What the parent snapshot says of the entries that a plugin asks about.

use std::collections::VecDeque;
use std::sync::Arc;

use lockgate_repository::{PastNode, Reader};
use lockgate_types::{Digest, Entry, EntryPath};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::Result;

/// Folders of the parent snapshot that one part looked at last, and the one that it will look at next if it goes on as walks of
/// trees do.
pub(super) struct ParentFolders {
    reader: Reader,
    runtime: Handle,
    tree: Digest,
    recent: VecDeque<(EntryPath, Arc<Folder>)>,
    ahead: Option<Ahead>,
}

/// In the order of the names.
type Folder = Vec<PastNode>;

/// What a file of the parent snapshot holds.
pub(super) struct Content {
    pub blobs: Option<Vec<Digest>>,
    /// In bytes.
    pub size: u64,
}

/// A folder that is read before it is asked for.
struct Ahead {
    tree: Digest,
    task: AbortOnDropHandle<Result<Folder>>,
}

/// A plugin that walks a tree comes back to a folder's outer folders only, so a few are enough; those that are used stay.
const RECENT_FOLDERS_MAX: usize = 16;

impl ParentFolders {
    /// Of the snapshot with this `tree`.
    pub fn new(reader: Reader, runtime: Handle, tree: Digest) -> Self {
        Self { reader, runtime, tree, recent: VecDeque::new(), ahead: None }
    }

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
            self.read_ahead(path);
        }
        Ok(self.recent.front().map(|(_, folder)| Arc::clone(folder)).unwrap_or_default())
    }

    fn read(&mut self, path: &EntryPath) -> Result<Folder> {
        let tree = match (path.parent(), path.name()) {
            (Some(outer), Some(name)) => {
                find(&*self.folder(&outer)?, name).and_then(|node| node.subtree)
            }
            _ => Some(self.tree),
        };
        let Some(tree) = tree else { return Ok(Folder::new()) };
        if let Some(ahead) = self.ahead.take_if(|ahead| ahead.tree == tree)
            && let Ok(read) = self.runtime.block_on(ahead.task)
        {
            return read;
        }
        read(&self.reader, &self.runtime, tree)
    }

    /// Reads the folder that comes after `path` while the plugin is asked about those in it.
    fn read_ahead(&mut self, path: &EntryPath) {
        let listed = |path: &EntryPath| {
            let found = self.recent.iter().find(|(recent, _)| recent == path);
            found.map(|(_, folder)| Arc::clone(folder))
        };
        let Some(tree) = next_folder(path, listed) else { return };
        if self.ahead.as_ref().is_some_and(|ahead| ahead.tree == tree) {
            return;
        }
        let (runtime, reader) = (self.runtime.clone(), self.reader.clone());
        let task = self.runtime.spawn_blocking(move || read(&reader, &runtime, tree));
        self.ahead = Some(Ahead { tree, task: AbortOnDropHandle::new(task) });
    }
}

/// The names of a large folder take their time, and are read where they are waited for.
fn read(reader: &Reader, runtime: &Handle, tree: Digest) -> Result<Folder> {
    Ok(runtime.block_on(reader.sealed_tree(tree))?.past_nodes()?)
}

/// The folder that a walk comes to after all names of the one at `path`: the first in it, or else the next beside it or beside one
/// that holds it. None when that is not known, or when it was the last.
fn next_folder(
    path: &EntryPath,
    listed: impl Fn(&EntryPath) -> Option<Arc<Folder>>,
) -> Option<Digest> {
    if let Some(first) = listed(path)?.iter().find_map(|node| node.subtree) {
        return Some(first);
    }
    let mut path = path.clone();
    loop {
        let (outer, name) = (path.parent()?, path.name()?);
        let folder = listed(&outer)?;
        let after = folder.partition_point(|node| node.name.as_slice() <= name);
        if let Some(next) = folder.get(after..)?.iter().find_map(|node| node.subtree) {
            return Some(next);
        }
        path = outer;
    }
}

fn find<'a>(folder: &'a Folder, name: &[u8]) -> Option<&'a PastNode> {
    let found = folder.binary_search_by(|node| node.name.as_slice().cmp(name));
    found.ok().and_then(|index| folder.get(index))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lockgate_repository::format::{TreePrinter, parse_past_tree};
    use lockgate_repository::{Node, NodeKind};

    use super::*;

    #[test]
    fn the_next_folder_is_the_one_that_a_walk_comes_to() {
        let trees: BTreeMap<&str, &[&str]> = BTreeMap::from([
            ("", &["a/", "b", "c/"][..]),
            ("a", &["d/", "e/", "f"][..]),
            ("a/d", &["g"][..]),
            ("a/e", &["h/"][..]),
            ("a/e/h", &[][..]),
            ("c", &["i"][..]),
        ]);
        let of = |path: &str| {
            let mut digest = [0; 32];
            digest.iter_mut().zip(path.bytes()).for_each(|(to, from)| *to = from);
            Digest(digest)
        };
        let listed = |path: &EntryPath| {
            let path = path.to_string();
            let node = |name: &&str| {
                let own = name.trim_end_matches('/');
                let inner = if path.is_empty() { own.to_owned() } else { format!("{path}/{own}") };
                let (kind, subtree) = match own == *name {
                    true => (NodeKind::File, None),
                    false => (NodeKind::Directory, Some(of(&inner))),
                };
                Node { name: own.into(), kind, subtree, ..Node::default() }
            };
            let names = trees.get(path.as_str())?;
            let mut printer = TreePrinter::new();
            names.iter().for_each(|name| printer.add(&node(name)).unwrap());
            Some(Arc::new(parse_past_tree(&printer.finish()).unwrap()))
        };
        let walk = ["", "a", "a/d", "a/e", "a/e/h", "c"];
        for (path, next) in walk.iter().zip(walk.iter().skip(1)) {
            let path = EntryPath::try_from(*path).unwrap();
            assert_eq!(next_folder(&path, listed), Some(of(next)), "after {path:?}");
        }
        assert_eq!(next_folder(&EntryPath::try_from("c").unwrap(), listed), None);
        assert_eq!(next_folder(&EntryPath::try_from("unknown").unwrap(), listed), None);
    }
}
