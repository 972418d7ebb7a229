use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lockgate_types::Digest;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, IndexFile};
use crate::index::{Index, IndexBuilder, PackNumber};
use crate::layout::{FileKind, ListedFile};
use crate::open::Repository;

/// The names of new blobs are spread by their first byte, so that threads seldom wait for each other.
const SHARDS: usize = 64;

/// What the repository holds, and what this run adds to it.
pub(super) struct Known {
    index: Index,
    /// The files that the index was made of.
    files: HashSet<Digest>,
    /// Packs that this run relies on, each with one of the blobs that it relies on for.
    relied_on: Mutex<HashMap<PackNumber, (BlobKind, Digest)>>,
    added: Vec<Mutex<HashSet<(BlobKind, Digest)>>>,
}

impl Known {
    /// Loads the index of `repository`.
    pub(super) async fn load(repository: &Repository) -> Result<Self> {
        let files = repository.list_files(FileKind::Index).await?;
        let ids = files.iter().map(|file| file.id).collect();
        let index = load(repository, files).await?;
        let added = (0..SHARDS).map(|_| Mutex::default()).collect();
        Ok(Self { index, files: ids, relied_on: Mutex::default(), added })
    }

    /// Whether the blob has to be stored: it is not in the repository, and nobody else in this run was here first.
    pub(super) fn claim(&self, kind: BlobKind, id: &Digest) -> bool {
        !self.rely_on(kind, id) && lock(self.shard(id)).insert((kind, *id))
    }

    /// Whether the blob is in the repository or will be at the end of this run.
    pub(super) fn contains(&self, kind: BlobKind, id: &Digest) -> bool {
        self.rely_on(kind, id) || lock(self.shard(id)).contains(&(kind, *id))
    }

    fn rely_on(&self, kind: BlobKind, id: &Digest) -> bool {
        // Packs that are marked for deletion are no place to rely on: `contains` leaves them out.
        let location = self.index.contains(kind, id).then(|| self.index.locate(kind, id)).flatten();
        let Some(location) = location else { return false };
        lock(&self.relied_on).entry(location.pack).or_insert((kind, *id));
        true
    }

    fn shard(&self, id: &Digest) -> &Mutex<HashSet<(BlobKind, Digest)>> {
        &self.added[usize::from(id.0[0]) % SHARDS]
    }

    /// Proves that every pack that this run relies on, and every index file that it wrote, is still in use: somebody
    /// without regard for locks may have pruned meanwhile.
    ///
    /// # Errors
    /// `Conflict` when something is gone.
    pub(super) async fn prove(&self, repository: &Repository, written: &[Digest]) -> Result<()> {
        let files = repository.list_files(FileKind::Index).await?;
        let listed: HashSet<Digest> = files.iter().map(|file| file.id).collect();
        if let Some(lost) = written.iter().find(|id| !listed.contains(id)) {
            return Err(gone(format!("index file {} of this run", lost.short())));
        }
        if self.files.is_subset(&listed) {
            return Ok(());
        }
        let now = load(repository, files).await?;
        for (pack, (kind, id)) in lock(&self.relied_on).iter() {
            let pack = self.index.pack_id(*pack);
            let place = now.contains(*kind, id).then(|| now.locate(*kind, id)).flatten();
            if place.is_none_or(|place| now.pack_id(place.pack) != pack) {
                return Err(gone(format!("pack {}, which this run relies on,", pack.short())));
            }
        }
        Ok(())
    }
}

async fn load(repository: &Repository, files: Vec<ListedFile>) -> Result<Index> {
    let mut builder = IndexBuilder::new();
    repository
        .load_files(FileKind::Index, files, |id, json| {
            let file = IndexFile::parse(&json)
                .map_err(|error| error.at(format_args!("file index/{id}")))?;
            builder.add(&file)
        })
        .await?;
    Ok(crate::layout::off_reactor(move || builder.finish()).await)
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
