use std::sync::Arc;

use bytes::Bytes;
use lockgate_storage::{Draft, Storage};
use lockgate_types::Digest;

use super::budget::{Budget, Lease};
use crate::error::Result;
use crate::hash::Hasher;
use crate::layout::DATA_FOLDER;

/// Bytes of the pieces that an open pack is made of.
const SEGMENT_BYTES: usize = 1 << 20;

/// The bytes of a pack that is being put together. A local folder gets them as they come, in a file that has no name yet;
/// for any other storage they stay in memory, because it is sent a pack as a whole. What fits into one segment stays in
/// memory, too: such packs can still be merged.
pub(super) struct Body {
    storage: Storage,
    budget: Arc<Budget>,
    /// Of what the draft has.
    hasher: Hasher,
    draft: Option<Draft>,
    /// What the draft does not have; with a draft a single one.
    segments: Vec<Lease>,
    bytes: usize,
}

/// The bytes of a pack that is ready to be stored.
pub(super) enum Closed {
    /// They need their name only. The lease has no memory: it counts what is on its way to the medium.
    Draft(Draft, Lease),
    /// To be put together.
    Pieces(Vec<Bytes>),
}

impl Body {
    pub(super) fn new(storage: Storage, budget: Arc<Budget>) -> Self {
        let (hasher, segments) = (Hasher::new(), Vec::new());
        Self { storage, budget, hasher, draft: None, segments, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it can still be put behind another one.
    pub(super) fn is_in_memory(&self) -> bool {
        self.draft.is_none()
    }

    /// # Errors
    /// Those of the storage.
    pub(super) fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len();
        while !bytes.is_empty() {
            bytes = match self.segments.last_mut() {
                Some(last) => last.fill(bytes),
                None => bytes,
            };
            if !bytes.is_empty() {
                self.make_room()?;
            }
        }
        Ok(())
    }

    fn make_room(&mut self) -> Result<()> {
        if self.draft.is_none() && self.segments.len() == 1 {
            self.draft = self.storage.draft(DATA_FOLDER)?;
        }
        if self.draft.is_some() {
            return self.hand_over();
        }
        self.segments.push(self.budget.lease(SEGMENT_BYTES));
        Ok(())
    }

    /// Gives the draft what it does not have.
    fn hand_over(&mut self) -> Result<()> {
        let Some(draft) = &mut self.draft else { return Ok(()) };
        for segment in &mut self.segments {
            self.hasher.update(segment.filled());
            draft.append(segment.filled())?;
            segment.truncate(0);
        }
        Ok(())
    }

    /// Puts the bytes of `other`, which are in memory, behind these.
    ///
    /// # Errors
    /// Those of the storage.
    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        if self.draft.is_none() {
            self.bytes += other.bytes;
            self.segments.extend(other.segments);
            return Ok(());
        }
        other.segments.iter().try_for_each(|segment| self.append(segment.filled()))
    }

    /// The digest of all bytes, and the bytes.
    ///
    /// # Errors
    /// Those of the storage.
    pub(super) fn close(mut self) -> Result<(Digest, Closed)> {
        self.hand_over()?;
        if let Some(draft) = self.draft {
            let mut waiting = self.budget.charge(self.bytes);
            waiting.set_moving();
            return Ok((self.hasher.finish(), Closed::Draft(draft, waiting)));
        }
        let mut data = Vec::with_capacity(self.segments.len());
        for mut segment in self.segments {
            self.hasher.update(segment.filled());
            segment.set_moving();
            data.push(Bytes::from_owner(segment));
        }
        Ok((self.hasher.finish(), Closed::Pieces(data)))
    }
}
