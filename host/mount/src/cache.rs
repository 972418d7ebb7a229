//! What was used last, within a budget. What several want at the same time is read once.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::limits;

/// Values by key, up to a number of bytes. What is being read counts once it is there.
pub(crate) struct Cache<K, V> {
    bytes_max: usize,
    /// Bytes of a value.
    weigh: fn(&V) -> usize,
    kept: Mutex<Kept<K, V>>,
}

struct Kept<K, V> {
    bytes: usize,
    clock: u64,
    slots: HashMap<K, Slot<V>>,
    /// Keys by when they were used.
    order: BTreeMap<u64, K>,
}

struct Slot<V> {
    used: u64,
    /// 0 until the value is there.
    bytes: usize,
    cell: Arc<OnceCell<V>>,
}

impl<K: Hash + Eq + Copy, V: Clone> Cache<K, V> {
    pub(crate) fn new(bytes_max: usize, weigh: fn(&V) -> usize) -> Self {
        let kept = Kept { bytes: 0, clock: 0, slots: HashMap::new(), order: BTreeMap::new() };
        Self { bytes_max, weigh, kept: Mutex::new(kept) }
    }

    /// The value of `key`: the one that is kept, that of somebody who reads it at the moment, or what `read` gives. An error
    /// is not kept.
    pub(crate) async fn get<E, Read>(&self, key: K, read: impl FnOnce() -> Read) -> Result<V, E>
    where
        Read: Future<Output = Result<V, E>>,
    {
        let cell = self.lock().cell(key);
        let value = cell.get_or_try_init(read).await.cloned();
        let mut kept = self.lock();
        match &value {
            Ok(value) => {
                kept.settle(&key, &cell, (self.weigh)(value) + limits::SLOT_BYTES);
                kept.shrink(self.bytes_max, &key);
            }
            Err(_) => kept.give_up(&key, &cell),
        }
        value
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K, V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Copy, V> Kept<K, V> {
    /// The place of `key`, which is now the one used last.
    fn cell(&mut self, key: K) -> Arc<OnceCell<V>> {
        self.clock += 1;
        let used = self.clock;
        let new = || Slot { used, bytes: 0, cell: Arc::new(OnceCell::new()) };
        let slot = self.slots.entry(key).or_insert_with(new);
        self.order.remove(&slot.used);
        self.order.insert(used, key);
        slot.used = used;
        Arc::clone(&slot.cell)
    }

    fn settle(&mut self, key: &K, cell: &Arc<OnceCell<V>>, bytes: usize) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if slot.bytes == 0 && Arc::ptr_eq(&slot.cell, cell) {
            slot.bytes = bytes;
            self.bytes += bytes;
        }
    }

    /// Drops what was not used for longest. `newest` stays, and so does what is being read.
    fn shrink(&mut self, bytes_max: usize, newest: &K) {
        while self.bytes > bytes_max {
            let is_spare =
                |key: &K| key != newest && self.slots.get(key).is_some_and(|it| it.bytes > 0);
            let oldest = self.order.iter().find(|(_, key)| is_spare(key)).map(|(_, key)| *key);
            let Some(oldest) = oldest else { return };
            self.remove(&oldest);
        }
    }

    /// Nothing came of it; who waits for the same place tries for himself.
    fn give_up(&mut self, key: &K, cell: &Arc<OnceCell<V>>) {
        let is_empty = |slot: &Slot<V>| slot.bytes == 0 && Arc::ptr_eq(&slot.cell, cell);
        if self.slots.get(key).is_some_and(is_empty) && !cell.initialized() {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some(slot) = self.slots.remove(key) {
            self.order.remove(&slot.used);
            self.bytes -= slot.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn cache(bytes_max: usize) -> Cache<u8, Arc<Vec<u8>>> {
        Cache::new(bytes_max, |value| value.len())
    }

    async fn get(cache: &Cache<u8, Arc<Vec<u8>>>, key: u8, reads: &AtomicU32) {
        let read = async || {
            reads.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, ()>(Arc::new(vec![key; 1000]))
        };
        assert_eq!(cache.get(key, read).await.unwrap()[0], key);
    }

    #[tokio::test]
    async fn what_was_not_used_for_longest_goes_first() {
        let (cache, reads) = (cache(2 * (1000 + limits::SLOT_BYTES)), AtomicU32::new(0));
        for key in [1, 2, 1, 3, 1] {
            get(&cache, key, &reads).await;
        }
        assert_eq!(reads.load(Ordering::Relaxed), 3);
        get(&cache, 2, &reads).await;
        assert_eq!(reads.load(Ordering::Relaxed), 4);
        let kept = cache.lock();
        assert_eq!((kept.slots.len(), kept.order.len()), (2, 2));
        assert_eq!(kept.bytes, 2 * (1000 + limits::SLOT_BYTES));
    }

    #[tokio::test]
    async fn what_several_want_is_read_once() {
        let (cache, reads) = (cache(1 << 20), AtomicU32::new(0));
        tokio::join!(get(&cache, 1, &reads), get(&cache, 1, &reads), get(&cache, 1, &reads));
        assert_eq!(reads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_error_is_not_kept_and_the_newest_stays_however_large() {
        let (cache, reads) = (cache(10), AtomicU32::new(0));
        assert_eq!(cache.get(1, async || Err(7)).await.unwrap_err(), 7);
        assert!(cache.lock().slots.is_empty() && cache.lock().order.is_empty());
        get(&cache, 1, &reads).await;
        get(&cache, 1, &reads).await;
        assert_eq!((reads.load(Ordering::Relaxed), cache.lock().slots.len()), (1, 1));
    }
}
