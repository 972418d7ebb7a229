use std::sync::{Arc, Mutex, PoisonError};

use lockgate_storage::Storage;
use lockgate_types::Digest;

use super::body::{Body, Closed};
use super::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, IndexPack, PackedBlob, pack_header_encode};
use crate::seal::MasterKey;

/// Packs of a kind that are open at the same time. Each blob goes into one of them by chance, so that the order of a
/// file's chunks, and with it their lengths in a row, cannot be read from a pack; restic does the same.
const OPEN_PACKS: usize = 2;
/// Most blobs in a pack: its header then has less than 2 MiB, far from the 16 MiB that readers take; and rustic's prune
/// counts the blobs of a pack in 16 bits, so that a pack with 65,536 of them would look unused to it.
const BLOBS_MAX: usize = 32_768;

/// A pack that is ready to be stored.
pub(super) struct PackFile {
    /// Its name and its blobs.
    pub(super) index: IndexPack,
    pub(super) data: Closed,
    /// How many bytes it has.
    pub(super) bytes: usize,
}

/// The open packs of one kind; data and trees are never mixed.
pub(super) struct Packer {
    kind: BlobKind,
    target_bytes: usize,
    storage: Storage,
    budget: Arc<Budget>,
    open: [Mutex<OpenPack>; OPEN_PACKS],
}

/// One blob, sealed.
pub(super) struct SealedBlob<'a> {
    pub(super) id: Digest,
    pub(super) sealed: &'a [u8],
    pub(super) uncompressed_length: Option<u32>,
}

pub(super) struct OpenPack {
    body: Body,
    blobs: Vec<PackedBlob>,
}

impl Packer {
    pub(super) fn new(
        kind: BlobKind,
        target_bytes: usize,
        storage: &Storage,
        budget: &Arc<Budget>,
    ) -> Self {
        let (storage, budget) = (storage.clone(), Arc::clone(budget));
        let open =
            [(); OPEN_PACKS].map(|()| Mutex::new(OpenPack::new(storage.clone(), budget.clone())));
        Self { kind, target_bytes, storage, budget, open }
    }

    fn new_pack(&self) -> OpenPack {
        OpenPack::new(self.storage.clone(), Arc::clone(&self.budget))
    }

    /// Adds `blob` to the open pack that `chance` says. The pack, when it is full.
    ///
    /// # Errors
    /// `Limit` when the pack would have more than 4 GiB, and those of the storage.
    pub(super) fn add(&self, chance: usize, blob: SealedBlob<'_>) -> Result<Option<OpenPack>> {
        let mut pack =
            self.open[chance % OPEN_PACKS].lock().unwrap_or_else(PoisonError::into_inner);
        let too_long = |_| Error::new(ErrorKind::Limit, "a pack would have more than 4 GiB");
        let offset = u32::try_from(pack.body.bytes()).map_err(too_long)?;
        let length = u32::try_from(blob.sealed.len()).map_err(too_long)?;
        let SealedBlob { id, uncompressed_length, .. } = blob;
        pack.blobs.push(PackedBlob { id, kind: self.kind, offset, length, uncompressed_length });
        pack.body.append(blob.sealed)?;
        let is_full = pack.body.bytes() >= self.target_bytes || pack.blobs.len() >= BLOBS_MAX;
        Ok(is_full.then(|| std::mem::replace(&mut *pack, self.new_pack())))
    }

    /// Throws away what is in the open packs.
    pub(super) fn discard(&self) {
        for open in &self.open {
            *open.lock().unwrap_or_else(PoisonError::into_inner) = self.new_pack();
        }
    }

    /// What is left in the open packs, put into as few packs as it fits.
    ///
    /// # Errors
    /// Those of the storage.
    pub(super) fn take_rest(&self) -> Result<Vec<OpenPack>> {
        let mut packs: Vec<OpenPack> = Vec::new();
        for open in &self.open {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            let mut rest = std::mem::replace(&mut *open, self.new_pack());
            drop(open);
            match packs.last_mut() {
                _ if rest.blobs.is_empty() => {}
                Some(last) if last.has_room_for(&rest, self.target_bytes) => {
                    if !rest.body.is_in_memory() {
                        std::mem::swap(last, &mut rest);
                    }
                    last.merge(rest)?;
                }
                _ => packs.push(rest),
            }
        }
        Ok(packs)
    }
}

impl OpenPack {
    fn new(storage: Storage, budget: Arc<Budget>) -> Self {
        Self { body: Body::new(storage, budget), blobs: Vec::new() }
    }

    /// Whether both fit into one pack, and one of them can be put behind the other.
    fn has_room_for(&self, other: &Self, target_bytes: usize) -> bool {
        self.body.bytes() + other.body.bytes() <= target_bytes
            && self.blobs.len() + other.blobs.len() <= BLOBS_MAX
            && (self.body.is_in_memory() || other.body.is_in_memory())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        // Below the target of one pack, so that it fits.
        let shift = u32::try_from(self.body.bytes()).unwrap_or(u32::MAX);
        let moved = other.blobs.into_iter();
        self.blobs.extend(moved.map(|blob| PackedBlob { offset: blob.offset + shift, ..blob }));
        self.body.merge(other.body)
    }

    /// Appends the header and gives the pack its name.
    ///
    /// # Errors
    /// When the header cannot be sealed, and those of the storage.
    pub(super) fn close(mut self, key: &MasterKey) -> Result<PackFile> {
        let header = key.seal(&pack_header_encode(&self.blobs))?;
        let length = u32::try_from(header.len())
            .map_err(|_| Error::new(ErrorKind::Limit, "a pack's header is longer than 4 GiB"))?;
        self.body.append(&header)?;
        self.body.append(&length.to_le_bytes())?;
        let bytes = self.body.bytes();
        let (id, data) = self.body.close()?;
        let index = IndexPack { id, blobs: self.blobs, time: None, size: None };
        Ok(PackFile { index, data, bytes })
    }
}
