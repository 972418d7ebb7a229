//! What snapshots need: every tree once, however many snapshots share it.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use lockgate_types::Digest;

use super::needs::Needs;
use crate::check::{Fault, InventoryBuilder, Source, list_packs, scan};
use crate::error::{Error, Result};
use crate::format::{BlobKind, IndexFile, IndexPack, NodeKind, TreeNodes};
use crate::layout::{FileKind, off_reactor};
use crate::open::Repository;

/// Where trees are, in packs that are in use and in marked ones.
#[derive(Default)]
pub(super) struct TreePlaces(Vec<IndexPack>);

/// What a tree needs.
struct Needed {
    subtrees: Vec<Digest>,
    missing: Option<Digest>,
}

impl TreePlaces {
    pub(super) fn add(&mut self, pack: &IndexPack) {
        let trees = pack.blobs.iter().filter(|blob| blob.kind == BlobKind::Tree);
        let blobs: Vec<_> = trees.copied().collect();
        if !blobs.is_empty() {
            self.0.push(IndexPack { id: pack.id, blobs, time: None, size: None });
        }
    }

    /// Only packs that are there count: what an earlier prune deleted before it was broken off is still named.
    pub(super) async fn finish(
        mut self,
        repository: &Repository,
        is_there: impl Fn(&Digest) -> bool,
    ) -> Source {
        self.0.retain(|pack| is_there(&pack.id));
        let mut builder = InventoryBuilder::default();
        builder.add(IndexFile { packs: self.0, ..IndexFile::default() });
        let inventory = off_reactor(move || builder.build()).await;
        Source { repository: repository.clone(), inventory: Arc::new(inventory) }
    }
}

/// Marks as needed all that is below `roots`.
///
/// # Errors
/// `Corrupt` when something cannot be read or no index names it: then nobody knows what is needed.
pub(super) async fn walk(
    source: &Source,
    needs: &Arc<Needs>,
    roots: impl IntoIterator<Item = Digest>,
    mut report: impl FnMut(u64),
) -> Result<()> {
    let marking = Arc::clone(needs);
    let visit = move |mut nodes: TreeNodes| {
        let mut needed = Needed { subtrees: Vec::new(), missing: None };
        while let Some(node) = nodes.next_node()? {
            needed.subtrees.extend(subtree(node.kind, node.subtree));
            for blob in node.blobs() {
                if marking.need(BlobKind::Data, blob).is_none() {
                    needed.missing = Some(*blob);
                }
            }
        }
        Ok(needed)
    };
    let is_new = |tree: Digest| match needs.need(BlobKind::Tree, &tree) {
        Some(is_new) => Ok(is_new.then_some(tree)),
        None => Err(missing(&tree)),
    };
    let (visit, mut frontier) = (Arc::new(visit), Vec::new());
    for root in roots {
        frontier.extend(is_new(root)?);
    }
    while !frontier.is_empty() {
        let mut next = Vec::new();
        let mut scanned = pin!(scan(source, frontier, Arc::clone(&visit)));
        while let Some(trees) = scanned.next().await {
            let trees = trees?;
            report(trees.len() as u64);
            for tree in trees {
                let needed = tree.outcome.map_err(|fault| unreadable(&tree.tree, fault))?;
                if let Some(blob) = needed.missing {
                    return Err(missing(&blob));
                }
                for subtree in needed.subtrees {
                    next.extend(is_new(subtree)?);
                }
            }
        }
        frontier = next;
    }
    Ok(())
}

/// Notes what is below `roots`, of snapshots that came while the prune was at work. They may need blobs of packs that are
/// newer than it.
pub(super) async fn walk_late(
    repository: &Repository,
    needs: &Arc<Needs>,
    roots: Vec<Digest>,
) -> Result<()> {
    let mut places = TreePlaces::default();
    let files = repository.list_files(FileKind::Index).await?;
    repository
        .load_files(files, |_, file: IndexFile| {
            file.packs.iter().chain(&file.packs_to_delete).for_each(|pack| places.add(pack));
            Ok(())
        })
        .await?;
    let there = list_packs(repository, drop).await?;
    let source = places.finish(repository, |pack| there.contains_key(pack)).await;
    let marking = Arc::clone(needs);
    let visit = Arc::new(move |mut nodes: TreeNodes| {
        let mut subtrees = Vec::new();
        while let Some(node) = nodes.next_node()? {
            subtrees.extend(subtree(node.kind, node.subtree));
            node.blobs().iter().for_each(|blob| marking.need_late(BlobKind::Data, blob));
        }
        Ok(subtrees)
    });
    let mut seen: HashSet<Digest> = roots.iter().copied().collect();
    let mut frontier: Vec<Digest> = seen.iter().copied().collect();
    while !frontier.is_empty() {
        frontier.iter().for_each(|tree| needs.need_late(BlobKind::Tree, tree));
        let mut next = Vec::new();
        let mut scanned = pin!(scan(&source, frontier, Arc::clone(&visit)));
        while let Some(trees) = scanned.next().await {
            for tree in trees? {
                let subtrees = tree.outcome.map_err(|fault| unreadable(&tree.tree, fault))?;
                // What was walked in time needs nothing that is not known.
                next.extend(
                    subtrees.into_iter().filter(|tree| {
                        !needs.is_needed(BlobKind::Tree, tree) && seen.insert(*tree)
                    }),
                );
            }
        }
        frontier = next;
    }
    Ok(())
}

fn subtree(kind: NodeKind, tree: Option<Digest>) -> Option<Digest> {
    tree.filter(|_| kind == NodeKind::Directory)
}

fn missing(blob: &Digest) -> Error {
    let text = format!("blob {}, which a snapshot needs, is in no pack", blob.short());
    Error::corrupt("repository", text)
}

fn unreadable(tree: &Digest, fault: Fault) -> Error {
    match fault {
        Fault::Missing => missing(tree),
        Fault::Damaged { pack, why } => {
            let what = format!("tree {} in pack {}", tree.short(), pack.short());
            Error::corrupt(what, why)
        }
    }
}
