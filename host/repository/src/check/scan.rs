//! Reads many trees at once: neighbours in a pack with one request, several requests at a time, CPU work elsewhere.

use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use lockgate_types::Digest;

use super::inventory::{Entry, Inventory};
use super::structure::is_about_object;
use crate::error::{Error, Result};
use crate::format::{BlobKind, TreeNodes};
use crate::hash::sha256;
use crate::layout::{off_reactor, pack_name};
use crate::limits;
use crate::open::Repository;
use crate::seal::MasterKey;

/// Requests for trees under way at a time.
const REQUESTS: usize = 8;
/// Most bytes of one request for several trees.
const REQUEST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Unwanted bytes that are fetched rather than starting another request.
const GAP_BYTES_MAX: u64 = 128 * 1024;

/// What is needed to read blobs.
#[derive(Clone)]
pub(crate) struct Source {
    pub repository: Repository,
    pub inventory: Arc<Inventory>,
}

/// What came of one tree.
pub(crate) struct Scanned<T> {
    pub tree: Digest,
    /// What the visitor made of the nodes, or why there are none.
    pub outcome: std::result::Result<T, Fault>,
}

/// Why a tree has no nodes.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// No pack holds it.
    Missing,
    /// It is in this pack, but damaged or unreadable.
    Damaged { pack: Digest, why: String },
}

/// Trees that one request brings.
struct Request {
    pack: Digest,
    start: u64,
    end: u64,
    entries: Vec<Entry>,
}

/// Reads `trees`, each once, in any order, and hands the nodes of each to `visit` on a thread for CPU work.
///
/// A tree that cannot be read is an outcome too; an item is an error when the storage cannot be reached.
pub(crate) fn scan<T, V>(
    source: &Source,
    trees: Vec<Digest>,
    visit: Arc<V>,
) -> impl Stream<Item = Result<Vec<Scanned<T>>>> + use<T, V>
where
    T: Send + 'static,
    V: Fn(TreeNodes) -> Result<T> + Send + Sync + 'static,
{
    let (mut found, mut missing) = (Vec::with_capacity(trees.len()), Vec::new());
    for tree in trees {
        match source.inventory.find(&tree, BlobKind::Tree) {
            Some(entry) => found.push(*entry),
            None => missing.push(Scanned { tree, outcome: Err(Fault::Missing) }),
        }
    }
    let requests = requests(&source.inventory, found);
    let source = source.clone();
    let read = move |request| read(source.clone(), request, Arc::clone(&visit));
    let read = stream::iter(requests).map(read).buffer_unordered(REQUESTS);
    stream::once(async { Ok(missing) }).chain(read)
}

fn requests(inventory: &Inventory, mut entries: Vec<Entry>) -> Vec<Request> {
    entries.sort_unstable_by_key(|entry| (entry.pack, entry.blob.offset));
    let mut requests: Vec<(u32, Request)> = Vec::new();
    for entry in entries {
        let start = u64::from(entry.blob.offset);
        let end = start + u64::from(entry.blob.length);
        if let Some((pack, last)) = requests.last_mut()
            && *pack == entry.pack
            && start <= last.end + GAP_BYTES_MAX
            && end.saturating_sub(last.start) <= REQUEST_BYTES_MAX
        {
            last.end = last.end.max(end);
            last.entries.push(entry);
            continue;
        }
        let Some(pack) = inventory.pack(&entry) else { continue };
        requests.push((entry.pack, Request { pack: pack.id, start, end, entries: vec![entry] }));
    }
    requests.into_iter().map(|(_, request)| request).collect()
}

async fn read<T, V>(source: Source, request: Request, visit: Arc<V>) -> Result<Vec<Scanned<T>>>
where
    T: Send + 'static,
    V: Fn(TreeNodes) -> Result<T> + Send + Sync + 'static,
{
    let Request { pack, start, end, entries } = request;
    let name = pack_name(&pack);
    let fetched = source.repository.storage().get_range(&name, start..end).await;
    let bytes = match fetched.map_err(Error::from) {
        Ok(bytes) => bytes,
        Err(error) if !is_about_object(&error) => return Err(error),
        Err(_) if entries.len() > 1 => return read_singly(source, pack, entries, visit).await,
        Err(error) => {
            let why = error.to_string();
            let fault = |entry: Entry| Scanned {
                tree: entry.blob.id,
                outcome: Err(Fault::Damaged { pack, why: why.clone() }),
            };
            return Ok(entries.into_iter().map(fault).collect());
        }
    };
    let work = move || {
        let open_one = |entry: Entry| {
            let from = (u64::from(entry.blob.offset) - start) as usize;
            let sealed = bytes.get(from..from.saturating_add(entry.blob.length as usize));
            let json = open(source.repository.key(), &entry, sealed.unwrap_or_default());
            let visited = json.and_then(|json| {
                let nodes = TreeNodes::new(json.into());
                nodes.and_then(|nodes| visit(nodes)).map_err(|error| error.to_string())
            });
            let outcome = visited.map_err(|why| Fault::Damaged { pack, why });
            Scanned { tree: entry.blob.id, outcome }
        };
        entries.into_iter().map(open_one).collect()
    };
    Ok(off_reactor(work).await)
}

/// One after the other, so that a pack that is cut short still gives the trees before the cut.
async fn read_singly<T, V>(
    source: Source,
    pack: Digest,
    entries: Vec<Entry>,
    visit: Arc<V>,
) -> Result<Vec<Scanned<T>>>
where
    T: Send + 'static,
    V: Fn(TreeNodes) -> Result<T> + Send + Sync + 'static,
{
    let mut all = Vec::with_capacity(entries.len());
    for entry in entries {
        let start = u64::from(entry.blob.offset);
        let end = start + u64::from(entry.blob.length);
        let request = Request { pack, start, end, entries: vec![entry] };
        all.extend(Box::pin(read(source.clone(), request, Arc::clone(&visit))).await?);
    }
    Ok(all)
}

/// The plain bytes of a tree.
fn open(key: &MasterKey, entry: &Entry, sealed: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let opened = key.open(sealed).map_err(|_| "the seal is broken")?;
    let json = match entry.blob.uncompressed_length.map(|length| length as usize) {
        None => opened,
        Some(length) if length > limits::BLOB_BYTES_MAX => {
            return Err("it says that it expands to more than 2 GiB".to_owned());
        }
        Some(length) => zstd::bulk::decompress(&opened, length)
            .map_err(|source| format!("it does not decompress: {source}"))?,
    };
    if sha256(&json) != entry.blob.id {
        return Err("the plain bytes have another SHA-256".to_owned());
    }
    Ok(json)
}
