//! Where something is, over many snapshots. A folder in which nothing was found is not read again for the next snapshot.

mod criteria;
mod moment;
mod pattern;

use std::collections::HashSet;

use lockgate_types::{Digest, EntryPath};

pub(crate) use criteria::parse_bytes;
pub use criteria::{FindOptions, SizeRange};
pub use moment::parse_moment;
pub use pattern::Pattern;

use crate::cat::find_blob;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, Node, Snapshot, TreeNodes};
use crate::identifier;
use crate::limits;
use crate::open::Repository;
use crate::read::Reader;
use crate::snapshots::Selection;

/// An entry that was looked for.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Of which snapshot.
    pub snapshot: &'a Snapshot,
    /// Where in it; the root when its tree was asked for.
    pub path: EntryPath,
    /// The entry; none of the root.
    pub node: Option<Node>,
    /// The blob that was asked for and that the entry needs.
    pub blob: Option<Digest>,
}

/// A folder half-way through.
struct Folder {
    tree: Digest,
    path: EntryPath,
    nodes: TreeNodes,
    has_found: bool,
}

/// The blobs that were asked for.
#[derive(Default)]
struct Wanted {
    data: HashSet<Digest>,
    trees: HashSet<Digest>,
}

struct Finder<'a> {
    reader: Reader,
    options: &'a FindOptions,
    wanted: Wanted,
    /// Trees without anything that is looked for; at most [`limits::BARREN_TREES_MAX`].
    barren: HashSet<Digest>,
    /// Whether a tree holds the same finds wherever it stands.
    is_placeless: bool,
}

impl Repository {
    /// Looks through the chosen snapshots, the oldest first, and hands over what fits. Gives how many entries fitted.
    ///
    /// # Errors
    /// `Invalid` when nothing is asked for; `NotFound` and `Ambiguous` for snapshots, blobs and packs; `Storage`, `Corrupt`.
    pub async fn find(
        &self,
        selection: &Selection,
        options: &FindOptions,
        mut take: impl FnMut(Found<'_>),
    ) -> Result<u64> {
        if options.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "nothing is looked for")
                .with_hint("give a pattern, or a condition such as --blob, --newer or --size"));
        }
        let snapshots = self.select(selection).await?;
        let reader = self.reader().await?;
        let wanted = wanted(&reader, options)?;
        let is_placeless = !options.patterns.iter().any(Pattern::is_of_path);
        let barren = HashSet::new();
        let mut finder = Finder { reader, options, wanted, barren, is_placeless };
        let mut count = 0;
        for snapshot in &snapshots {
            let at = |error: Error| error.at(format_args!("snapshot {}", snapshot.id.short()));
            count += finder.look(snapshot, &mut take).await.map_err(at)?;
        }
        Ok(count)
    }
}

fn wanted(reader: &Reader, options: &FindOptions) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    let index = reader.index();
    for prefix in &options.blobs {
        match find_blob(reader, prefix)? {
            (BlobKind::Data, id) => wanted.data.insert(id),
            (BlobKind::Tree, id) => wanted.trees.insert(id),
        };
    }
    for prefix in &options.trees {
        wanted.trees.insert(identifier::find("tree", index.ids(BlobKind::Tree), prefix)?);
    }
    for prefix in &options.packs {
        let pack = identifier::find("pack", index.packs().copied(), prefix)?;
        wanted.data.extend(index.blobs_of(&pack, BlobKind::Data));
        wanted.trees.extend(index.blobs_of(&pack, BlobKind::Tree));
    }
    Ok(wanted)
}

impl Finder<'_> {
    async fn look(&mut self, snapshot: &Snapshot, take: &mut impl FnMut(Found<'_>)) -> Result<u64> {
        let mut count = 0;
        if self.options.fits_anything() && self.wanted.trees.contains(&snapshot.tree) {
            count += 1;
            let blob = Some(snapshot.tree);
            take(Found { snapshot, path: EntryPath::root(), node: None, blob });
        }
        let mut open: Vec<Folder> = Vec::new();
        open.extend(self.enter(EntryPath::root(), snapshot.tree).await?);
        while let Some(folder) = open.last_mut() {
            let Some(node) = folder.nodes.next_node()? else {
                let has_found = self.leave(open.pop());
                if let Some(above) = open.last_mut() {
                    above.has_found |= has_found;
                }
                continue;
            };
            let path = child(&folder.path, &node)?;
            let subtree = node.subtree;
            if let Some(blob) = self.fits(&path, &node) {
                folder.has_found = true;
                count += 1;
                take(Found { snapshot, path: path.clone(), node: Some(node), blob });
            }
            if let Some(tree) = subtree {
                open.extend(self.enter(path, tree).await?);
            }
        }
        Ok(count)
    }

    async fn enter(&self, path: EntryPath, tree: Digest) -> Result<Option<Folder>> {
        if self.barren.contains(&tree) {
            return Ok(None);
        }
        let nodes = self.reader.tree(&tree).await;
        let nodes = nodes.map_err(|error| error.at(format_args!("folder {path}")))?;
        Ok(Some(Folder { tree, path, nodes, has_found: false }))
    }

    fn leave(&mut self, folder: Option<Folder>) -> bool {
        let Some(folder) = folder else { return false };
        if !folder.has_found && self.is_placeless && self.barren.len() < limits::BARREN_TREES_MAX {
            self.barren.insert(folder.tree);
        }
        folder.has_found
    }

    /// Whether the entry is looked for, and by which blob.
    fn fits(&self, path: &EntryPath, node: &Node) -> Option<Option<Digest>> {
        if !self.options.fits(path, node) {
            return None;
        }
        if !self.options.names_blobs() {
            return Some(None);
        }
        let tree = node.subtree.filter(|tree| self.wanted.trees.contains(tree));
        let blob = || node.blobs().iter().find(|blob| self.wanted.data.contains(*blob)).copied();
        tree.or_else(blob).map(Some)
    }
}

fn child(folder: &EntryPath, node: &Node) -> Result<EntryPath> {
    let name = EntryPath::new(node.name.clone()).map_err(|error| Error::corrupt("tree", error))?;
    folder.join(&name).map_err(|error| Error::corrupt("tree", error))
}
