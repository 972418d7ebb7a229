use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_types::Digest;

use super::claims::Claims;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, IndexFile, IndexPack};
use crate::index::{Index, PackNumber};
use crate::layout::{FileKind, ListedFile};
use crate::limits;
use crate::open::Repository;

/// What a run stored.
#[derive(Default)]
pub(super) struct Written {
    /// Index files.
    pub(super) files: Vec<Digest>,
    /// Packs that they name.
    pub(super) packs: Vec<Digest>,
}

/// What the repository holds, and what this run adds to it.
pub(super) struct Known {
    index: Arc<Index>,
    /// The index files that were looked at.
    files: Mutex<HashSet<Digest>>,
    /// Packs that this run relies on.
    relied_on: Mutex<HashSet<PackNumber>>,
    added: Claims,
}

impl Known {
    /// Loads the index of `repository`, without the packs in `distrusted`.
    pub(super) async fn load(
        repository: &Repository,
        distrusted: &HashSet<Digest>,
    ) -> Result<Self> {
        let index = repository.load_index_without(distrusted).await?;
        let (files, added) = (Mutex::new(index.files().clone()), Claims::new());
        Ok(Self { index, files, relied_on: Mutex::default(), added })
    }

    /// Whether the blob has to be stored: it is not in the repository, and nobody else in this run was here first.
    pub(super) fn claim(&self, kind: BlobKind, id: &Digest) -> bool {
        !self.rely_on(kind, id) && self.added.claim(kind, id)
    }

    /// Whether the blob is in the repository or will be at the end of this run.
    pub(super) fn contains(&self, kind: BlobKind, id: &Digest) -> bool {
        self.rely_on(kind, id) || self.added.contains(kind, id)
    }

    fn rely_on(&self, kind: BlobKind, id: &Digest) -> bool {
        let Some(pack) = self.index.pack_in_use(kind, id) else { return false };
        lock(&self.relied_on).insert(pack);
        true
    }

    /// Proves that every pack that this run relies on or wrote is in use by what the indexes say now. One that a prune marked
    /// meanwhile is put into use again, by an index file of this run. What index files said that were looked at before is not
    /// looked at again, so that the second proof of a run costs one listing.
    ///
    /// # Errors
    /// `Conflict` when something is gone: somebody without regard for locks pruned meanwhile.
    pub(super) async fn prove(&self, repository: &Repository, written: &Written) -> Result<()> {
        let mut needed: HashSet<Digest> = written.packs.iter().copied().collect();
        needed.extend(lock(&self.relied_on).iter().map(|pack| self.index.pack_id(*pack)));
        lock(&self.files).extend(&written.files);
        for _ in 1..limits::LISTINGS_MAX {
            match self.try_prove(repository, &needed).await {
                // A prune is at work.
                Err(error) if error.is_of_missing_file() => {}
                result => return result,
            }
        }
        self.try_prove(repository, &needed).await
    }

    async fn try_prove(&self, repository: &Repository, needed: &HashSet<Digest>) -> Result<()> {
        let files = repository.list_files(FileKind::Index).await?;
        let seen = lock(&self.files).clone();
        let mut listed: HashSet<Digest> = files.iter().map(|file| file.id).collect();
        let is_gone = !seen.is_subset(&listed);
        // Where a file is gone it may have been the only one that named a pack.
        let files: Vec<ListedFile> =
            files.into_iter().filter(|file| is_gone || !seen.contains(&file.id)).collect();
        if files.is_empty() && !is_gone {
            return Ok(());
        }
        let (mut live, mut marked, mut rescued) = (HashSet::new(), HashMap::new(), HashMap::new());
        repository
            .load_files(files, |id, file: IndexFile| {
                let is_needed = |pack: &IndexPack| needed.contains(&pack.id);
                live.extend(file.packs.into_iter().filter(is_needed).map(|pack| pack.id));
                // Without its blobs it was marked before an index named it: then ours does.
                let marks = file.packs_to_delete.into_iter().filter(is_needed);
                let marks = marks.filter(|pack| !pack.blobs.is_empty());
                let target = if seen.contains(&id) { &mut marked } else { &mut rescued };
                target.extend(marks.map(|pack| (pack.id, pack)));
                Ok(())
            })
            .await?;
        for pack in needed.iter().filter(|pack| is_gone && !live.contains(*pack)) {
            match marked.remove(pack) {
                Some(mark) => drop(rescued.insert(*pack, mark)),
                None if rescued.contains_key(pack) => {}
                None => return Err(gone(format!("pack {}, which this run needs,", pack.short()))),
            }
        }
        if !rescued.is_empty() {
            tracing::info!(packs = rescued.len(), "packs that a prune marked are in use again");
            let plain = |pack| IndexPack { time: None, size: None, ..pack };
            let packs = rescued.into_values().map(plain).collect();
            let json = IndexFile { packs, ..IndexFile::default() }.print();
            listed.insert(repository.save_file(FileKind::Index, json).await?);
        }
        *lock(&self.files) = listed;
        Ok(())
    }
}

fn gone(what: String) -> Error {
    let text = format!("{what} was removed while it was in use");
    Error::new(ErrorKind::Conflict, text)
        .with_retry(lockgate_types::Retry::Later)
        .with_hint("run again, and let nobody prune without a lock while a backup runs")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "dedup_tests.rs"]
mod tests;
