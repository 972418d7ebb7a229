//! What differs between two folders of snapshots. Trees with the same name hold the same and are not read.

mod change;
mod count;

use std::collections::HashSet;

use lockgate_types::{Digest, EntryPath};

pub use change::{Change, ChangeKind};
pub use count::{DiffCount, DiffReport};

use crate::error::{Error, Result};
use crate::format::{BlobKind, Node, NodeKind, TreeNodes};
use crate::read::Reader;
use change::compare;

/// What is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiffOptions {
    /// Entries whose owner, mode, time or attributes alone differ are changes too.
    pub metadata: bool,
}

/// A folder that both sides have, half-way through.
struct Folder {
    path: EntryPath,
    left: Side,
    right: Side,
}

struct Side {
    nodes: TreeNodes,
    head: Option<Node>,
}

impl Side {
    async fn open(reader: &Reader, tree: &Digest) -> Result<Self> {
        let mut nodes = reader.tree(tree).await?;
        let head = nodes.next_node()?;
        Ok(Self { nodes, head })
    }

    fn take(&mut self) -> Result<Option<Node>> {
        let next = if self.head.is_some() { self.nodes.next_node()? } else { None };
        Ok(std::mem::replace(&mut self.head, next))
    }
}

/// The blobs that the visited folders of one side need.
#[derive(Default)]
struct Blobs {
    data: HashSet<Digest>,
    trees: HashSet<Digest>,
}

impl Blobs {
    fn add(&mut self, node: &Node) {
        self.data.extend(node.blobs());
        self.trees.extend(node.subtree);
    }
}

struct Differ<'a, F> {
    reader: &'a Reader,
    options: DiffOptions,
    observe: F,
    report: DiffReport,
    before: Blobs,
    after: Blobs,
}

impl Reader {
    /// Compares the folder `left` with the folder `right` and hands every change to `observe`, in the order of paths.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`.
    pub async fn diff(
        &self,
        left: &Digest,
        right: &Digest,
        options: DiffOptions,
        observe: impl FnMut(Change),
    ) -> Result<DiffReport> {
        let mut differ = Differ {
            reader: self,
            options,
            observe,
            report: DiffReport::default(),
            before: Blobs::default(),
            after: Blobs::default(),
        };
        if left != right {
            differ.before.trees.insert(*left);
            differ.after.trees.insert(*right);
            differ.folders(left, right).await?;
        }
        Ok(differ.finish())
    }
}

impl<F: FnMut(Change)> Differ<'_, F> {
    async fn folders(&mut self, left: &Digest, right: &Digest) -> Result<()> {
        let mut open = vec![self.folder(EntryPath::root(), left, right).await?];
        while let Some(folder) = open.last_mut() {
            let (left, right) = match (&folder.left.head, &folder.right.head) {
                (None, None) => {
                    open.pop();
                    continue;
                }
                (Some(left), Some(right)) => (left.name <= right.name, right.name <= left.name),
                (left, right) => (left.is_some(), right.is_some()),
            };
            let left = if left { folder.left.take()? } else { None };
            let right = if right { folder.right.take()? } else { None };
            let node = left.as_ref().or(right.as_ref());
            let Some(path) = node.map(|node| child(&folder.path, node)).transpose()? else {
                continue;
            };
            if let Some((left, right)) = self.nodes(&path, left, right).await? {
                let below = self.folder(path, &left, &right).await?;
                open.push(below);
            }
        }
        Ok(())
    }

    async fn folder(&self, path: EntryPath, left: &Digest, right: &Digest) -> Result<Folder> {
        let at = |error: Error| error.at(format_args!("folder {path}"));
        let left = Side::open(self.reader, left).await.map_err(at)?;
        let right = Side::open(self.reader, right).await.map_err(at)?;
        Ok(Folder { path, left, right })
    }

    /// The trees to go into, when both sides have a folder and they differ.
    async fn nodes(
        &mut self,
        path: &EntryPath,
        left: Option<Node>,
        right: Option<Node>,
    ) -> Result<Option<(Digest, Digest)>> {
        if let Some(node) = &left {
            self.before.add(node);
        }
        if let Some(node) = &right {
            self.after.add(node);
        }
        let (left, right) = match (left, right) {
            (Some(left), Some(right)) => (left, right),
            (Some(node), None) => {
                self.whole(path, &node, ChangeKind::Removed).await?;
                return Ok(None);
            }
            (None, Some(node)) => {
                self.whole(path, &node, ChangeKind::Added).await?;
                return Ok(None);
            }
            (None, None) => return Ok(None),
        };
        if let Some(kind) = compare(&left, &right, self.options.metadata) {
            self.report.changed_files += u64::from(
                left.kind == NodeKind::File && right.kind == NodeKind::File && kind.is_of_content(),
            );
            self.change(path, &right, kind);
        }
        match (left.subtree, right.subtree) {
            (Some(left), Some(right)) if left != right => Ok(Some((left, right))),
            (Some(tree), None) => self.below(path, tree, ChangeKind::Removed).await.map(|()| None),
            (None, Some(tree)) => self.below(path, tree, ChangeKind::Added).await.map(|()| None),
            _ => Ok(None),
        }
    }

    /// Something that only one side has.
    async fn whole(&mut self, path: &EntryPath, node: &Node, kind: ChangeKind) -> Result<()> {
        self.count(node, kind);
        self.change(path, node, kind);
        match node.subtree {
            Some(tree) => self.below(path, tree, kind).await,
            None => Ok(()),
        }
    }

    async fn below(&mut self, path: &EntryPath, tree: Digest, kind: ChangeKind) -> Result<()> {
        let mut walk = self.reader.walk(tree, EntryPath::root(), None);
        while let Some((below, node)) = walk.next().await? {
            match kind {
                ChangeKind::Removed => self.before.add(&node),
                _ => self.after.add(&node),
            }
            self.count(&node, kind);
            let path = path.join(&below).map_err(|error| Error::corrupt("tree", error))?;
            self.change(&path, &node, kind);
        }
        Ok(())
    }

    fn count(&mut self, node: &Node, kind: ChangeKind) {
        match kind {
            ChangeKind::Removed => self.report.removed.add(node.kind),
            _ => self.report.added.add(node.kind),
        }
    }

    fn change(&mut self, path: &EntryPath, node: &Node, kind: ChangeKind) {
        let is_folder = node.kind == NodeKind::Directory;
        (self.observe)(Change { path: path.clone(), is_folder, kind });
    }

    fn finish(mut self) -> DiffReport {
        let length = |kind, id: &Digest| self.reader.index().plain_length(kind, id).unwrap_or(0);
        let tell = |count: &mut DiffCount, own: &Blobs, other: &Blobs| {
            for id in own.data.difference(&other.data) {
                count.data_blobs += 1;
                count.bytes += u64::from(length(BlobKind::Data, id));
            }
            for id in own.trees.difference(&other.trees) {
                count.tree_blobs += 1;
                count.bytes += u64::from(length(BlobKind::Tree, id));
            }
        };
        tell(&mut self.report.removed, &self.before, &self.after);
        tell(&mut self.report.added, &self.after, &self.before);
        self.report
    }
}

fn child(folder: &EntryPath, node: &Node) -> Result<EntryPath> {
    let name = EntryPath::new(node.name.clone()).map_err(|error| Error::corrupt("tree", error))?;
    folder.join(&name).map_err(|error| Error::corrupt("tree", error))
}
