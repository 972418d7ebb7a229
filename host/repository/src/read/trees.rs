//! Trees, fetched with their neighbours and kept for a while.
//!
//! The trees of a snapshot are small and lie together, mostly in the order in which a walk needs them, while each request
//! to an object store takes tens of milliseconds: a window of a tree pack answers many of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lockgate_types::Digest;

use super::Reader;
use super::blobs::{Opener, verify};
use crate::error::{Error, Result};
use crate::format::{BlobKind, PastNode, TreeNodes, parse_past_tree};
use crate::index::{Location, PackNumber};
use crate::layout::{off_reactor, pack_name};
use crate::limits;

/// What a reader keeps of trees.
#[derive(Debug)]
pub(super) struct Trees {
    windows: Mutex<Recent<(PackNumber, u32)>>,
    plain: Mutex<Recent<Digest>>,
}

impl Default for Trees {
    fn default() -> Self {
        Self {
            windows: Mutex::new(Recent::new(limits::TREE_WINDOWS_BYTES_MAX)),
            plain: Mutex::new(Recent::new(limits::TREE_CACHE_BYTES_MAX)),
        }
    }
}

/// What was used last, up to a number of bytes.
#[derive(Debug)]
struct Recent<K> {
    bytes_max: usize,
    bytes: usize,
    clock: u64,
    values: HashMap<K, (u64, Bytes)>,
}

impl<K: Hash + Eq + Copy> Recent<K> {
    fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, clock: 0, values: HashMap::new() }
    }

    fn get(&mut self, key: &K) -> Option<Bytes> {
        self.clock += 1;
        let (used, bytes) = self.values.get_mut(key)?;
        *used = self.clock;
        Some(bytes.clone())
    }

    fn put(&mut self, key: K, value: &Bytes) {
        if value.len() > self.bytes_max / 4 {
            return;
        }
        self.clock += 1;
        self.bytes += value.len();
        if let Some((_, old)) = self.values.insert(key, (self.clock, value.clone())) {
            self.bytes -= old.len();
        }
        if self.bytes > self.bytes_max {
            self.drop_oldest_half();
        }
    }

    /// Half at once, so that the search for the oldest costs little for each value.
    fn drop_oldest_half(&mut self) {
        let mut ages: Vec<u64> = self.values.values().map(|(used, _)| *used).collect();
        ages.sort_unstable();
        let middle = ages.get(ages.len() / 2).copied().unwrap_or(u64::MAX);
        self.values.retain(|_, (used, _)| *used > middle);
        self.bytes = self.values.values().map(|(_, bytes)| bytes.len()).sum();
    }
}

/// A tree that is still to be opened.
#[derive(Debug)]
pub struct SealedTree {
    reader: Reader,
    id: Digest,
    location: Location,
    bytes: Bytes,
}

impl SealedTree {
    /// Its nodes as far as the next backup looks at them, in the order of their names.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn past_nodes(&self) -> Result<Vec<PastNode>> {
        parse_past_tree(&self.open()?).map_err(|error| self.at(error))
    }

    fn open(&self) -> Result<Bytes> {
        let mut opener = Opener::new(&self.reader);
        let json = opener.open(&self.bytes, &self.location).map_err(|error| self.at(error))?;
        verify(self.reader.inner.engine, &[(self.id, &json)]).map_err(|error| self.at(error))?;
        Ok(Bytes::from(json))
    }

    fn at(&self, error: Error) -> Error {
        error.at(format_args!("tree {}", self.id.short()))
    }
}

impl Reader {
    /// The nodes of a tree.
    pub(crate) async fn tree(&self, id: &Digest) -> Result<TreeNodes> {
        let kept = lock(&self.inner.trees.plain).get(id);
        let json = match kept {
            Some(json) => json,
            None => self.fetch_tree(*id).await?,
        };
        TreeNodes::new(json).map_err(|error| error.at(format_args!("tree {}", id.short())))
    }

    pub(crate) async fn fetch_tree(&self, id: Digest) -> Result<Bytes> {
        match self.fetch_own_tree(id).await {
            Err(error) if self.can_rescue(&error) => {
                let json = Bytes::from(self.rescue(BlobKind::Tree, id, error).await?);
                lock(&self.inner.trees.plain).put(id, &json);
                Ok(json)
            }
            fetched => fetched,
        }
    }

    async fn fetch_own_tree(&self, id: Digest) -> Result<Bytes> {
        let sealed = self.sealed_tree(id).await?;
        let json = off_reactor(move || sealed.open()).await?;
        lock(&self.inner.trees.plain).put(id, &json);
        Ok(json)
    }

    /// A tree as this repository stores it, for who opens it where it likes and needs it once.
    ///
    /// # Errors
    /// `Storage`, and `Corrupt` when no pack holds it.
    pub async fn sealed_tree(&self, id: Digest) -> Result<SealedTree> {
        let location = self.locate(BlobKind::Tree, &id)?;
        let bytes = self.fetch_with_neighbours(&location).await?;
        Ok(SealedTree { reader: self.clone(), id, location, bytes })
    }

    /// The sealed bytes of a small blob, out of a window of its pack that is kept for those that lie beside it.
    pub(super) async fn fetch_with_neighbours(&self, location: &Location) -> Result<Bytes> {
        let window = limits::TREE_WINDOW_BYTES;
        let (first, last) = (location.offset, location.offset + location.length);
        let number = first / window;
        let start = number * window;
        let name = pack_name(&self.inner.index.pack_id(location.pack));
        let storage = self.inner.repository.storage();
        // A blob at the end of a window is fetched on its own rather than with two windows.
        if last > start.saturating_add(window) {
            return Ok(storage.get_range(&name, first.into()..last.into()).await?);
        }
        let key = (location.pack, number);
        let kept = lock(&self.inner.trees.windows).get(&key);
        let bytes = match kept {
            Some(bytes) => bytes,
            None => {
                let end =
                    self.inner.index.pack_end(location.pack).min(start.saturating_add(window));
                // Not the blob's fault, perhaps: its neighbours may be damaged, or an index may be wrong about them.
                let Ok(bytes) = storage.get_range(&name, start.into()..end.into()).await else {
                    return Ok(storage.get_range(&name, first.into()..last.into()).await?);
                };
                lock(&self.inner.trees.windows).put(key, &bytes);
                bytes
            }
        };
        let place = (first - start) as usize..(last - start) as usize;
        if place.end > bytes.len() {
            return Ok(storage.get_range(&name, first.into()..last.into()).await?);
        }
        Ok(bytes.slice(place))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays_when_there_is_too_much() {
        let mut recent = Recent::new(100);
        let value = Bytes::from_static(&[7; 25]);
        (1..=4).for_each(|key| recent.put(key, &value));
        assert_eq!(recent.get(&1).as_ref(), Some(&value));
        recent.put(5, &value);
        let kept: Vec<i32> = (1..=5).filter(|key| recent.get(key).is_some()).collect();
        assert_eq!((kept, recent.bytes), (vec![1, 5], 50));
        // Once more the same is not more, and what would drive out the rest is not kept.
        recent.put(5, &value);
        recent.put(6, &Bytes::from_static(&[7; 26]));
        assert_eq!((recent.get(&6), recent.bytes), (None, 50));
    }
}
