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
    pub(super) fn of(key: &MasterKey) -> Self {
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

impl Gear {
    /// The end of the chunk that starts at `chunk[0]`, when it is within; `scanned` and `hash` carry what earlier calls on
    /// the same, shorter chunk have done.
    pub(super) fn scan(&self, chunk: &[u8], scanned: &mut usize, hash: &mut u64) -> Option<usize> {
        let phases = [
            (HASH_FROM, CHUNK_BYTES_MIN - 1, None),
            (CHUNK_BYTES_MIN - 1, CHUNK_BYTES_NORMAL, Some(MASK_BEFORE)),
            (CHUNK_BYTES_NORMAL, CHUNK_BYTES_MAX, Some(MASK_AFTER)),
        ];
        for (from, to, mask) in phases {
            let from = from.max(*scanned);
            let to = to.min(chunk.len());
            let Some(data) = chunk.get(from..to) else { continue };
            match mask {
                None => self.warm(data, hash),
                Some(mask) => {
                    if let Some(length) = self.find(data, hash, mask) {
                        return Some(from + length);
                    }
                }
            }
            *scanned = to;
        }
        (chunk.len() >= CHUNK_BYTES_MAX).then_some(CHUNK_BYTES_MAX)
    }

    fn warm(&self, data: &[u8], hash: &mut u64) {
        for byte in data {
            *hash = (*hash << 1).wrapping_add(self.table[usize::from(*byte)]);
        }
    }
}
