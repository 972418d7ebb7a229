//! Which pack holds which blob, in memory: 48 bytes a blob, for any number of threads that look up.

mod load;
mod search;

use std::collections::{HashMap, HashSet};

pub(crate) use load::LastIndex;
use lockgate_types::Digest;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, IndexFile, IndexPack};

/// Blobs are spread by the first byte of their name, so that no table is large while it grows and each is sorted alone.
const SHARDS_COUNT: usize = 256;

/// All index files of a repository as they were when it was loaded.
#[derive(Debug)]
pub struct Index {
    /// The files that it was made of.
    files: HashSet<Digest>,
    packs: Vec<Digest>,
    /// Of each pack, where the last blob that is known of it ends.
    ends: Vec<u32>,
    /// In packs that are in use.
    live: Tables,
    /// In packs that an index marks for deletion, whatever others say: to be read, never to be relied on by something new.
    /// While a prune replaces index files, a pack stands as in use in the old ones and as marked in the new ones.
    marked: Tables,
}

/// Where a blob lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The pack; [`Index::pack_id`] tells its name.
    pub pack: PackNumber,
    /// Of the sealed bytes in the pack.
    pub offset: u32,
    /// Sealed bytes.
    pub length: u32,
    /// Bytes before compression; none when it is stored as it was.
    pub uncompressed_length: Option<u32>,
}

/// The place of a pack in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackNumber(pub(crate) u32);

#[derive(Clone, Copy, Debug)]
struct Record {
    id: [u8; 32],
    pack: u32,
    offset: u32,
    length: u32,
    /// 0 when it is stored as it was.
    uncompressed_length: u32,
}

#[derive(Debug)]
struct Tables {
    data: Table,
    tree: Table,
}

#[derive(Debug)]
struct Table {
    shards: Vec<Vec<Record>>,
}

/// Takes index files in any order.
#[derive(Debug)]
pub struct IndexBuilder {
    packs: Vec<Digest>,
    ends: Vec<u32>,
    numbers: HashMap<Digest, u32>,
    live: Tables,
    marked: Tables,
    marked_packs: HashSet<u32>,
}

impl Index {
    /// Whether something new may rely on the blob.
    #[must_use]
    pub fn contains(&self, kind: BlobKind, id: &Digest) -> bool {
        self.pack_in_use(kind, id).is_some()
    }

    /// The pack that something new may rely on for the blob: packs marked for deletion are left out.
    pub(crate) fn pack_in_use(&self, kind: BlobKind, id: &Digest) -> Option<PackNumber> {
        self.live.of(kind).find(id).map(|record| PackNumber(record.pack))
    }

    /// Where the blob can be read, packs marked for deletion last.
    #[must_use]
    pub fn locate(&self, kind: BlobKind, id: &Digest) -> Option<Location> {
        let record = self.live.of(kind).find(id).or_else(|| self.marked.of(kind).find(id))?;
        Some(Location {
            pack: PackNumber(record.pack),
            offset: record.offset,
            length: record.length,
            uncompressed_length: (record.uncompressed_length > 0)
                .then_some(record.uncompressed_length),
        })
    }

    /// Bytes of the blob before compression, as far as the index tells; a stored blob is longer by its seal.
    #[must_use]
    pub fn plain_length(&self, kind: BlobKind, id: &Digest) -> Option<u32> {
        self.locate(kind, id).map(|location| location.plain_length())
    }

    /// The name of a pack.
    ///
    /// # Panics
    /// When the number is of another index.
    #[must_use]
    pub fn pack_id(&self, pack: PackNumber) -> Digest {
        self.packs[pack.0 as usize]
    }

    /// Where the blobs of a pack end and its header starts, as far as the index knows all blobs.
    pub(crate) fn pack_end(&self, pack: PackNumber) -> u32 {
        self.ends.get(pack.0 as usize).copied().unwrap_or(0)
    }

    /// All packs that index files name.
    pub fn packs(&self) -> impl Iterator<Item = &Digest> {
        self.packs.iter()
    }

    /// The names of all blobs of a kind; one in a marked pack may come twice.
    pub(crate) fn ids(&self, kind: BlobKind) -> impl Iterator<Item = Digest> + '_ {
        let tables = [self.live.of(kind), self.marked.of(kind)];
        let records = tables.into_iter().flat_map(|table| table.shards.iter().flatten());
        records.map(|record| Digest(record.id))
    }

    /// The blobs of a kind that are read from a pack.
    pub(crate) fn blobs_of(&self, pack: &Digest, kind: BlobKind) -> Vec<Digest> {
        let Some(number) = self.packs.iter().position(|id| id == pack) else { return Vec::new() };
        let tables = [self.live.of(kind), self.marked.of(kind)];
        let records = tables.into_iter().flat_map(|table| table.shards.iter().flatten());
        let its = records.filter(|record| record.pack as usize == number);
        its.map(|record| Digest(record.id)).collect()
    }

    /// The index files that it was made of.
    pub(crate) fn files(&self) -> &HashSet<Digest> {
        &self.files
    }

    /// Number of different blobs in packs that are in use.
    #[must_use]
    pub fn blobs_count(&self) -> usize {
        self.live.data.count() + self.live.tree.count()
    }
}

impl Location {
    /// Bytes before compression.
    #[must_use]
    pub fn plain_length(&self) -> u32 {
        let overhead = u32::try_from(crate::seal::OVERHEAD).unwrap_or(u32::MAX);
        self.uncompressed_length.unwrap_or_else(|| self.length.saturating_sub(overhead))
    }
}

impl Tables {
    fn new() -> Self {
        Self { data: Table::new(), tree: Table::new() }
    }

    fn of(&self, kind: BlobKind) -> &Table {
        match kind {
            BlobKind::Data => &self.data,
            BlobKind::Tree => &self.tree,
        }
    }

    fn of_mut(&mut self, kind: BlobKind) -> &mut Table {
        match kind {
            BlobKind::Data => &mut self.data,
            BlobKind::Tree => &mut self.tree,
        }
    }

    fn add(&mut self, pack: u32, blobs: &IndexPack) {
        for blob in &blobs.blobs {
            self.of_mut(blob.kind).add(Record {
                id: blob.id.0,
                pack,
                offset: blob.offset,
                length: blob.length,
                uncompressed_length: blob.uncompressed_length.unwrap_or(0),
            });
        }
    }

    /// Moves what lies in `packs` to `target`.
    fn move_out(&mut self, packs: &HashSet<u32>, target: &mut Self) {
        if packs.is_empty() {
            return;
        }
        for (from, to) in [(&mut self.data, &mut target.data), (&mut self.tree, &mut target.tree)] {
            for (from, to) in from.shards.iter_mut().zip(&mut to.shards) {
                to.extend(from.extract_if(.., |record| packs.contains(&record.pack)));
            }
        }
    }

    fn sort(&mut self) {
        self.data.sort();
        self.tree.sort();
    }
}

impl Table {
    fn new() -> Self {
        Self { shards: (0..SHARDS_COUNT).map(|_| Vec::new()).collect() }
    }

    fn add(&mut self, record: Record) {
        self.shards[usize::from(record.id[0])].push(record);
    }

    fn sort(&mut self) {
        for shard in &mut self.shards {
            // By pack as well, so that a blob stored twice is always read from the same place.
            shard.sort_unstable_by(|left, right| {
                left.id.cmp(&right.id).then(left.pack.cmp(&right.pack))
            });
            shard.dedup_by_key(|record| record.id);
            shard.shrink_to_fit();
        }
    }

    fn find(&self, id: &Digest) -> Option<&Record> {
        search::find(&self.shards[usize::from(id.0[0])], id)
    }

    fn count(&self) -> usize {
        self.shards.iter().map(Vec::len).sum()
    }
}

impl Default for IndexBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl IndexBuilder {
    /// Without any blob.
    #[must_use]
    pub fn new() -> Self {
        Self {
            packs: Vec::new(),
            ends: Vec::new(),
            numbers: HashMap::new(),
            live: Tables::new(),
            marked: Tables::new(),
            marked_packs: HashSet::new(),
        }
    }

    /// Takes what `file` tells. The same pack in several files is no trouble.
    ///
    /// # Errors
    /// `Limit` with more than 2³² packs.
    pub fn add(&mut self, file: &IndexFile) -> Result<()> {
        for pack in &file.packs {
            let number = self.pack(pack)?;
            self.live.add(number, pack);
        }
        for pack in &file.packs_to_delete {
            let number = self.pack(pack)?;
            self.marked_packs.insert(number);
            self.marked.add(number, pack);
        }
        Ok(())
    }

    fn pack(&mut self, pack: &IndexPack) -> Result<u32> {
        let number = self.number(pack.id)?;
        for blob in &pack.blobs {
            let end = blob.offset.checked_add(blob.length).ok_or_else(|| {
                let what = format!("index of pack {}", pack.id.short());
                Error::corrupt(what, "a blob ends beyond 4 GiB")
            })?;
            let known = &mut self.ends[number as usize];
            *known = end.max(*known);
        }
        Ok(number)
    }

    fn number(&mut self, id: Digest) -> Result<u32> {
        if let Some(number) = self.numbers.get(&id) {
            return Ok(*number);
        }
        let number = u32::try_from(self.packs.len())
            .map_err(|_| Error::new(ErrorKind::Limit, "the index names more than 2^32 packs"))?;
        self.packs.push(id);
        self.ends.push(0);
        self.numbers.insert(id, number);
        Ok(number)
    }

    /// The index, ready to be asked.
    #[must_use]
    pub fn finish(mut self) -> Index {
        self.live.move_out(&self.marked_packs, &mut self.marked);
        self.live.sort();
        self.marked.sort();
        let Self { packs, ends, live, marked, .. } = self;
        Index { files: HashSet::new(), packs, ends, live, marked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::PackedBlob;

    fn blob(id: u8, kind: BlobKind, offset: u32) -> PackedBlob {
        let uncompressed_length = id.is_multiple_of(2).then_some(1000);
        PackedBlob { id: Digest([id; 32]), kind, offset, length: 100, uncompressed_length }
    }

    fn pack(id: u8, blobs: Vec<PackedBlob>) -> IndexPack {
        IndexPack { id: Digest([id; 32]), blobs, time: None, size: None }
    }

    fn file(packs: Vec<IndexPack>, packs_to_delete: Vec<IndexPack>) -> IndexFile {
        IndexFile { packs, packs_to_delete, ..IndexFile::default() }
    }

    fn index(files: &[IndexFile]) -> Index {
        let mut builder = IndexBuilder::new();
        for file in files {
            builder.add(file).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn blobs_are_found_by_kind() {
        let blobs = vec![blob(1, BlobKind::Data, 0), blob(2, BlobKind::Tree, 100)];
        let index = index(&[file(vec![pack(9, blobs)], Vec::new())]);
        assert!(index.contains(BlobKind::Data, &Digest([1; 32])));
        assert!(!index.contains(BlobKind::Tree, &Digest([1; 32])));
        let location = index.locate(BlobKind::Tree, &Digest([2; 32])).unwrap();
        assert_eq!((location.offset, location.length, location.plain_length()), (100, 100, 1000));
        assert_eq!(index.plain_length(BlobKind::Data, &Digest([1; 32])), Some(68));
        assert_eq!(index.pack_id(location.pack), Digest([9; 32]));
        assert_eq!((index.pack_end(location.pack), index.blobs_count()), (200, 2));
        assert_eq!(index.locate(BlobKind::Data, &Digest([7; 32])), None);
    }

    #[test]
    fn packs_to_delete_are_read_but_not_relied_on() {
        let marked = pack(8, vec![blob(1, BlobKind::Data, 0), blob(3, BlobKind::Data, 100)]);
        let live = pack(9, vec![blob(1, BlobKind::Data, 500)]);
        let index = index(&[file(Vec::new(), vec![marked]), file(vec![live], Vec::new())]);
        assert!(index.contains(BlobKind::Data, &Digest([1; 32])));
        assert!(!index.contains(BlobKind::Data, &Digest([3; 32])));
        assert_eq!(index.locate(BlobKind::Data, &Digest([1; 32])).unwrap().offset, 500);
        assert_eq!(index.locate(BlobKind::Data, &Digest([3; 32])).unwrap().offset, 100);
    }

    #[test]
    fn a_pack_that_is_marked_anywhere_is_not_relied_on() {
        let both = || pack(8, vec![blob(1, BlobKind::Data, 0)]);
        let index = index(&[file(vec![both()], Vec::new()), file(Vec::new(), vec![both()])]);
        assert!(!index.contains(BlobKind::Data, &Digest([1; 32])));
        assert!(index.locate(BlobKind::Data, &Digest([1; 32])).is_some());
    }

    #[test]
    fn a_pack_in_two_files_counts_once() {
        let one = file(vec![pack(9, vec![blob(1, BlobKind::Data, 0)])], Vec::new());
        let index = index(&[one.clone(), one]);
        assert_eq!((index.packs().count(), index.blobs_count()), (1, 1));
    }

    #[test]
    fn a_blob_beyond_four_gib_is_refused() {
        let far = file(vec![pack(9, vec![blob(1, BlobKind::Data, u32::MAX)])], Vec::new());
        assert_eq!(IndexBuilder::new().add(&far).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_blob_takes_48_bytes() {
        assert_eq!(size_of::<Record>(), 48);
    }
}
