use std::collections::{HashMap, HashSet};

use futures::StreamExt;
use lockgate_types::Digest;

use super::report::IndexRepair;
use crate::check::{Header, expected_size, header_of, is_about_object, list_packs};
use crate::error::{Error, Result};
use crate::format::{IndexFile, IndexPack, PackedBlob};
use crate::layout::{FileKind, off_reactor, pack_name};
use crate::limits;
use crate::lock::LockGuard;
use crate::open::Repository;

/// Blobs after which an index file is full: as many as restic puts into one.
const FILE_BLOBS: usize = 50_000;

/// What is known before packs are read.
#[derive(Default)]
struct State {
    /// Index files that go.
    bad: Vec<Digest>,
    /// What is right in those that go.
    kept: IndexFile,
    /// Packs that an index that stays, or `kept`, knows.
    known: HashSet<Digest>,
    lost: HashSet<Digest>,
}

impl Repository {
    /// Makes the index say what packs hold: entries of packs that are gone go, packs that are in no index are read, index
    /// files that are damaged are replaced. New files are durable before old ones go. With `all`, what indexes say is not
    /// believed, and the header of every pack is read; packs that a prune marked are then in use again.
    ///
    /// # Errors
    /// `Locked`, `Storage`.
    pub async fn repair_index(&self, all: bool, dry_run: bool) -> Result<IndexRepair> {
        let lock = self.lock_exclusive().await?;
        let repaired = self.repair_index_locked(all, dry_run, &lock).await;
        let released = lock.release().await;
        let report = repaired?;
        released.map(|()| report)
    }

    async fn repair_index_locked(
        &self,
        all: bool,
        dry_run: bool,
        lock: &LockGuard,
    ) -> Result<IndexRepair> {
        let mut report = IndexRepair { dry_run, ..IndexRepair::default() };
        let packs = list_packs(self, drop).await?;
        let mut state = self.look_at_indexes(all, &packs, &mut report).await?;
        let unknown = packs.iter().filter(|(id, _)| !state.known.contains(id));
        let unknown: Vec<(Digest, u64)> = unknown.map(|(id, size)| (*id, *size)).collect();
        self.read_packs(unknown, &mut state, &mut report).await?;
        report.packs_lost = state.lost.difference(&packs.keys().copied().collect()).count() as u64;
        report.indexes_removed = state.bad.len() as u64;
        let files = split(std::mem::take(&mut state.kept));
        report.indexes_written = files.len() as u64;
        if dry_run {
            return Ok(report);
        }
        for file in files {
            let json = off_reactor(move || file.print()).await;
            let id = self.save_file(FileKind::Index, json).await?;
            // The same content as a file that goes would have the same name, if seals were not random.
            state.bad.retain(|bad| *bad != id);
        }
        for id in &state.bad {
            lock.ensure_held()?;
            self.delete_file(FileKind::Index, id).await?;
        }
        Ok(report)
    }

    async fn look_at_indexes(
        &self,
        all: bool,
        packs: &HashMap<Digest, u64>,
        report: &mut IndexRepair,
    ) -> Result<State> {
        let mut state = State::default();
        let files = self.list_files(FileKind::Index).await?;
        let mut loads = std::pin::pin!(self.load_all::<IndexFile>(files));
        while let Some((id, loaded)) = loads.next().await {
            match loaded {
                Ok(_) if all => state.bad.push(id),
                Ok(file) => state.sort(id, file, packs),
                Err(error) if !is_about_object(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(index = %id.short(), %error, "an index file cannot be read");
                    report.indexes_damaged += 1;
                    state.bad.push(id);
                }
            }
        }
        Ok(state)
    }

    async fn read_packs(
        &self,
        packs: Vec<(Digest, u64)>,
        state: &mut State,
        report: &mut IndexRepair,
    ) -> Result<()> {
        let mut reads = futures::stream::iter(packs)
            .map(|(id, size)| async move { (id, self.pack_header(id, size).await) })
            .buffer_unordered(limits::LOADS_AT_A_TIME);
        while let Some((id, blobs)) = reads.next().await {
            report.packs_read += 1;
            match blobs {
                Ok(blobs) => {
                    report.packs_found += 1;
                    state.kept.packs.push(IndexPack { id, blobs, time: None, size: None });
                }
                Err(error) if !is_about_object(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(pack = %id.short(), %error, "a pack cannot be read");
                    report.packs_unreadable.push(id);
                }
            }
        }
        report.packs_unreadable.sort_unstable();
        Ok(())
    }

    /// The blobs that the header of a pack of `size` bytes names.
    async fn pack_header(&self, id: Digest, size: u64) -> Result<Vec<PackedBlob>> {
        let name = pack_name(&id);
        let mut wanted = limits::PACK_TAIL_BYTES;
        loop {
            let start = size.saturating_sub(wanted);
            let tail = self.storage().get_range(&name, start..size).await?;
            match header_of(&tail, size, self.key()).map_err(|error| error.at(&name))? {
                Header::Read(blobs) => return Ok(blobs),
                Header::Longer(bytes) if bytes > wanted => wanted = bytes,
                Header::Longer(_) => return Err(Error::corrupt(&name, "it is cut short")),
            }
        }
    }
}

impl State {
    /// Takes an index file in: one in which all is right stays, of the others what is right is kept.
    fn sort(&mut self, id: Digest, file: IndexFile, packs: &HashMap<Digest, u64>) {
        let is_right = |pack: &IndexPack| {
            packs.get(&pack.id).is_some_and(|size| *size == expected_size(&in_order(&pack.blobs)))
        };
        let named = file.packs.iter().chain(&file.packs_to_delete);
        let (right, wrong): (Vec<&IndexPack>, Vec<&IndexPack>) = named.partition(|it| is_right(it));
        self.known.extend(right.iter().map(|pack| pack.id));
        self.lost.extend(wrong.iter().map(|pack| pack.id));
        if wrong.is_empty() {
            return;
        }
        self.bad.push(id);
        let IndexFile { packs: live, packs_to_delete: marked, .. } = file;
        self.kept.packs.extend(live.into_iter().filter(is_right));
        self.kept.packs_to_delete.extend(marked.into_iter().filter(is_right));
    }
}

/// Each blob once: an index may name a pack's blobs twice.
fn in_order(blobs: &[PackedBlob]) -> Vec<PackedBlob> {
    let mut blobs = blobs.to_vec();
    blobs.sort_unstable_by_key(|blob| (blob.offset, blob.id));
    blobs.dedup();
    blobs
}

/// Files that are not too long.
fn split(all: IndexFile) -> Vec<IndexFile> {
    let mut files = vec![IndexFile::default()];
    let mut blobs = 0;
    let marked = all.packs_to_delete.into_iter().map(|pack| (pack, true));
    for (pack, is_marked) in all.packs.into_iter().map(|pack| (pack, false)).chain(marked) {
        if blobs >= FILE_BLOBS {
            files.push(IndexFile::default());
            blobs = 0;
        }
        blobs += pack.blobs.len();
        if let Some(file) = files.last_mut() {
            if is_marked { file.packs_to_delete.push(pack) } else { file.packs.push(pack) }
        }
    }
    files.retain(|file| !(file.packs.is_empty() && file.packs_to_delete.is_empty()));
    files
}
