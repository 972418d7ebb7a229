//! New index files, and which old ones they replace.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use lockgate_types::{Digest, Timestamp};

use super::plan::Plan;
use super::survey::Survey;
use crate::error::Result;
use crate::format::{IndexFile, IndexPack, Time};
use crate::layout::FileKind;
use crate::lock::LockGuard;
use crate::open::Repository;

/// Blobs after which an index file is written: as many as restic puts into one.
const INDEX_BLOBS: usize = 50_000;
/// Index files below this many bytes are put together when there are more of them than [`SMALL_FILES_MAX`].
const SMALL_FILE_BYTES: u64 = 64 << 10;
const SMALL_FILES_MAX: usize = 64;

/// Packs that were taken over. Files may name a pack in different words, one that was marked before an index named it even
/// without its blobs: only what says the same is left out.
#[derive(Default)]
pub(super) struct Taken {
    hasher: RandomState,
    packs: HashSet<(Digest, u64)>,
}

impl Taken {
    pub(super) fn is_new(&mut self, pack: &IndexPack) -> bool {
        self.packs.insert((pack.id, self.hasher.hash_one(&pack.blobs)))
    }
}

/// Writes index files, each with as many packs as fit.
pub(super) struct IndexWriter<'a> {
    repository: &'a Repository,
    lock: &'a LockGuard,
    /// Of marks: when they are made. None for packs that are in use.
    marked: Option<Timestamp>,
    packs: Vec<IndexPack>,
    blobs: usize,
    /// Names of the files.
    pub(super) written: Vec<Digest>,
}

impl<'a> IndexWriter<'a> {
    /// For packs that are in use.
    pub(super) fn live(repository: &'a Repository, lock: &'a LockGuard) -> Self {
        let (packs, written) = (Vec::new(), Vec::new());
        Self { repository, lock, marked: None, packs, blobs: 0, written }
    }

    /// For marks. They never stand in one file with packs that are in use: the time of the file is what counts as theirs.
    pub(super) fn marks(repository: &'a Repository, lock: &'a LockGuard) -> Self {
        // For rustic, which goes by the times in the file; that of the storage if it can be had.
        let now = lock.seen().now.unwrap_or_else(|| Time::now().timestamp);
        Self { marked: Some(now), ..Self::live(repository, lock) }
    }

    pub(super) async fn add(&mut self, pack: IndexPack) -> Result<()> {
        self.blobs += pack.blobs.len() + 1;
        self.packs.push(pack);
        if self.blobs >= INDEX_BLOBS { self.flush().await } else { Ok(()) }
    }

    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.packs.is_empty() {
            return Ok(());
        }
        self.lock.ensure_held()?;
        self.blobs = 0;
        let mut packs = std::mem::take(&mut self.packs);
        let mut file = IndexFile::default();
        match self.marked {
            Some(now) => {
                packs.iter_mut().for_each(|pack| pack.time = Some(Time::utc(now)));
                file.packs_to_delete = packs;
            }
            None => {
                packs.iter_mut().for_each(|pack| (pack.time, pack.size) = (None, None));
                file.packs = packs;
            }
        }
        self.written.push(self.repository.save_file(FileKind::Index, file.print()).await?);
        Ok(())
    }
}

/// What was published.
#[derive(Default)]
pub(super) struct Published {
    /// Files with the new marks.
    pub(super) marks: Vec<Digest>,
    /// Files that say nothing any more that others do not say.
    pub(super) old: Vec<Digest>,
    /// How many were written.
    pub(super) written: u64,
}

/// Writes index files by which what `plan` and `repacked` name is marked. The old ones are still there afterwards.
pub(super) async fn publish(
    repository: &Repository,
    lock: &LockGuard,
    survey: &Survey,
    plan: &Plan,
    repacked: &HashSet<Digest>,
    retained: &HashSet<Digest>,
) -> Result<Published> {
    let mut published = Published::default();
    let mut live = IndexWriter::live(repository, lock);
    let mut marks = IndexWriter::marks(repository, lock);
    // What the storage did not let go stays marked.
    let removed = plan.removed.iter().copied().filter(|id| !retained.contains(id));
    let removed: HashSet<Digest> = removed.collect();
    let is_leaving = |id: &Digest| plan.changes(id) || repacked.contains(id);
    let is_over = |pack: &IndexPack| {
        let is_live = survey.packs.get(&pack.id).is_some_and(|state| state.is_live);
        is_live
            || is_leaving(&pack.id)
            || removed.contains(&pack.id)
            || plan.recovered.contains(&pack.id)
    };
    let small = survey.files.iter().filter(|file| file.size < SMALL_FILE_BYTES);
    let small: HashSet<Digest> = small.map(|file| file.id).collect();
    let merges = small.len() > SMALL_FILES_MAX && lock.seen().others.is_empty();
    let mut taken = Taken::default();
    for file in &survey.files {
        let index: IndexFile = repository.load(*file).await?;
        let marks_are_over = index.packs_to_delete.iter().all(is_over);
        let changes = index.packs.iter().any(|pack| is_leaving(&pack.id))
            || (merges && small.contains(&file.id) && !index.packs.is_empty())
            || (marks_are_over && !index.packs_to_delete.is_empty());
        // Files with nothing but marks stay as they are for as long as one of them counts, and so keep their age.
        if !changes || (index.packs.is_empty() && !marks_are_over) {
            continue;
        }
        for mut pack in index.packs {
            if plan.vanished.contains(&pack.id) || !taken.is_new(&pack) {
                continue;
            }
            if is_leaving(&pack.id) {
                pack.size = survey.packs.get(&pack.id).map(|state| state.size);
                marks.add(pack).await?;
            } else {
                live.add(pack).await?;
            }
        }
        for pack in index.packs_to_delete.into_iter().filter(|pack| !is_over(pack)) {
            marks.add(pack).await?;
        }
        published.old.push(file.id);
    }
    for (id, size) in &plan.unnamed {
        let size = u32::try_from(*size).ok();
        marks.add(IndexPack { id: *id, blobs: Vec::new(), time: None, size }).await?;
    }
    // What is in use first.
    live.flush().await?;
    marks.flush().await?;
    published.written = (live.written.len() + marks.written.len()) as u64;
    published.marks = marks.written;
    Ok(published)
}

/// Puts packs into use again that the files `marks` mark and that `is_wanted` says.
pub(super) async fn unmark(
    repository: &Repository,
    lock: &LockGuard,
    marks: &[Digest],
    is_wanted: impl Fn(&IndexPack) -> bool,
) -> Result<u64> {
    let mut live = IndexWriter::live(repository, lock);
    let files = repository.list_files(FileKind::Index).await?;
    let mut count = 0;
    for file in files.into_iter().filter(|file| marks.contains(&file.id)) {
        let index: IndexFile = repository.load(file).await?;
        let packs = index.packs_to_delete.into_iter();
        for pack in packs.filter(|pack| !pack.blobs.is_empty() && is_wanted(pack)) {
            count += 1;
            live.add(pack).await?;
        }
    }
    live.flush().await?;
    Ok(count)
}
