//! How much snapshots hold, and what that takes in the repository. Every tree is read once.

mod tally;

use std::collections::{HashMap, HashSet};

use lockgate_types::Digest;
use serde::Serialize;

use crate::check::list_packs;
use crate::error::Result;
use crate::format::{BlobKind, Node, NodeKind, Snapshot, TreeNodes};
use crate::hash::sha256;
use crate::index::Index;
use crate::open::Repository;
use crate::snapshots::Selection;
use crate::survey::survey;
use tally::{Own, Tallies};

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StatsReport {
    /// Each snapshot for itself, the oldest first.
    #[serde(skip)]
    pub snapshots: Vec<SnapshotStats>,
    /// How many there are.
    pub snapshots_count: u64,
    /// Entries of all kinds in all of them.
    pub entries: u64,
    /// Files in all of them.
    pub files: u64,
    /// Bytes that a restore of all of them writes; what is linked more than once in a snapshot counts once.
    pub restore_bytes: u64,
    /// Files with different contents.
    pub contents: u64,
    /// Bytes of those.
    pub contents_bytes: u64,
    /// Different chunks that the snapshots need.
    pub data_blobs: u64,
    /// Different folders that the snapshots need.
    pub tree_blobs: u64,
    /// Bytes of both before compression.
    pub plain_bytes: u64,
    /// Bytes of both as they are stored, each once.
    pub stored_bytes: u64,
    /// `plain_bytes` over `stored_bytes`; 0 when nothing is stored.
    pub compression_ratio: f64,
    /// Chunks and folders that are needed and that no pack holds.
    pub blobs_missing: u64,
    /// Packs of the whole repository.
    pub packs: u64,
    /// Bytes of those, with what no snapshot needs any more.
    pub packs_bytes: u64,
}

/// How much one snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotStats {
    /// Which.
    pub snapshot: Snapshot,
    /// Entries of all kinds.
    pub entries: u64,
    /// Files.
    pub files: u64,
    /// Bytes that a restore writes.
    pub restore_bytes: u64,
}

/// What one tree says.
#[derive(Default)]
struct Facts {
    own: Own,
    /// Of each file, a digest of its content and its size.
    contents: Vec<(u128, u64)>,
    blobs: Vec<Digest>,
}

impl Repository {
    /// Counts what the chosen snapshots hold.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` when a snapshot, an index or a tree cannot be read.
    pub async fn stats(&self, selection: &Selection) -> Result<StatsReport> {
        let snapshots = self.select(selection).await?;
        let reader = self.reader().await?;
        let packs = list_packs(self, drop).await?;
        let mut report = StatsReport {
            packs: packs.len() as u64,
            packs_bytes: packs.values().sum(),
            ..StatsReport::default()
        };
        let (mut own, mut needed) = (HashMap::new(), Needed::default());
        let roots: Vec<Digest> = snapshots.iter().map(|snapshot| snapshot.tree).collect();
        survey(&reader, roots, facts, |tree, facts| {
            let facts: Facts = facts?;
            needed.add(reader.index(), BlobKind::Tree, tree, &mut report);
            for blob in facts.blobs {
                needed.add(reader.index(), BlobKind::Data, blob, &mut report);
            }
            for (content, size) in facts.contents {
                if needed.contents.insert(content) {
                    report.contents += 1;
                    report.contents_bytes = report.contents_bytes.saturating_add(size);
                }
            }
            let next = facts.own.subtrees.clone();
            own.insert(tree, facts.own);
            Ok(next)
        })
        .await?;
        let mut tallies = Tallies::new(own);
        for snapshot in snapshots {
            let tally = tallies.of(&snapshot.tree);
            report.snapshots_count += 1;
            report.entries = report.entries.saturating_add(tally.entries);
            report.files = report.files.saturating_add(tally.files);
            report.restore_bytes = report.restore_bytes.saturating_add(tally.bytes);
            let (entries, files, restore_bytes) = (tally.entries, tally.files, tally.bytes);
            report.snapshots.push(SnapshotStats { snapshot, entries, files, restore_bytes });
        }
        if report.stored_bytes > 0 {
            report.compression_ratio = report.plain_bytes as f64 / report.stored_bytes as f64;
        }
        Ok(report)
    }
}

/// What was counted already.
#[derive(Default)]
struct Needed {
    contents: HashSet<u128>,
    blobs: HashSet<Digest>,
}

impl Needed {
    fn add(&mut self, index: &Index, kind: BlobKind, id: Digest, report: &mut StatsReport) {
        // A chunk of the bytes of a tree has the same name; it would be the tree's twin in content and in size.
        if !self.blobs.insert(id) {
            return;
        }
        let Some(place) = index.locate(kind, &id) else {
            report.blobs_missing += 1;
            return;
        };
        match kind {
            BlobKind::Data => report.data_blobs += 1,
            BlobKind::Tree => report.tree_blobs += 1,
        }
        report.plain_bytes = report.plain_bytes.saturating_add(place.plain_length().into());
        report.stored_bytes = report.stored_bytes.saturating_add(place.length.into());
    }
}

fn facts(mut nodes: TreeNodes) -> Result<Facts> {
    let mut facts = Facts::default();
    while let Some(node) = nodes.next_node()? {
        facts.own.add(&node);
        if node.kind == NodeKind::File {
            facts.contents.push((content(&node), node.size));
            facts.blobs.extend_from_slice(node.blobs());
        }
    }
    Ok(facts)
}

/// Equal for files with the same chunks: 16 bytes of a digest tell as many files apart as there will ever be.
fn content(node: &Node) -> u128 {
    let ids: Vec<u8> = node.blobs().iter().flat_map(|id| id.0).collect();
    let digest = sha256(&ids);
    digest.0.first_chunk::<16>().map_or(0, |half| u128::from_le_bytes(*half))
}
