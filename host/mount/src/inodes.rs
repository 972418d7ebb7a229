//! What the numbers stand for that the kernel knows.
//!
//! The number of an inode is made of where it is, so that it is the same again after the kernel forgot it, and in another
//! mount. Little is kept for each, because the kernel may know millions: what is large is read from the folder again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::{FileAttr, INodeNo};
use lockgate_repository::{Node, NodeKind};
use lockgate_types::{Digest, Timestamp};

use crate::attributes::{self, Owner};
use crate::limits;
use crate::view::{Shown, Way};

/// The root of the file system.
const ROOT: u64 = 1;

/// What a number stands for.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) object: Object,
    pub(crate) attributes: FileAttr,
    pub(crate) name: Arc<[u8]>,
    /// The tree that holds its node; none for what no snapshot holds, and for roots of snapshots.
    pub(crate) origin: Option<Digest>,
    parent: u64,
    /// The root of its snapshot.
    root: u64,
    /// Tells two apart that have the same number.
    check: u64,
}

#[derive(Debug)]
pub(crate) enum Object {
    /// A folder that no snapshot holds.
    Listing(Way),
    /// A link in the folder at the end of the way.
    Link(Way),
    /// A folder of a snapshot; without a tree when the node that should name it does not.
    Folder(Option<Digest>),
    /// A file, link or device of a snapshot.
    Other,
}

impl Inode {
    pub(crate) fn number(&self) -> u64 {
        self.attributes.ino.0
    }

    /// The number of the folder that it was found in.
    pub(crate) fn parent(&self) -> u64 {
        self.parent
    }

    /// The root of the file system.
    fn top(owner: Owner) -> Self {
        let mut attributes = attributes::of_folder(Timestamp::default(), owner);
        attributes.ino = INodeNo(ROOT);
        let object = Object::Listing(Arc::new([]));
        let name = Arc::new([]);
        Self { object, attributes, name, origin: None, parent: ROOT, root: ROOT, check: 0 }
    }

    /// What stands under `name` in the folder `parent`, which `way` leads to.
    pub(crate) fn of_shown(
        parent: &Self,
        way: &Way,
        name: &Arc<str>,
        shown: &Shown,
        owner: Owner,
    ) -> Self {
        let (object, attributes, id) = match shown {
            Shown::Listing(listing) => {
                let below = way.iter().chain([name]).cloned().collect();
                (Object::Listing(below), attributes::of_folder(listing.modified, owner), None)
            }
            Shown::Link(target, time) => {
                (Object::Link(Arc::clone(way)), attributes::of_link(target, *time, owner), None)
            }
            Shown::Root(root) => {
                let attributes = attributes::of_folder(root.time, owner);
                (Object::Folder(Some(root.tree)), attributes, Some(root.id))
            }
        };
        // The name of another snapshot is another inode.
        let identity = identify(("shown", parent.number(), name, id));
        let name = name.as_bytes().into();
        let mut inode = Self::new(parent, name, object, attributes, identity);
        inode.root = if id.is_some() { inode.number() } else { ROOT };
        inode
    }

    /// The node of a folder of a snapshot, which the tree `origin` holds.
    pub(crate) fn of_node(parent: &Self, origin: Option<Digest>, node: &Node) -> Self {
        let object = match node.kind {
            NodeKind::Directory => Object::Folder(node.subtree),
            _ => Object::Other,
        };
        let is_linked = node.links > 1 && node.inode != 0 && node.kind != NodeKind::Directory;
        let identity = if is_linked {
            // What else they have in common, so that nobody can put one file under another's number.
            let content = (node.kind.as_str(), node.size, &node.linktarget, node.blobs());
            identify(("link", parent.root, node.device_id, node.inode, content))
        } else {
            identify(("node", parent.number(), &node.name))
        };
        let name = node.name.as_slice().into();
        let inode = Self::new(parent, name, object, attributes::of_node(node), identity);
        Self { origin, ..inode }
    }

    fn new(
        parent: &Self,
        name: Arc<[u8]>,
        object: Object,
        mut attributes: FileAttr,
        (number, check): (u64, u64),
    ) -> Self {
        attributes.ino = INodeNo(number);
        let (root, parent) = (parent.root, parent.number());
        Self { object, attributes, name, origin: None, parent, root, check }
    }
}

/// A number that is neither 0, which stands for nothing, nor that of the root; and one more of the same.
fn identify(what: impl Hash) -> (u64, u64) {
    let number = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        what.hash(&mut hasher);
        hasher.finish()
    };
    (number(0).max(ROOT + 1), number(1))
}

/// The inodes that the kernel knows.
#[derive(Debug)]
pub(crate) struct Inodes(Mutex<HashMap<u64, Known>>);

#[derive(Debug)]
struct Known {
    inode: Arc<Inode>,
    /// How often the kernel was told of it and has not forgotten it.
    lookups: u64,
}

impl Inodes {
    /// With the root, which is never forgotten.
    pub(crate) fn new(owner: Owner) -> Self {
        let root = Known { inode: Arc::new(Inode::top(owner)), lookups: u64::MAX };
        Self(Mutex::new(HashMap::from([(ROOT, root)])))
    }

    pub(crate) fn get(&self, number: u64) -> Option<Arc<Inode>> {
        self.lock().get(&number).map(|known| Arc::clone(&known.inode))
    }

    /// The kernel is told of `inode`. Its attributes, with the number that it has from now on.
    pub(crate) fn take(&self, mut inode: Inode) -> FileAttr {
        let mut table = self.lock();
        let mut number = inode.number();
        // Two that have the same number by chance: the later one gets the next that is free.
        while table.get(&number).is_some_and(|known| known.inode.check != inode.check) {
            number = number.wrapping_add(1).max(ROOT + 1);
        }
        inode.attributes.ino = INodeNo(number);
        let attributes = inode.attributes;
        let lookups = table.get(&number).map_or(0, |known| known.lookups).saturating_add(1);
        table.insert(number, Known { inode: Arc::new(inode), lookups });
        attributes
    }

    /// The kernel has forgotten `count` of the times that it was told.
    pub(crate) fn forget(&self, number: u64, count: u64) {
        let mut table = self.lock();
        let Some(known) = table.get_mut(&number).filter(|_| number != ROOT) else { return };
        known.lookups = known.lookups.saturating_sub(count);
        if known.lookups == 0 {
            table.remove(&number);
        }
    }

    /// The path from the root of the file system, for the log.
    pub(crate) fn path(&self, number: u64) -> String {
        let (table, mut names, mut length) = (self.lock(), Vec::new(), 0);
        let mut at = number;
        while at != ROOT && length < limits::PATH_BYTES_MAX {
            let Some(known) = table.get(&at) else { break };
            length += known.inode.name.len() + 1;
            names.push(String::from_utf8_lossy(&known.inode.name).into_owned());
            at = known.inode.parent;
        }
        names.reverse();
        lockgate_types::into_shown(format!("/{}", names.join("/")), limits::PATH_BYTES_MAX)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, inode: u64, blob: u8) -> Node {
        let content = Some(vec![Digest([blob; 32])]);
        Node { name: name.into(), inode, links: 2, content, ..Node::default() }
    }

    #[test]
    fn links_share_a_number_and_nothing_else_does() {
        let top = Inode::top(Owner { user: 0, group: 0 });
        let number = |node: &Node| Inode::of_node(&top, None, node).number();
        let (first, second) = (number(&node("a", 7, 1)), number(&node("b", 7, 1)));
        assert_eq!(first, second);
        assert_ne!(first, number(&node("c", 8, 1)));
        assert_ne!(first, number(&node("d", 7, 2)), "another content is another file");
        let alone = Node { links: 1, ..node("a", 7, 1) };
        assert_ne!(number(&alone), number(&Node { name: b"b".to_vec(), ..alone.clone() }));
    }

    #[test]
    fn what_the_kernel_forgets_is_forgotten() {
        let owner = Owner { user: 0, group: 0 };
        let inodes = Inodes::new(owner);
        let top = inodes.get(ROOT).unwrap();
        let make = || Inode::of_node(&top, None, &node("a", 0, 1));
        let number = inodes.take(make()).ino.0;
        assert_eq!(inodes.take(make()).ino.0, number);
        assert_eq!(inodes.path(number), "/a");
        inodes.forget(number, 1);
        assert!(inodes.get(number).is_some());
        inodes.forget(number, 1);
        assert!(inodes.get(number).is_none());
        inodes.forget(ROOT, u64::MAX);
        assert!(inodes.get(ROOT).is_some());
    }

    #[test]
    fn two_with_one_number_get_two() {
        let inodes = Inodes::new(Owner { user: 0, group: 0 });
        let top = inodes.get(ROOT).unwrap();
        let make = |name, check| {
            let mut inode = Inode::of_node(&top, None, &node(name, 0, 1));
            (inode.attributes.ino, inode.check) = (INodeNo(77), check);
            inode
        };
        let (first, second) = (inodes.take(make("a", 1)), inodes.take(make("b", 2)));
        assert_eq!((first.ino.0, second.ino.0), (77, 78));
        assert_eq!(inodes.path(78), "/b");
    }
}
