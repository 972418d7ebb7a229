//! Finds a blob in a sorted table.
//!
//! A search by halves reads a record at each step, far from the one before, so that each is waited for. Names are SHA-256 and lie
//! evenly: two guesses come within a few records of the right one.

use lockgate_types::Digest;

use super::Record;

/// The record of `id`. `records` are in the order of their names, which all begin with the same byte.
pub(super) fn find<'a>(records: &'a [Record], id: &Digest) -> Option<&'a Record> {
    let first = place(&id.0, records.len());
    // Its neighbours are as far from where they would be if all lay quite evenly.
    let expected = place(&records.get(first)?.id, records.len());
    let second = (2 * first).saturating_sub(expected).min(records.len());
    let at = records_before(records, id, second);
    records.get(at).filter(|record| record.id == id.0)
}

/// Where `id` would be among `count` names that lie quite evenly.
fn place(id: &[u8; 32], count: usize) -> usize {
    let fraction = u32::from_be_bytes([id[1], id[2], id[3], id[4]]);
    // A table of 2³² records would not fit into memory.
    ((u64::from(fraction) * count as u64) >> 32) as usize
}

/// How many records come before `id`: probably about `guess`. Steps away from there grow, so that names that do not lie evenly cost
/// twice a search by halves at most.
fn records_before(records: &[Record], id: &Digest, guess: usize) -> usize {
    let is_before = |record: &Record| record.id < id.0;
    let (mut low, mut high) = (guess, guess);
    let mut step = 1;
    while low > 0 && !is_before(&records[low - 1]) {
        high = low - 1;
        low = high.saturating_sub(step);
        step *= 2;
    }
    step = 1;
    while high < records.len() && is_before(&records[high]) {
        low = high + 1;
        high = (low + step).min(records.len());
        step *= 2;
    }
    low + records[low..high].partition_point(is_before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(mut ids: Vec<[u8; 32]>) -> Vec<Record> {
        ids.sort_unstable();
        ids.dedup();
        let record = |id| Record { id, pack: 0, offset: 0, length: 0, uncompressed_length: 0 };
        ids.into_iter().map(record).collect()
    }

    fn finds_all_and_nothing_else(ids: Vec<[u8; 32]>, others: &[[u8; 32]]) {
        let records = table(ids);
        for record in &records {
            let found = find(&records, &Digest(record.id)).map(|found| found.id);
            assert_eq!(found, Some(record.id));
        }
        for other in others {
            let is_there = records.iter().any(|record| record.id == *other);
            assert_eq!(find(&records, &Digest(*other)).is_some(), is_there);
        }
    }

    #[test]
    fn names_as_they_are_mostly() {
        let id = |number: u32| {
            let mut id = crate::hash::sha256(&number.to_le_bytes()).0;
            id[0] = 7;
            id
        };
        let others: Vec<_> = (5000..6000).map(id).collect();
        finds_all_and_nothing_else((0..5000).map(id).collect(), &others);
        finds_all_and_nothing_else(Vec::new(), &others);
    }

    /// Few different bytes: names lie in heaps, and are among the others, too.
    fn heaped(count_max: usize) -> impl Strategy<Value = Vec<[u8; 32]>> {
        let byte = prop_oneof![Just(0_u8), Just(255), 7_u8..9];
        proptest::collection::vec(proptest::array::uniform32(byte), 0..count_max)
    }

    proptest! {
        #[test]
        fn names_of_somebody_who_means_ill(
            ids in heaped(300),
            others in heaped(100),
        ) {
            finds_all_and_nothing_else(ids, &others);
        }

        #[test]
        fn names_that_differ_at_their_ends(
            ids in proptest::collection::vec(any::<[u8; 3]>(), 0..300),
            others in proptest::collection::vec(any::<[u8; 3]>(), 0..100),
        ) {
            let spread = |[first, middle, last]: [u8; 3]| {
                let mut id = [7; 32];
                (id[1], id[5], id[31]) = (first & 1, middle & 1, last);
                id
            };
            let others: Vec<_> = others.into_iter().map(spread).collect();
            finds_all_and_nothing_else(ids.into_iter().map(spread).collect(), &others);
        }
    }
}
