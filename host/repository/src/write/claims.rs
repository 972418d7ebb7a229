use std::collections::HashSet;

use lockgate_types::Digest;

use super::primitives::{Mutex, MutexGuard, PoisonError};
use crate::format::BlobKind;

/// The names of new blobs are spread by their first byte, so that threads seldom wait for each other.
const SHARDS: usize = 64;

/// What this run stores: of several threads that come with the same blob, one has to store it.
pub(super) struct Claims(Vec<Mutex<HashSet<(BlobKind, Digest)>>>);

impl Claims {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// Whether nobody was here first.
    pub(super) fn claim(&self, kind: BlobKind, id: &Digest) -> bool {
        self.shard(id).insert((kind, *id))
    }

    /// Whether somebody was here.
    pub(super) fn contains(&self, kind: BlobKind, id: &Digest) -> bool {
        self.shard(id).contains(&(kind, *id))
    }

    fn shard(&self, id: &Digest) -> MutexGuard<'_, HashSet<(BlobKind, Digest)>> {
        let shard = &self.0[usize::from(id.0[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
