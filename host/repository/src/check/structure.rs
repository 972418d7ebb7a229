//! What can be told without reading a pack: keys, snapshots, indexes, and the listing of packs against them.

use std::collections::{HashMap, HashSet};

use futures::StreamExt;
use lockgate_types::Digest;

use super::finding::{Finding, Findings, Trouble};
use super::inventory::{Entry, Inventory, InventoryBuilder};
use super::pack::expected_size;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{IndexFile, KeyFile, PackedBlob, Snapshot};
use crate::layout::{self, DATA_FOLDER, FileKind, ListedFile, off_reactor, pack_name, pack_of};
use crate::limits;
use crate::load::FromFile;
use crate::open::Repository;

/// The names and sizes of all packs that are there.
pub(crate) type Listing = HashMap<Digest, u64>;

/// What the listing of packs told.
pub(super) struct Packs {
    pub listing: Listing,
    /// Packs that no index names.
    pub unreferenced: u64,
    pub bytes_unreferenced: u64,
}

/// The snapshots that can be read.
pub(super) async fn snapshots(
    repository: &Repository,
    findings: &mut Findings,
) -> Result<Vec<Snapshot>> {
    let mut snapshots = Vec::new();
    let files = list(repository, FileKind::Snapshot, findings).await?;
    let take = |snapshot: Snapshot| snapshots.push(snapshot);
    load(repository, files, Trouble::Snapshot, findings, take).await?;
    snapshots.sort_by_key(|snapshot| (snapshot.time.timestamp, snapshot.id));
    Ok(snapshots)
}

/// What the indexes say that can be read, and how many there are.
pub(super) async fn inventory(
    repository: &Repository,
    findings: &mut Findings,
) -> Result<(Inventory, u64)> {
    let (mut tries, mut is_whole) = (0, false);
    let (mut builder, mut count) = (InventoryBuilder::default(), 0);
    while !is_whole && tries < limits::LISTINGS_MAX {
        tries += 1;
        builder = InventoryBuilder::default();
        let files = list(repository, FileKind::Index, findings).await?;
        count = files.len() as u64;
        // What a prune took away stands in files that are newer than our listing.
        let take = |index: IndexFile| builder.add(index);
        is_whole = !load(repository, files, Trouble::Index, findings, take).await?;
    }
    Ok((off_reactor(move || builder.build()).await, count))
}

/// Key files are not sealed: all that can be told of those of other passwords is their form and their name.
pub(super) async fn keys(repository: &Repository, findings: &mut Findings) -> Result<()> {
    for file in list(repository, FileKind::Key, findings).await? {
        let name = FileKind::Key.name(&file.id);
        let json = match repository.storage().get(&name).await.map_err(Error::from) {
            Ok(json) => json,
            Err(error) => {
                findings.push(found(&error, Trouble::Key, name)?);
                continue;
            }
        };
        if layout::digest(&json) != file.id {
            findings.push(Finding::new(Trouble::Key, name, "the bytes have another SHA-256"));
        } else if let Err(error) = KeyFile::parse(&json) {
            findings.push(Finding::new(Trouble::Key, name, error));
        }
    }
    Ok(())
}

/// The packs that are there.
pub(crate) async fn list_packs(
    repository: &Repository,
    mut stray: impl FnMut(String),
) -> Result<Listing> {
    let mut packs = Listing::new();
    for object in repository.storage().list(DATA_FOLDER).await? {
        match pack_of(&object.name) {
            Some(id) => {
                packs.insert(id, object.size);
            }
            None => stray(object.name),
        }
    }
    Ok(packs)
}

/// The listing against the indexes. Packs that are not there are lost to the inventory from then on.
pub(super) async fn packs(
    repository: &Repository,
    inventory: &mut Inventory,
    findings: &mut Findings,
) -> Result<Packs> {
    let mut strays = Vec::new();
    let listing = list_packs(repository, |name| strays.push(name)).await?;
    let stray = |name| Finding::new(Trouble::Stray, name, "the name is not one of a pack");
    findings.extend(strays.into_iter().map(stray));

    let (mut left, mut lost) = (listing.clone(), HashSet::new());
    for pack in inventory.packs() {
        let entries = inventory.entries(pack);
        let name = pack_name(&pack.id);
        findings.extend(
            misplaced(entries).map(|detail| Finding::new(Trouble::Placement, name.clone(), detail)),
        );
        let blobs: Vec<PackedBlob> = entries.iter().map(|entry| entry.blob).collect();
        let expected = expected_size(&blobs);
        match left.remove(&pack.id) {
            None => {
                let finding = Finding::new(Trouble::PackMissing, name, "it is not there");
                findings.push_with_blobs(finding, blobs.iter().map(|blob| blob.id));
                lost.insert(pack.id);
            }
            Some(size) if size != expected => {
                let detail = format!("it has {size} bytes instead of {expected}");
                findings.push(Finding::new(Trouble::PackSize, name, detail));
            }
            Some(_) => {}
        }
    }
    inventory.lose(lost);
    for pack in inventory.marked() {
        left.remove(pack);
    }
    let mut unreferenced: Vec<&Digest> = left.keys().collect();
    unreferenced.sort_unstable();
    let unreferenced = unreferenced.into_iter().map(|pack| {
        let detail = "no index names it; it is new, or a run that ended early left it";
        Finding::new(Trouble::PackUnreferenced, pack_name(pack), detail)
    });
    findings.extend(unreferenced);
    let bytes_unreferenced = left.values().sum();
    Ok(Packs { listing, unreferenced: left.len() as u64, bytes_unreferenced })
}

/// The first blob of a pack that lies on another one.
fn misplaced(entries: &[Entry]) -> Option<String> {
    let mut end = 0;
    for entry in entries {
        if u64::from(entry.blob.offset) < end {
            let blob = entry.blob.id.short();
            return Some(format!("blob {blob} at {} lies on the one before it", entry.blob.offset));
        }
        end = u64::from(entry.blob.offset) + u64::from(entry.blob.length);
    }
    None
}

async fn list(
    repository: &Repository,
    kind: FileKind,
    findings: &mut Findings,
) -> Result<Vec<ListedFile>> {
    let mut files = Vec::new();
    for object in repository.storage().list(kind.folder()).await? {
        let id = object.name.rsplit('/').next().and_then(|name| name.parse::<Digest>().ok());
        match id {
            Some(id) if kind.name(&id) == object.name => {
                files.push(ListedFile { id, size: object.size, modified: object.modified });
            }
            _ => {
                let detail = "the name is not one of the format";
                findings.push(Finding::new(Trouble::Stray, object.name, detail));
            }
        }
    }
    Ok(files)
}

/// Hands each file to `take` that can be read; the others are findings. Whether some were taken away between their listing and
/// their reading, as a forget or a prune beside us does.
async fn load<T: FromFile>(
    repository: &Repository,
    files: Vec<ListedFile>,
    trouble: Trouble,
    findings: &mut Findings,
    mut take: impl FnMut(T),
) -> Result<bool> {
    let mut missing = Vec::new();
    let mut loads = std::pin::pin!(repository.load_all(files));
    while let Some((id, loaded)) = loads.next().await {
        match loaded {
            Ok(read) => take(read),
            Err(error) if error.is_of_missing_file() => missing.push((id, error)),
            Err(error) => findings.push(found(&error, trouble, T::KIND.name(&id))?),
        }
    }
    if missing.is_empty() {
        return Ok(false);
    }
    let listed: HashSet<Digest> =
        repository.list_files(T::KIND).await?.iter().map(|file| file.id).collect();
    let count = missing.len();
    missing.retain(|(id, _)| listed.contains(id));
    for (id, error) in &missing {
        findings.push(found(error, trouble, T::KIND.name(id))?);
    }
    Ok(missing.len() < count)
}

/// A finding of an error that is about the object; an error of the way to the storage ends the check.
fn found(error: &Error, trouble: Trouble, name: String) -> Result<Finding> {
    match error.kind() {
        ErrorKind::Storage if !is_about_object(error) => Err(error.clone()),
        _ => Ok(Finding::new(trouble, name, error)),
    }
}

/// Whether the storage can be reached but not this object of it: a lost network must not look like lost data.
pub(crate) fn is_about_object(error: &Error) -> bool {
    use lockgate_storage::ErrorKind as Storage;
    let source = std::error::Error::source(error);
    let kind = source
        .and_then(|source| source.downcast_ref::<lockgate_storage::Error>())
        .map(lockgate_storage::Error::kind);
    !matches!(
        kind,
        Some(
            Storage::PermissionDenied
                | Storage::Unreachable
                | Storage::Timeout
                | Storage::InvalidUrl
        )
    )
}
