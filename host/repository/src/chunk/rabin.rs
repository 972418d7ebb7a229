use super::CHUNK_BYTES_MIN;
use crate::error::{Error, Result};

/// Longest chunk, in bytes.
pub(super) const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bits of the fingerprint that must be zero for a cut: one place in 2^20.
const MASK: u64 = (1 << 20) - 1;
/// How many bytes the fingerprint is of.
const WINDOW: usize = 64;
/// Where the window starts, so that it is full at the first place that may be a cut.
const HASH_FROM: usize = CHUNK_BYTES_MIN - WINDOW;
/// Degree of the polynomials of all repositories.
const DEGREE: u32 = 53;

/// Cuts where restic cuts: Rabin fingerprints of 64 bytes modulo the polynomial in the repository's config (restic's
/// public design document, section "Backups and Deduplication"; M. O. Rabin, "Fingerprinting by Random Polynomials").
pub(crate) struct Rabin {
    /// What a byte has become when it leaves the window.
    leave: [u64; 256],
    /// What the bits above the degree, and their remainder, change.
    reduce: [u64; 256],
}

impl Rabin {
    /// # Errors
    /// `Corrupt` when the polynomial has not degree 53.
    pub(super) fn new(polynomial: u64) -> Result<Self> {
        if polynomial.checked_ilog2() != Some(DEGREE) {
            return Err(Error::corrupt("file config", "the polynomial has not degree 53"));
        }
        let (mut leave, mut reduce) = ([0; 256], [0; 256]);
        for byte in 0..256_usize {
            let mut value = remainder(byte as u64, polynomial);
            for _ in 1..WINDOW {
                value = remainder(value << 8, polynomial);
            }
            leave[byte] = value;
            let above = (byte as u64) << DEGREE;
            reduce[byte] = remainder(above, polynomial) | above;
        }
        Ok(Self { leave, reduce })
    }

    fn push(&self, fingerprint: u64, byte: u8) -> u64 {
        // The eight bits that leave the degree index the table; a fingerprint has fewer bits than the degree.
        let above = (fingerprint >> (DEGREE - 8)) as u8;
        (fingerprint << 8 | u64::from(byte)) ^ self.reduce[usize::from(above)]
    }

    /// The end of the chunk that starts at `chunk[0]`, when it is within; `scanned` and `fingerprint` carry what earlier
    /// calls on the same, shorter chunk have done.
    pub(super) fn scan(
        &self,
        chunk: &[u8],
        scanned: &mut usize,
        fingerprint: &mut u64,
    ) -> Option<usize> {
        let from = HASH_FROM.max(*scanned);
        let mut value = if *scanned <= HASH_FROM { 1 } else { *fingerprint };
        for place in from..chunk.len().min(BYTES_MAX) {
            // restic starts with a window that holds a single 1, which leaves when the window is full.
            let left = match place - HASH_FROM {
                before if before < WINDOW - 1 => 0,
                before if before == WINDOW - 1 => 1,
                _ => chunk[place - WINDOW],
            };
            value = self.push(value ^ self.leave[usize::from(left)], chunk[place]);
            let length = place + 1;
            if length >= CHUNK_BYTES_MIN && (value & MASK == 0 || length == BYTES_MAX) {
                return Some(length);
            }
        }
        *scanned = from.max(chunk.len());
        *fingerprint = value;
        None
    }
}

/// The remainder of `value` modulo `polynomial`, over GF(2).
fn remainder(mut value: u64, polynomial: u64) -> u64 {
    while let Some(degree) = value.checked_ilog2().filter(|degree| *degree >= DEGREE) {
        value ^= polynomial << (degree - DEGREE);
    }
    value
}
