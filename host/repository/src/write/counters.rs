use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a run has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteProgress {
    /// Bytes that streams have read.
    pub bytes_read: u64,
    /// Bytes of content that the repository did not have, before compression.
    pub bytes_new: u64,
    /// Bytes that were added to packs, compressed and sealed; trees included.
    pub bytes_stored: u64,
    /// Bytes of packs and index files that are durable.
    pub bytes_durable: u64,
    /// Chunks that were cut.
    pub chunks: u64,
    /// Chunks that the repository did not have.
    pub chunks_new: u64,
    /// Trees that the repository did not have.
    pub trees_new: u64,
    /// Bytes of those trees, before compression.
    pub tree_bytes_new: u64,
    /// Entries that are complete.
    pub entries: u64,
    /// Bytes of the content of complete files, whether read in this run or reused.
    pub entry_bytes: u64,
    /// Complete entries that are files.
    pub files: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) bytes_read: Counter,
    pub(super) bytes_new: Counter,
    pub(super) bytes_stored: Counter,
    pub(super) bytes_durable: Counter,
    pub(super) chunks: Counter,
    pub(super) chunks_new: Counter,
    pub(super) trees_new: Counter,
    pub(super) tree_bytes_new: Counter,
    pub(super) entries: Counter,
    pub(super) entry_bytes: Counter,
    pub(super) files: Counter,
}

/// A number that only grows, for any number of threads.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.add_u64(count as u64);
    }

    pub(super) fn add_u64(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    pub(super) fn snapshot(&self) -> WriteProgress {
        WriteProgress {
            bytes_read: self.bytes_read.get(),
            bytes_new: self.bytes_new.get(),
            bytes_stored: self.bytes_stored.get(),
            bytes_durable: self.bytes_durable.get(),
            chunks: self.chunks.get(),
            chunks_new: self.chunks_new.get(),
            trees_new: self.trees_new.get(),
            tree_bytes_new: self.tree_bytes_new.get(),
            entries: self.entries.get(),
            entry_bytes: self.entry_bytes.get(),
            files: self.files.get(),
        }
    }
}
