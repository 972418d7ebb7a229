use std::collections::{HashMap, HashSet};

use lockgate_types::Digest;

use crate::format::{BlobKind, IndexFile, PackedBlob};

/// All that the indexes of a repository say, kept so that every blob of a pack and every pack of a blob can be found;
/// about 60 bytes a blob.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    packs: Vec<PackRecord>,
    /// By pack, then by offset.
    entries: Vec<Entry>,
    /// Positions in `entries`, by the id of the blob.
    by_id: Vec<u32>,
    /// Packs that a prune marked and that will be deleted, unless an index also has them in use.
    marked: Vec<Digest>,
    /// Blobs that are stored more than once.
    duplicates: u64,
    /// Packs that are not there.
    lost: HashSet<Digest>,
}

/// A pack that an index has in use.
#[derive(Debug)]
pub(crate) struct PackRecord {
    pub id: Digest,
    start: usize,
    end: usize,
}

/// Where a blob is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub pack: u32,
    pub blob: PackedBlob,
}

/// Puts an [`Inventory`] together.
#[derive(Debug, Default)]
pub(crate) struct InventoryBuilder {
    packs: HashMap<Digest, u32>,
    entries: Vec<Entry>,
    marked: Vec<Digest>,
}

impl InventoryBuilder {
    /// Adds what an index file says. The same pack may stand in several of them.
    pub(crate) fn add(&mut self, index: IndexFile) {
        for pack in index.packs {
            let next =
                u32::try_from(self.packs.len()).expect("fewer than 2^32 packs fit in memory");
            let number = *self.packs.entry(pack.id).or_insert(next);
            let entries = pack.blobs.into_iter().map(|blob| Entry { pack: number, blob });
            self.entries.extend(entries);
        }
        self.marked.extend(index.packs_to_delete.into_iter().map(|pack| pack.id));
    }

    /// Sorts everything.
    pub(crate) fn build(self) -> Inventory {
        let Self { packs, mut entries, mut marked } = self;
        marked.retain(|pack| !packs.contains_key(pack));
        marked.sort_unstable();
        marked.dedup();
        let mut records: Vec<(u32, Digest)> = packs.into_iter().map(|(id, n)| (n, id)).collect();
        records.sort_unstable();
        let place = |entry: &Entry| (entry.pack, entry.blob.offset, entry.blob.id);
        entries.sort_unstable_by_key(place);
        entries.dedup_by(|left, right| left.pack == right.pack && left.blob == right.blob);

        let mut start = 0;
        let record = |(number, id): (u32, Digest)| {
            let rest = entries.get(start..).unwrap_or_default();
            let end = start + rest.partition_point(|entry| entry.pack <= number);
            PackRecord { id, start: std::mem::replace(&mut start, end), end }
        };
        let packs = records.into_iter().map(record).collect();
        let count = u32::try_from(entries.len()).expect("fewer than 2^32 blobs fit in memory");
        let mut by_id: Vec<u32> = (0..count).collect();
        let id = |position: &u32| entries.get(*position as usize).map(|entry| entry.blob.id);
        by_id.sort_unstable_by_key(id);
        let duplicates =
            by_id.windows(2).filter(|pair| id(&pair[0]) == id(&pair[1])).count() as u64;
        Inventory { packs, entries, by_id, marked, duplicates, lost: HashSet::new() }
    }
}

impl Inventory {
    pub(crate) fn packs(&self) -> &[PackRecord] {
        &self.packs
    }

    pub(crate) fn pack(&self, entry: &Entry) -> Option<&PackRecord> {
        self.packs.get(entry.pack as usize)
    }

    pub(crate) fn entries(&self, pack: &PackRecord) -> &[Entry] {
        self.entries.get(pack.start..pack.end).unwrap_or_default()
    }

    pub(crate) fn blob_count(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    pub(crate) fn marked(&self) -> &[Digest] {
        &self.marked
    }

    /// From now on nothing is found in these packs.
    pub(crate) fn lose(&mut self, packs: HashSet<Digest>) {
        self.lost = packs;
    }

    /// Any place of a blob of this kind.
    pub(crate) fn find(&self, id: &Digest, kind: BlobKind) -> Option<&Entry> {
        let is_there = |entry: &&Entry| entry.blob.kind == kind && !self.is_in_lost_pack(entry);
        self.places(id).find(is_there)
    }

    /// Whether the blob was in a pack that is not there.
    pub(crate) fn is_lost(&self, id: &Digest) -> bool {
        !self.lost.is_empty() && self.places(id).any(|entry| self.is_in_lost_pack(entry))
    }

    fn is_in_lost_pack(&self, entry: &Entry) -> bool {
        !self.lost.is_empty() && self.pack(entry).is_some_and(|pack| self.lost.contains(&pack.id))
    }

    /// All places of a blob.
    pub(crate) fn places(&self, id: &Digest) -> impl Iterator<Item = &Entry> {
        let first = self.first(id);
        let rest = self.by_id.get(first..).unwrap_or_default();
        let entries = rest.iter().filter_map(|position| self.entries.get(*position as usize));
        entries.take_while(move |entry| entry.blob.id == *id)
    }

    /// The first position in `by_id` whose blob is not below `id`. Ids are uniform, so that the place where `id` would
    /// stand is known to within a few dozen entries before anything is read.
    fn first(&self, id: &Digest) -> usize {
        let is_below = |position: &u32| {
            self.entries.get(*position as usize).is_some_and(|entry| entry.blob.id < *id)
        };
        let count = self.by_id.len();
        let top = id.0.first_chunk::<8>().map_or(0, |top| u64::from_be_bytes(*top));
        let guess = ((u128::from(top) * count as u128) >> 64) as usize;
        let (mut low, mut high, mut step) = (guess, guess, 16);
        while low > 0 && !self.by_id.get(low).is_some_and(is_below) {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 16;
        while high < count && self.by_id.get(high).is_some_and(is_below) {
            high = (high + step).min(count);
            step *= 2;
        }
        let window = self.by_id.get(low..high).unwrap_or_default();
        low + window.partition_point(is_below)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::IndexPack;
    use crate::hash::sha256;

    fn blob(id: Digest, kind: BlobKind, offset: u32) -> PackedBlob {
        PackedBlob { id, kind, offset, length: 40, uncompressed_length: None }
    }

    fn index(packs: Vec<(Digest, Vec<PackedBlob>)>) -> IndexFile {
        let pack = |(id, blobs)| IndexPack { id, blobs, time: None, size: None };
        IndexFile { packs: packs.into_iter().map(pack).collect(), ..IndexFile::default() }
    }

    proptest! {
        #[test]
        fn every_blob_is_found_where_it_is(count in 0_u32..700, packs in 1_u32..9) {
            let id = |number: u32| sha256(&number.to_le_bytes());
            let mut builder = InventoryBuilder::default();
            for pack in 0..packs {
                let blobs = (0..count).filter(|number| number % packs == pack);
                let blobs = blobs.map(|number| blob(id(number), BlobKind::Data, number * 40));
                builder.add(index(vec![(Digest([pack as u8; 32]), blobs.collect())]));
            }
            let inventory = builder.build();
            prop_assert_eq!(inventory.blob_count(), u64::from(count));
            for number in 0..count {
                let entry = inventory.find(&id(number), BlobKind::Data).unwrap();
                prop_assert_eq!(entry.blob.offset, number * 40);
                let pack = inventory.pack(entry).unwrap();
                prop_assert_eq!(pack.id, Digest([(number % packs) as u8; 32]));
                prop_assert!(inventory.entries(pack).iter().any(|other| other.blob == entry.blob));
            }
            for number in count..count + 50 {
                prop_assert!(inventory.find(&id(number), BlobKind::Data).is_none());
            }
        }
    }

    #[test]
    fn a_pack_in_two_indexes_counts_once_and_a_blob_in_two_packs_is_a_duplicate() {
        let (one, two) = (Digest([1; 32]), Digest([2; 32]));
        let first = vec![blob(Digest([7; 32]), BlobKind::Data, 0)];
        let mut builder = InventoryBuilder::default();
        builder.add(index(vec![(one, first.clone())]));
        builder.add(index(vec![(one, first.clone()), (two, first)]));
        let inventory = builder.build();
        assert_eq!((inventory.packs().len(), inventory.blob_count()), (2, 2));
        assert_eq!(inventory.duplicates(), 1);
        assert_eq!(inventory.places(&Digest([7; 32])).count(), 2);
    }

    #[test]
    fn the_kind_of_a_blob_matters_and_a_marked_pack_holds_nothing() {
        let id = Digest([7; 32]);
        let mut builder = InventoryBuilder::default();
        let mut file = index(vec![(Digest([1; 32]), vec![blob(id, BlobKind::Data, 0)])]);
        let marked = index(vec![(Digest([2; 32]), vec![blob(id, BlobKind::Tree, 0)])]).packs;
        file.packs_to_delete = marked;
        builder.add(file);
        let inventory = builder.build();
        assert!(inventory.find(&id, BlobKind::Data).is_some());
        assert!(inventory.find(&id, BlobKind::Tree).is_none());
        assert_eq!(inventory.marked(), [Digest([2; 32])]);
    }

    #[test]
    fn a_blob_is_found_in_the_pack_that_is_there() {
        let (one, two, id) = (Digest([1; 32]), Digest([2; 32]), Digest([7; 32]));
        let blobs = vec![blob(id, BlobKind::Data, 0)];
        let mut builder = InventoryBuilder::default();
        builder.add(index(vec![(one, blobs.clone()), (two, blobs)]));
        let mut inventory = builder.build();
        inventory.lose(HashSet::from([one]));
        let entry = inventory.find(&id, BlobKind::Data).unwrap();
        assert_eq!(inventory.pack(entry).unwrap().id, two);
        inventory.lose(HashSet::from([one, two]));
        assert!(inventory.find(&id, BlobKind::Data).is_none() && inventory.is_lost(&id));
    }
}
