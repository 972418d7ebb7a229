//! Which snapshots and paths a damage reaches.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use lockgate_types::Digest;

use super::finding::{Affected, Findings};
use super::scan::{Source, scan};
use super::trees::Walked;
use crate::error::Result;
use crate::format::{NodeKind, Snapshot, TreeNodes};

/// Trees that are looked at below all snapshots together: enough to name places, little enough to end.
const STEPS_MAX: u64 = 100_000;

/// A tree that leads to a damage.
struct Tainted {
    /// Name and tree of folders.
    folders: Vec<(Vec<u8>, Digest)>,
    /// Name and damaged blob of files.
    files: Vec<(Vec<u8>, Digest)>,
}

/// Names the places that need the blobs that cannot be read.
pub(super) async fn locate(
    source: &Source,
    walked: &Walked,
    snapshots: &[Snapshot],
    findings: &mut Findings,
) -> Result<()> {
    let damaged: Arc<HashSet<Digest>> = Arc::new(findings.blobs().copied().collect());
    if damaged.is_empty() {
        return Ok(());
    }
    let mut hit: HashSet<Digest> = walked.hit.clone();
    let is_known = |blob: &Digest| walked.faults.contains(blob) || source.inventory.is_lost(blob);
    if !damaged.iter().all(is_known) {
        hit.extend(users(source, walked.graph.trees().to_vec(), &damaged).await?);
    }
    hit.extend(damaged.iter().copied());
    let tainted: Vec<Digest> = walked.graph.above(hit).into_iter().collect();
    let trees = load(source, tainted, &damaged).await?;
    let mut steps = 0;
    for snapshot in snapshots.iter().rev() {
        let mut touch = |blob: &Digest, path: &[u8]| {
            let path = format!("/{}", String::from_utf8_lossy(path));
            findings.touch(blob, &Affected { snapshot: snapshot.id, path });
        };
        descend(snapshot.tree, &trees, &damaged, &mut steps, &mut touch);
    }
    Ok(())
}

/// Hands every damaged blob below `root` with its path to `touch`.
fn descend(
    root: Digest,
    trees: &HashMap<Digest, Tainted>,
    damaged: &HashSet<Digest>,
    steps: &mut u64,
    touch: &mut impl FnMut(&Digest, &[u8]),
) {
    let mut open = vec![(Vec::new(), root)];
    while let Some((path, tree)) = open.pop() {
        *steps += 1;
        if *steps > STEPS_MAX {
            return;
        }
        if damaged.contains(&tree) {
            touch(&tree, &path);
        }
        let Some(tainted) = trees.get(&tree) else { continue };
        let below = |name: &[u8]| match path.as_slice() {
            [] => name.to_vec(),
            path => [path, b"/", name].concat(),
        };
        for (name, blob) in &tainted.files {
            touch(blob, &below(name));
        }
        let folders = tainted.folders.iter().rev();
        open.extend(folders.map(|(name, subtree)| (below(name), *subtree)));
    }
}

/// The trees of which a file needs a damaged blob.
async fn users(
    source: &Source,
    trees: Vec<Digest>,
    damaged: &Arc<HashSet<Digest>>,
) -> Result<Vec<Digest>> {
    let blobs = Arc::clone(damaged);
    let visit = Arc::new(move |mut nodes: TreeNodes| -> Result<bool> {
        while let Some(node) = nodes.next_node()? {
            if node.blobs().iter().any(|blob| blobs.contains(blob)) {
                return Ok(true);
            }
        }
        Ok(false)
    });
    let mut users = Vec::new();
    let mut scanned = pin!(scan(source, trees, visit));
    while let Some(trees) = scanned.next().await {
        users.extend(trees?.iter().filter(|tree| matches!(tree.outcome, Ok(true))).map(|t| t.tree));
    }
    Ok(users)
}

async fn load(
    source: &Source,
    trees: Vec<Digest>,
    damaged: &Arc<HashSet<Digest>>,
) -> Result<HashMap<Digest, Tainted>> {
    let tainted: Arc<HashSet<Digest>> = Arc::new(trees.iter().copied().collect());
    let blobs = Arc::clone(damaged);
    let visit = Arc::new(move |nodes| taint(nodes, &tainted, &blobs));
    let mut loaded = HashMap::new();
    let mut scanned = pin!(scan(source, trees, visit));
    while let Some(trees) = scanned.next().await {
        loaded.extend(trees?.into_iter().filter_map(|tree| Some((tree.tree, tree.outcome.ok()?))));
    }
    Ok(loaded)
}

fn taint(
    mut nodes: TreeNodes,
    tainted: &HashSet<Digest>,
    damaged: &HashSet<Digest>,
) -> Result<Tainted> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    while let Some(node) = nodes.next_node()? {
        let mut hit: Vec<Digest> =
            node.blobs().iter().filter(|blob| damaged.contains(blob)).copied().collect();
        hit.sort_unstable();
        hit.dedup();
        files.extend(hit.into_iter().map(|blob| (node.name.clone(), blob)));
        let subtree = node.subtree.filter(|_| node.kind == NodeKind::Directory);
        if let Some(tree) = subtree.filter(|tree| tainted.contains(tree)) {
            folders.push((node.name, tree));
        }
    }
    Ok(Tainted { folders, files })
}
