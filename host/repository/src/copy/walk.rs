use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use lockgate_types::Digest;

use crate::error::Result;
use crate::format::{BlobKind, TreeNodes};
use crate::layout::off_reactor;
use crate::limits;
use crate::read::Reader;
use crate::write::Writer;

/// Goes through trees and brings what the target lacks. Every tree is looked at, also one that the target holds: a run
/// that broke off may have left it there without what is below.
pub(super) struct Walker {
    reader: Reader,
    writer: Arc<Writer>,
    /// Trees that were gone through, of this snapshot or of one before it.
    seen: HashSet<Digest>,
}

/// What one tree asks for.
struct Asked {
    subtrees: Vec<Digest>,
    /// Content that the target lacks.
    lacking: Vec<(BlobKind, Digest)>,
}

impl Walker {
    pub(super) fn new(reader: &Reader, writer: &Arc<Writer>) -> Self {
        let (reader, writer) = (reader.clone(), Arc::clone(writer));
        Self { reader, writer, seen: HashSet::new() }
    }

    /// Brings everything of the snapshot whose root is `tree`. After an error the run must not go on: what was claimed
    /// may not have come.
    ///
    /// # Errors
    /// `Corrupt` for what is missing or damaged at the origin, `Storage`, and the first error of the run.
    pub(super) async fn copy(&mut self, tree: Digest) -> Result<()> {
        let mut frontier = Vec::new();
        if self.seen.insert(tree) {
            frontier.push(tree);
        }
        let mut lacking = Vec::new();
        while !frontier.is_empty() {
            let mut next = Vec::new();
            let reading = frontier.into_iter().map(|tree| read(&self.reader, &self.writer, tree));
            let mut trees =
                futures::stream::iter(reading).buffer_unordered(limits::TREES_AHEAD_MAX);
            while let Some(asked) = trees.next().await {
                let asked = asked?;
                next.extend(asked.subtrees.into_iter().filter(|tree| self.seen.insert(*tree)));
                lacking.extend(asked.lacking);
                if lacking.len() >= limits::PIECES_AT_A_TIME {
                    bring(&self.reader, &self.writer, std::mem::take(&mut lacking)).await?;
                }
            }
            drop(trees);
            frontier = next;
        }
        bring(&self.reader, &self.writer, lacking).await
    }
}

/// Reads a tree, and stores it where it is lacking.
async fn read(reader: &Reader, writer: &Arc<Writer>, id: Digest) -> Result<Asked> {
    let json: Bytes = reader.fetch_tree(id).await?;
    let writer = Arc::clone(writer);
    off_reactor(move || {
        let mut asked = Asked { subtrees: Vec::new(), lacking: Vec::new() };
        let mut nodes = TreeNodes::new(json.clone())?;
        while let Some(node) = nodes.next_node()? {
            asked.subtrees.extend(node.subtree);
            let is_lacking = |id: &&Digest| writer.claim(BlobKind::Data, id);
            let lacking = node.blobs().iter().filter(is_lacking);
            asked.lacking.extend(lacking.map(|id| (BlobKind::Data, *id)));
        }
        if writer.claim(BlobKind::Tree, &id) {
            writer.add_blob(BlobKind::Tree, id, json.to_vec())?;
        }
        Ok(asked)
    })
    .await
    .map_err(|error: crate::Error| error.at(format_args!("tree {}", id.short())))
}

async fn bring(
    reader: &Reader,
    writer: &Arc<Writer>,
    blobs: Vec<(BlobKind, Digest)>,
) -> Result<()> {
    let writer = Arc::clone(writer);
    let take = Arc::new(move |kind, id, plain| writer.add_blob(kind, id, plain));
    let missed = reader.fetch_blobs(blobs, take).await?;
    missed.into_iter().next().map_or(Ok(()), |(_, _, error)| Err(error))
}
