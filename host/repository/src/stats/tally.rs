use std::collections::{HashMap, HashSet};

use lockgate_types::Digest;

use crate::format::{Node, NodeKind};

/// What stands in one tree, without the trees below it.
#[derive(Default)]
pub(super) struct Own {
    entries: u64,
    files: u64,
    bytes: u64,
    /// Of files that may stand in a snapshot more than once: inode, device, bytes.
    links: Vec<(u64, u64, u64)>,
    pub(super) subtrees: Vec<Digest>,
}

impl Own {
    pub(super) fn add(&mut self, node: &Node) {
        self.entries += 1;
        self.files += u64::from(node.kind == NodeKind::File);
        if let (NodeKind::Directory, Some(tree)) = (node.kind, node.subtree) {
            self.subtrees.push(tree);
        }
        // As `restic stats` counts: the same inode of the same device is restored once.
        if node.links == 1 || node.kind == NodeKind::Directory || node.inode == 0 {
            self.bytes = self.bytes.saturating_add(node.size);
        } else {
            self.links.push((node.inode, node.device_id, node.size));
        }
    }
}

/// What stands in a tree and below it.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) entries: u64,
    pub(super) files: u64,
    /// Without those of links.
    pub(super) bytes: u64,
    has_links: bool,
}

/// The tallies of trees, each computed once.
pub(super) struct Tallies {
    own: HashMap<Digest, Own>,
    done: HashMap<Digest, Tally>,
}

impl Tallies {
    pub(super) fn new(own: HashMap<Digest, Own>) -> Self {
        Self { own, done: HashMap::new() }
    }

    /// Of a whole snapshot.
    pub(super) fn of(&mut self, root: &Digest) -> Tally {
        let mut open = vec![(*root, false)];
        // Those below a tree first. No recursion: whoever wrote the trees decides how deep they are.
        while let Some((tree, is_ready)) = open.pop() {
            let Some(own) = self.own.get(&tree).filter(|_| !self.done.contains_key(&tree)) else {
                continue;
            };
            if is_ready {
                let tally = self.sum(own);
                self.done.insert(tree, tally);
            } else {
                open.push((tree, true));
                open.extend(own.subtrees.iter().map(|subtree| (*subtree, false)));
            }
        }
        let mut tally = self.done.get(root).copied().unwrap_or_default();
        tally.bytes = tally.bytes.saturating_add(self.linked_bytes(root));
        tally
    }

    fn sum(&self, own: &Own) -> Tally {
        let first = Tally {
            entries: own.entries,
            files: own.files,
            bytes: own.bytes,
            has_links: !own.links.is_empty(),
        };
        let below = own.subtrees.iter().filter_map(|subtree| self.done.get(subtree));
        below.fold(first, |sum, below| Tally {
            entries: sum.entries.saturating_add(below.entries),
            files: sum.files.saturating_add(below.files),
            bytes: sum.bytes.saturating_add(below.bytes),
            has_links: sum.has_links || below.has_links,
        })
    }

    fn linked_bytes(&self, root: &Digest) -> u64 {
        let (mut open, mut seen) = (vec![*root], HashSet::from([*root]));
        let (mut counted, mut bytes) = (HashSet::new(), 0_u64);
        while let Some(tree) = open.pop() {
            let Some(own) = self.own.get(&tree) else { continue };
            for (inode, device, size) in &own.links {
                if counted.insert((*inode, *device)) {
                    bytes = bytes.saturating_add(*size);
                }
            }
            let linked = |tree: &&Digest| self.done.get(*tree).is_some_and(|it| it.has_links);
            open.extend(own.subtrees.iter().filter(linked).filter(|tree| seen.insert(**tree)));
        }
        bytes
    }
}
