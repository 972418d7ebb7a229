use super::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNK_BYTES_NORMAL};
use crate::seal::MasterKey;

/// Bits that must be zero for a cut before the normal length: one place in 2^20.
const MASK_BEFORE: u64 = upper_bits(20);
/// Bits that must be zero for a cut after the normal length: one place in 2^18.
const MASK_AFTER: u64 = upper_bits(18);
/// How many bytes the hash depends on: each step shifts the oldest one out at the top.
const WINDOW: usize = 64;
/// Where hashing starts, so that the window is full at the first place that may be a cut.
const HASH_FROM: usize = CHUNK_BYTES_MIN - WINDOW;

/// The bits that depend on most of the window; the topmost one is left out for [`Gear::find`].
const fn upper_bits(count: u32) -> u64 {
    (u64::MAX << (u64::BITS - count)) >> 1
}

/// What every byte adds to the rolling hash. Secret, one per repository.
pub(crate) struct Gear {
    table: [u64; 256],
    /// The table shifted by one, for two bytes in one step.
    doubled: [u64; 256],
}

impl Gear {
    /// The table of the repository that `key` belongs to.
    pub(crate) fn of(key: &MasterKey) -> Self {
        let mut bytes = [0; 256 * 8];
        key.derive("fastcdc gear table, version 1", &mut bytes);
        let mut table = [0; 256];
        for (entry, bytes) in table.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *entry = u64::from_le_bytes(*bytes);
        }
        Self { table, doubled: table.map(|entry| entry << 1) }
    }

    /// Rolls `hash` over `data` up to the first byte after which it has no bit of `mask`; the number of bytes up to and
    /// including that one.
    fn find(&self, data: &[u8], hash: &mut u64, mask: u64) -> Option<usize> {
        let mut rolling = *hash;
        let (pairs, last) = data.as_chunks::<2>();
        for (index, [first, second]) in pairs.iter().enumerate() {
            // Two bytes in one step: the hash after the first is held shifted by one, which loses the topmost bit.
            let doubled = self.doubled[usize::from(*first)];
            let both = doubled.wrapping_add(self.table[usize::from(*second)]);
            let after_first = (rolling << 2).wrapping_add(doubled);
            rolling = (rolling << 2).wrapping_add(both);
            if after_first & (mask << 1) == 0 {
                return Some(2 * index + 1);
            }
            if rolling & mask == 0 {
                return Some(2 * index + 2);
            }
        }
        if let [byte] = last {
            rolling = (rolling << 1).wrapping_add(self.table[usize::from(*byte)]);
            if rolling & mask == 0 {
                return Some(data.len());
            }
        }
        *hash = rolling;
        None
    }
}

/// Finds the ends of a stream's chunks. Looks at every byte once, however small the steps in which the chunk grows.
#[derive(Default)]
pub(crate) struct Cutter {
    scanned: usize,
    hash: u64,
}

impl Cutter {
    /// `chunk` is everything since the last cut, including what earlier calls saw. The length of the chunk that ends in
    /// it, if one does; the next call starts with what follows.
    pub(crate) fn cut(&mut self, gear: &Gear, chunk: &[u8]) -> Option<usize> {
        let found = self.scan(gear, chunk);
        if found.is_some() {
            *self = Self::default();
        }
        found
    }

    fn scan(&mut self, gear: &Gear, chunk: &[u8]) -> Option<usize> {
        let phases = [
            (HASH_FROM, CHUNK_BYTES_MIN - 1, None),
            (CHUNK_BYTES_MIN - 1, CHUNK_BYTES_NORMAL, Some(MASK_BEFORE)),
            (CHUNK_BYTES_NORMAL, CHUNK_BYTES_MAX, Some(MASK_AFTER)),
        ];
        for (from, to, mask) in phases {
            let from = from.max(self.scanned);
            let to = to.min(chunk.len());
            let Some(data) = chunk.get(from..to) else { continue };
            match mask {
                None => self.warm(gear, data),
                Some(mask) => {
                    if let Some(length) = gear.find(data, &mut self.hash, mask) {
                        return Some(from + length);
                    }
                }
            }
            self.scanned = to;
        }
        (chunk.len() >= CHUNK_BYTES_MAX).then_some(CHUNK_BYTES_MAX)
    }

    fn warm(&mut self, gear: &Gear, data: &[u8]) {
        for byte in data {
            self.hash = (self.hash << 1).wrapping_add(gear.table[usize::from(*byte)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gear(seed: u8) -> Gear {
        Gear::of(&MasterKey::from_bytes(&[seed; 64]))
    }

    /// Pseudo-random bytes (xorshift), the same on every run.
    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// Cuts `data` as a stream that grows by `steps` bytes in turn.
    fn cuts(gear: &Gear, data: &[u8], steps: &[usize]) -> Vec<usize> {
        let (mut cutter, mut lengths) = (Cutter::default(), Vec::new());
        let (mut start, mut end) = (0, 0);
        for step in steps.iter().cycle() {
            while let Some(length) = cutter.cut(gear, &data[start..end]) {
                lengths.push(length);
                start += length;
            }
            if end == data.len() {
                lengths.push(end - start);
                return lengths;
            }
            end = (end + step).min(data.len());
        }
        unreachable!("steps are cycled")
    }

    #[test]
    fn steps_do_not_move_cuts() {
        let (gear, data) = (gear(1), noise(20_000_000, 7));
        let whole = cuts(&gear, &data, &[data.len()]);
        for steps in [&[65_536][..], &[1 << 20], &[1, 700_001, 13, 64, 99_999], &[524_287, 2]] {
            assert_eq!(cuts(&gear, &data, steps), whole, "{steps:?}");
        }
    }

    #[test]
    fn lengths_keep_their_bounds_and_their_mean() {
        let lengths = cuts(&gear(2), &noise(100_000_000, 3), &[1 << 20]);
        let (_, inner) = lengths.split_last().unwrap();
        assert!(inner.iter().all(|length| (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(length)));
        let mean = inner.iter().sum::<usize>() / inner.len();
        assert!((900_000..1_300_000).contains(&mean), "{mean}");
        let zeros = cuts(&gear(2), &vec![0; 3 * CHUNK_BYTES_MAX + 5], &[100_000]);
        assert_eq!(zeros, [CHUNK_BYTES_MAX, CHUNK_BYTES_MAX, CHUNK_BYTES_MAX, 5]);
    }

    #[test]
    fn an_insertion_moves_only_the_cuts_near_it() {
        let (gear, data) = (gear(3), noise(30_000_000, 5));
        let mut changed = data.clone();
        changed.splice(1000..1000, [1, 2, 3]);
        let tail = |lengths: &[usize]| lengths.iter().rev().take(15).copied().collect::<Vec<_>>();
        let (before, after) = (cuts(&gear, &data, &[1 << 18]), cuts(&gear, &changed, &[1 << 18]));
        assert_eq!(tail(&before), tail(&after));
    }

    #[test]
    fn another_key_cuts_elsewhere() {
        let data = noise(10_000_000, 9);
        assert_ne!(cuts(&gear(4), &data, &[1 << 20]), cuts(&gear(5), &data, &[1 << 20]));
    }
}
