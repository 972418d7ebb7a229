//! Which blobs are needed, in 16 bytes and four bits a blob.
//!
//! A blob stands here by a fingerprint of 128 bits: two blocks of AES in a chain, under a key that is made for one prune and
//! then forgotten. Nobody can make two blobs that look alike under a key that is not made yet, and among 2^27 blobs chance
//! makes such a pair once in 2^75 prunes.

use std::sync::atomic::{AtomicU64, Ordering};

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use lockgate_types::Digest;

use crate::error::Result;
use crate::format::BlobKind;

/// Fingerprints are spread by their first byte, so that none of the lists is large while it is sorted.
const SHARDS: usize = 256;

/// All blobs that indexes name.
pub(super) struct Needs {
    mixer: Mixer,
    shards: Vec<Vec<u128>>,
    /// Of each shard, how many blobs stand before it.
    starts: Vec<usize>,
    /// A snapshot needs it.
    needed: Bits,
    /// A pack that holds it was found.
    claimed: Bits,
    /// A place of it stays.
    kept: Bits,
    /// A snapshot needs it that came later.
    late: Bits,
}

/// Takes blobs in any order, also several times.
pub(super) struct NeedsBuilder {
    mixer: Mixer,
    shards: Vec<Vec<u128>>,
}

struct Mixer(Aes128);

struct Bits(Vec<AtomicU64>);

impl Mixer {
    fn fingerprint(&self, kind: BlobKind, id: &Digest) -> u128 {
        let (first, second) = id.0.split_at(16);
        let mut block = aes::Block::default();
        block.copy_from_slice(first);
        if kind == BlobKind::Tree {
            // Another name, as far away from being a blob's as any.
            block[0] ^= 0xff;
        }
        self.0.encrypt_block(&mut block);
        for (byte, next) in block.iter_mut().zip(second) {
            *byte ^= next;
        }
        self.0.encrypt_block(&mut block);
        u128::from_be_bytes(block.into())
    }
}

impl Bits {
    fn new(count: usize) -> Self {
        Self((0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether it was not set before.
    fn set(&self, place: usize) -> bool {
        let bit = 1 << (place % 64);
        self.0.get(place / 64).is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    fn is_set(&self, place: usize) -> bool {
        let bit = 1 << (place % 64);
        self.0.get(place / 64).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }
}

impl NeedsBuilder {
    pub(super) fn new() -> Result<Self> {
        let mut key = [0; 16];
        crate::seal::random(&mut key)?;
        let shards = (0..SHARDS).map(|_| Vec::new()).collect();
        Ok(Self { mixer: Mixer(Aes128::new(&key.into())), shards })
    }

    pub(super) fn add(&mut self, kind: BlobKind, id: &Digest) {
        let print = self.mixer.fingerprint(kind, id);
        self.shards[shard(print)].push(print);
    }

    pub(super) fn finish(mut self) -> Needs {
        let (mut starts, mut count) = (Vec::with_capacity(SHARDS), 0);
        for shard in &mut self.shards {
            shard.sort_unstable();
            shard.dedup();
            shard.shrink_to_fit();
            starts.push(count);
            count += shard.len();
        }
        let [needed, claimed, kept, late] = [(); 4].map(|()| Bits::new(count));
        Needs { mixer: self.mixer, shards: self.shards, starts, needed, claimed, kept, late }
    }
}

impl Needs {
    /// A snapshot needs the blob: none when no index names it, otherwise whether that is new.
    pub(super) fn need(&self, kind: BlobKind, id: &Digest) -> Option<bool> {
        self.place(kind, id).map(|place| self.needed.set(place))
    }

    /// A snapshot that came later needs the blob; whether that is news to those who needed it before.
    pub(super) fn need_late(&self, kind: BlobKind, id: &Digest) {
        if let Some(place) = self.place(kind, id).filter(|place| !self.needed.is_set(*place)) {
            self.late.set(place);
        }
    }

    /// Whether this place of the blob is the one that counts: it is needed, and the first place that is asked about.
    pub(super) fn claim(&self, kind: BlobKind, id: &Digest) -> bool {
        self.place(kind, id).is_some_and(|at| self.needed.is_set(at) && self.claimed.set(at))
    }

    /// The blob has a place that stays; whether it is needed and had none before.
    pub(super) fn keep(&self, kind: BlobKind, id: &Digest) -> bool {
        self.place(kind, id).is_some_and(|at| self.needed.is_set(at) && self.kept.set(at))
    }

    /// Whether any snapshot needs the blob that came in time.
    pub(super) fn is_needed(&self, kind: BlobKind, id: &Digest) -> bool {
        self.place(kind, id).is_some_and(|at| self.needed.is_set(at))
    }

    /// Whether only a snapshot that came later needs the blob.
    pub(super) fn is_late(&self, kind: BlobKind, id: &Digest) -> bool {
        self.place(kind, id).is_some_and(|place| self.late.is_set(place))
    }

    fn place(&self, kind: BlobKind, id: &Digest) -> Option<usize> {
        let print = self.mixer.fingerprint(kind, id);
        let at = self.shards[shard(print)].binary_search(&print).ok()?;
        Some(self.starts[shard(print)] + at)
    }
}

fn shard(print: u128) -> usize {
    usize::from(print.to_be_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    fn needs(count: u32) -> Needs {
        let mut builder = NeedsBuilder::new().unwrap();
        for number in 0..count {
            builder.add(BlobKind::Data, &sha256(&number.to_le_bytes()));
        }
        builder.finish()
    }

    #[test]
    fn a_needed_blob_is_claimed_once_and_any_other_never() {
        let needs = needs(2000);
        let id = |number: u32| sha256(&number.to_le_bytes());
        for number in (0..2000).step_by(2) {
            assert_eq!(needs.need(BlobKind::Data, &id(number)), Some(true));
        }
        assert_eq!(needs.need(BlobKind::Data, &id(0)), Some(false));
        assert_eq!(needs.need(BlobKind::Data, &id(9999)), None);
        assert_eq!(needs.need(BlobKind::Tree, &id(0)), None);
        for number in 0..2000 {
            assert_eq!(needs.claim(BlobKind::Data, &id(number)), number % 2 == 0);
            assert!(!needs.claim(BlobKind::Data, &id(number)));
        }
        needs.need_late(BlobKind::Data, &id(0));
        needs.need_late(BlobKind::Data, &id(1));
        assert!(!needs.is_late(BlobKind::Data, &id(0)) && needs.is_late(BlobKind::Data, &id(1)));
        assert!(
            needs.is_needed(BlobKind::Data, &id(0)) && !needs.is_needed(BlobKind::Data, &id(1))
        );
    }

    /// `cargo test --lib prune::needs -- --ignored --nocapture` tells the memory of 70 million blobs.
    #[test]
    #[ignore = "takes 1.2 GB"]
    fn seventy_million_blobs_take_seventeen_bytes_each() {
        let mut builder = NeedsBuilder::new().unwrap();
        let mut id = Digest([0; 32]);
        for number in 0..70_000_000_u64 {
            id.0[..8].copy_from_slice(&number.to_le_bytes());
            builder.add(BlobKind::Data, &id);
        }
        let needs = builder.finish();
        let prints: usize = needs.shards.iter().map(|shard| shard.capacity() * 16).sum();
        let bits: usize = 4 * needs.needed.0.len() * 8;
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        println!("{} bytes of fingerprints, {bits} of bits, {peak}", prints);
        assert!(prints + bits < 70_000_000 * 17);
    }
}
