//! Every tree below some roots, each read once however often it is used.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use lockgate_types::Digest;

use crate::check::is_about_object;
use crate::error::Result;
use crate::format::{BlobKind, TreeNodes};
use crate::layout::off_reactor;
use crate::limits;
use crate::read::Reader;

/// Reads the trees, in any order; `visit` makes something of the nodes of each, on a thread for CPU work, and `take` gets it
/// and says which trees come next. A tree that is missing or damaged comes to `take` as an error; one that ends the survey
/// is of the way to the storage.
///
/// # Errors
/// `Storage`, and those of `take`.
pub(crate) async fn survey<T, V>(
    reader: &Reader,
    roots: impl IntoIterator<Item = Digest>,
    visit: V,
    mut take: impl FnMut(Digest, Result<T>) -> Result<Vec<Digest>>,
) -> Result<()>
where
    T: Send + 'static,
    V: Fn(TreeNodes) -> Result<T> + Send + Sync + 'static,
{
    let visit = Arc::new(visit);
    let mut seen = HashSet::new();
    let mut frontier: Vec<Digest> = roots.into_iter().filter(|root| seen.insert(*root)).collect();
    while !frontier.is_empty() {
        // Neighbours in a pack come with one request.
        frontier.sort_by_cached_key(|id| {
            let place = reader.index().locate(BlobKind::Tree, id);
            place.map(|place| (place.pack, place.offset))
        });
        let mut next = Vec::new();
        let mut trees = stream::iter(frontier)
            .map(|id| one(reader.clone(), id, Arc::clone(&visit)))
            .buffer_unordered(limits::TREES_AHEAD_MAX);
        while let Some((id, outcome)) = trees.next().await {
            let outcome = match outcome {
                Err(error) if !is_about_object(&error) => return Err(error),
                outcome => outcome,
            };
            next.extend(take(id, outcome)?.into_iter().filter(|child| seen.insert(*child)));
        }
        frontier = next;
    }
    Ok(())
}

async fn one<T, V>(reader: Reader, id: Digest, visit: Arc<V>) -> (Digest, Result<T>)
where
    T: Send + 'static,
    V: Fn(TreeNodes) -> Result<T> + Send + Sync + 'static,
{
    let outcome = match reader.tree(&id).await {
        Ok(nodes) => off_reactor(move || visit(nodes)).await,
        Err(error) => Err(error),
    };
    (id, outcome.map_err(|error| error.at(format_args!("tree {}", id.short()))))
}
