use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lockgate_types::Digest;

use super::budget::{Budget, Lease};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, IndexPack, PackedBlob, pack_header_encode};
use crate::hash::Hasher;
use crate::seal::MasterKey;

/// Packs of a kind that are open at the same time. Each blob goes into one of them by chance, so that the order of a
/// file's chunks, and with it their lengths in a row, cannot be read from a pack; restic does the same.
const OPEN_PACKS: usize = 2;
/// Most blobs in a pack: its header then has less than 2 MiB, far from the 16 MiB that readers take; and rustic's prune
/// counts the blobs of a pack in 16 bits, so that a pack with 65,536 of them would look unused to it.
const BLOBS_MAX: usize = 32_768;
/// Bytes of the pieces that an open pack is made of.
const SEGMENT_BYTES: usize = 1 << 20;

/// A pack that is ready to be stored.
pub(super) struct PackFile {
    /// Its name and its blobs.
    pub(super) index: IndexPack,
    /// Its bytes, to be put together.
    pub(super) data: Vec<Bytes>,
}

/// The open packs of one kind; data and trees are never mixed.
pub(super) struct Packer {
    kind: BlobKind,
    target_bytes: usize,
    open: [Mutex<OpenPack>; OPEN_PACKS],
}

/// One blob, sealed.
pub(super) struct SealedBlob<'a> {
    pub(super) id: Digest,
    pub(super) sealed: &'a [u8],
    pub(super) uncompressed_length: Option<u32>,
}

#[derive(Default)]
pub(super) struct OpenPack {
    segments: Vec<Lease>,
    blobs: Vec<PackedBlob>,
    bytes: usize,
}

impl Packer {
    pub(super) fn new(kind: BlobKind, target_bytes: usize) -> Self {
        Self { kind, target_bytes, open: Default::default() }
    }

    /// Adds `blob` to the open pack that `chance` says. The pack, when it is full.
    ///
    /// # Errors
    /// `Limit` when the pack would have more than 4 GiB.
    pub(super) fn add(
        &self,
        budget: &Arc<Budget>,
        chance: usize,
        blob: SealedBlob<'_>,
    ) -> Result<Option<OpenPack>> {
        let mut pack =
            self.open[chance % OPEN_PACKS].lock().unwrap_or_else(PoisonError::into_inner);
        let too_long = |_| Error::new(ErrorKind::Limit, "a pack would have more than 4 GiB");
        let offset = u32::try_from(pack.bytes).map_err(too_long)?;
        let length = u32::try_from(blob.sealed.len()).map_err(too_long)?;
        let SealedBlob { id, uncompressed_length, .. } = blob;
        pack.blobs.push(PackedBlob { id, kind: self.kind, offset, length, uncompressed_length });
        pack.append(budget, blob.sealed);
        let is_full = pack.bytes >= self.target_bytes || pack.blobs.len() >= BLOBS_MAX;
        Ok(is_full.then(|| std::mem::take(&mut *pack)))
    }

    /// What is left in the open packs, put into as few packs as it fits.
    pub(super) fn take_rest(&self) -> Vec<OpenPack> {
        let mut packs: Vec<OpenPack> = Vec::new();
        for open in &self.open {
            let rest = std::mem::take(&mut *open.lock().unwrap_or_else(PoisonError::into_inner));
            match packs.last_mut() {
                Some(last) if last.has_room_for(&rest, self.target_bytes) => last.merge(rest),
                _ if rest.blobs.is_empty() => {}
                _ => packs.push(rest),
            }
        }
        packs
    }
}

impl OpenPack {
    fn append(&mut self, budget: &Arc<Budget>, mut bytes: &[u8]) {
        self.bytes += bytes.len();
        while !bytes.is_empty() {
            bytes = match self.segments.last_mut() {
                Some(last) => last.fill(bytes),
                None => bytes,
            };
            if !bytes.is_empty() {
                self.segments.push(budget.lease(SEGMENT_BYTES));
            }
        }
    }

    fn has_room_for(&self, other: &Self, target_bytes: usize) -> bool {
        self.bytes + other.bytes <= target_bytes
            && self.blobs.len() + other.blobs.len() <= BLOBS_MAX
    }

    fn merge(&mut self, other: Self) {
        // Below the target of one pack, so that it fits.
        let shift = u32::try_from(self.bytes).unwrap_or(u32::MAX);
        let moved = other.blobs.into_iter();
        self.blobs.extend(moved.map(|blob| PackedBlob { offset: blob.offset + shift, ..blob }));
        self.segments.extend(other.segments);
        self.bytes += other.bytes;
    }

    /// Appends the header and gives the pack its name.
    ///
    /// # Errors
    /// When the header cannot be sealed.
    pub(super) fn close(mut self, key: &MasterKey, budget: &Arc<Budget>) -> Result<PackFile> {
        let header = key.seal(&pack_header_encode(&self.blobs))?;
        let length = u32::try_from(header.len())
            .map_err(|_| Error::new(ErrorKind::Limit, "a pack's header is longer than 4 GiB"))?;
        self.append(budget, &header);
        self.append(budget, &length.to_le_bytes());
        let mut hasher = Hasher::new();
        let mut data = Vec::with_capacity(self.segments.len());
        for mut segment in self.segments {
            hasher.update(segment.filled());
            segment.set_moving();
            data.push(Bytes::from_owner(segment));
        }
        let index = IndexPack { id: hasher.finish(), blobs: self.blobs, time: None, size: None };
        Ok(PackFile { index, data })
    }
}
