use std::collections::{BTreeSet, HashMap, HashSet};

use lockgate_types::Digest;

use crate::error::Result;
use crate::format::{BlobKind, IndexFile};
use crate::layout::{FileKind, ListedFile, off_reactor};
use crate::lock::LockGuard;
use crate::open::Repository;

/// What the indexes say of some packs.
#[derive(Debug, Default)]
pub(super) struct Naming {
    /// The files that name one of them.
    files: Vec<ListedFile>,
    /// The blobs that each of them is said to hold.
    pub blobs: HashMap<Digest, BTreeSet<(BlobKind, Digest)>>,
}

/// What the indexes say of `packs`.
pub(super) async fn naming(repository: &Repository, packs: &HashSet<Digest>) -> Result<Naming> {
    let mut naming = Naming::default();
    if packs.is_empty() {
        return Ok(naming);
    }
    let files = repository.list_files(FileKind::Index).await?;
    let sizes: HashMap<Digest, ListedFile> = files.iter().map(|file| (file.id, *file)).collect();
    repository
        .load_files(files, |id, index: IndexFile| {
            let mut is_naming = false;
            for pack in index.packs.iter().chain(&index.packs_to_delete) {
                if packs.contains(&pack.id) {
                    is_naming = true;
                    let blobs = pack.blobs.iter().map(|blob| (blob.kind, blob.id));
                    naming.blobs.entry(pack.id).or_default().extend(blobs);
                }
            }
            naming.files.extend(sizes.get(&id).filter(|_| is_naming));
            Ok(())
        })
        .await?;
    Ok(naming)
}

/// Replaces the indexes that name `packs` by ones that do not. The new one is durable before the old one goes.
pub(super) async fn drop_packs(
    repository: &Repository,
    packs: &HashSet<Digest>,
    naming: &Naming,
    lock: &LockGuard,
) -> Result<()> {
    for file in &naming.files {
        let mut index: IndexFile = repository.load(*file).await?;
        index.packs.retain(|pack| !packs.contains(&pack.id));
        index.packs_to_delete.retain(|pack| !packs.contains(&pack.id));
        if !index.packs.is_empty() || !index.packs_to_delete.is_empty() {
            let json = off_reactor(move || index.print()).await;
            repository.save_file(FileKind::Index, json).await?;
        }
        lock.ensure_held()?;
        repository.delete_file(FileKind::Index, &file.id).await?;
    }
    Ok(())
}
