//! Every tree of every snapshot, each read once however many snapshots share it.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use lockgate_types::Digest;

use super::finding::{Finding, Findings, Trouble};
use super::graph::TreeGraph;
use super::inventory::Inventory;
use super::scan::{Fault, Source, scan};
use crate::error::Result;
use crate::format::{BlobKind, NodeKind, TreeNodes};
use crate::layout::pack_name;

/// What walking all trees brought to light.
#[derive(Default)]
pub(super) struct Walked {
    pub graph: TreeGraph,
    /// Trees that could not be read, and blobs of files that no pack holds; as many as there can be findings.
    pub faults: HashSet<Digest>,
    /// Trees of which a file needs a blob that no pack holds.
    pub hit: HashSet<Digest>,
    pub files: u64,
}

/// What one tree says.
#[derive(Default)]
struct Facts {
    subtrees: Vec<Digest>,
    /// Blobs that no index names.
    missing: Vec<Digest>,
    /// A file needs a blob that is missing or was in a lost pack.
    is_hit: bool,
    files: u64,
    /// Something that should not be in a tree.
    odd: Option<String>,
}

/// Walks everything below `roots`; `report` is told the number of trees from time to time.
pub(super) async fn walk(
    source: &Source,
    roots: &[Digest],
    findings: &mut Findings,
    mut report: impl FnMut(u64),
) -> Result<Walked> {
    let mut walked = Walked::default();
    let inventory = Arc::clone(&source.inventory);
    let visit = Arc::new(move |nodes| facts(&inventory, nodes));
    let mut frontier = Vec::new();
    for root in roots {
        if walked.graph.insert(*root) {
            frontier.push(*root);
        }
    }
    let mut done = 0;
    while !frontier.is_empty() {
        let mut next = Vec::new();
        let mut scanned = pin!(scan(source, frontier, Arc::clone(&visit)));
        while let Some(trees) = scanned.next().await {
            let trees = trees?;
            done += trees.len() as u64;
            for tree in trees {
                match tree.outcome {
                    Ok(facts) => walked.take(&tree.tree, facts, findings, &mut next),
                    // The finding about its pack stands for it.
                    Err(Fault::Missing) if source.inventory.is_lost(&tree.tree) => {}
                    Err(fault) => {
                        walked.fault(findings, tree.tree, finding_of(tree.tree, fault));
                    }
                }
            }
            report(done);
        }
        frontier = next;
    }
    Ok(walked)
}

fn facts(inventory: &Inventory, mut nodes: TreeNodes) -> Result<Facts> {
    let mut facts = Facts::default();
    while let Some(node) = nodes.next_node()? {
        match (node.kind, &node.subtree) {
            (NodeKind::Directory, Some(tree)) => facts.subtrees.push(*tree),
            (NodeKind::Directory, None) => {
                let name = node.name.escape_ascii();
                facts.odd = Some(format!("directory {name} has no tree"));
            }
            (NodeKind::File, _) => facts.files += 1,
            _ => {}
        }
        let is_missing = |blob: &&Digest| inventory.find(blob, BlobKind::Data).is_none();
        for blob in node.blobs().iter().filter(is_missing) {
            facts.is_hit = true;
            if !inventory.is_lost(blob) {
                facts.missing.push(*blob);
            }
        }
    }
    Ok(facts)
}

impl Walked {
    fn take(
        &mut self,
        tree: &Digest,
        facts: Facts,
        findings: &mut Findings,
        next: &mut Vec<Digest>,
    ) {
        self.files += facts.files;
        for subtree in facts.subtrees {
            if self.graph.link(subtree, tree) {
                next.push(subtree);
            }
        }
        if let Some(odd) = facts.odd {
            self.fault(findings, *tree, Finding::new(Trouble::Tree, "", odd).of_blob(*tree));
        }
        if facts.is_hit {
            self.hit.insert(*tree);
        }
        for blob in facts.missing {
            let detail = "no pack holds this content of a file";
            self.fault(
                findings,
                blob,
                Finding::new(Trouble::BlobMissing, "", detail).of_blob(blob),
            );
        }
    }

    fn fault(&mut self, findings: &mut Findings, blob: Digest, finding: Finding) {
        if self.faults.contains(&blob) {
            return;
        }
        if self.faults.len() < Findings::MAX {
            self.faults.insert(blob);
        }
        findings.push(finding);
    }
}

fn finding_of(tree: Digest, fault: Fault) -> Finding {
    match fault {
        Fault::Missing => {
            Finding::new(Trouble::BlobMissing, "", "no pack holds this folder").of_blob(tree)
        }
        Fault::Damaged { pack, why } => {
            Finding::new(Trouble::Tree, pack_name(&pack), why).of_blob(tree)
        }
    }
}
