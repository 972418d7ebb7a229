use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_types::{Digest, EntryPath};
use tokio::sync::Notify;

use super::budget::Budget;
use super::counters::Counters;
use super::dedup::Known;
use super::entries::Entries;
use super::entry::Complete;
use super::failure::Failure;
use super::fan::Mirror;
use super::options::WriteOptions;
use super::pack::Packer;
use super::queue::{Job, Queue, Role};
use crate::chunk::{Chunker, Chunking};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, Node, NodeKind};
use crate::hash::{Engine, sha256};
use crate::open::Repository;

/// Bytes in the queue for each message that a thread hashes at once: a chunk.
const QUEUED_BYTES: usize = 1 << 20;

/// What the threads of one run share.
pub(super) struct Line {
    pub(super) repository: Repository,
    pub(super) options: WriteOptions,
    pub(super) engine: Engine,
    pub(super) chunker: Chunker,
    pub(super) budget: Arc<Budget>,
    pub(super) queue: Queue,
    pub(super) known: Known,
    pub(super) data: Packer,
    pub(super) trees: Packer,
    pub(super) entries: Entries,
    pub(super) counters: Counters,
    /// Other repositories that get the same.
    pub(super) mirrors: Vec<Mirror>,
    /// Whether the run is worth nothing without this repository.
    pub(super) is_required: bool,
    failure: Failure,
    /// Why this repository gets nothing any more while the mirrors do.
    pub(super) left_out: Failure,
    /// Wakes the uploads when the run fails, so that they do not go on to their ends.
    pub(super) failed: Notify,
    is_ending: AtomicBool,
}

impl Line {
    pub(super) fn new(
        repository: Repository,
        options: WriteOptions,
        known: Known,
        entries: Entries,
    ) -> Result<Self> {
        let chunker = match options.chunking {
            Chunking::Keyed => Chunker::keyed(repository.key()),
            Chunking::Restic => Chunker::restic(repository.config().chunker_polynomial)?,
        };
        let (budget, storage) = (Budget::new(options.memory_bytes), repository.storage());
        let packer = |kind| Packer::new(kind, options.pack_bytes, storage, &budget);
        let (data, trees) = (packer(BlobKind::Data), packer(BlobKind::Tree));
        let engine = if options.vector_hashing { Engine::detect() } else { Engine::Single };
        Ok(Self {
            chunker,
            budget,
            queue: Queue::default(),
            known,
            data,
            trees,
            entries,
            counters: Counters::default(),
            mirrors: Vec::new(),
            is_required: true,
            failure: Failure::default(),
            left_out: Failure::default(),
            failed: Notify::new(),
            is_ending: AtomicBool::new(false),
            repository,
            options,
            engine,
        })
    }

    /// Waits while the memory budget is used up, or while the pool has enough to do: a stream that calls it holds next to
    /// nothing.
    pub(super) fn wait(&self) {
        self.queue
            .wait_for_room(self.options.cpu_threads * self.engine.lanes().max(2) * QUEUED_BYTES);
        self.budget.wait();
    }

    /// Stops the run with `error`.
    pub(super) fn fail(&self, error: Error) {
        self.failure.keep(error);
        self.budget.close();
        self.failed.notify_one();
        for mirror in &self.mirrors {
            mirror.line.fail(super::failure::cancelled());
        }
    }

    /// # Errors
    /// The first error of the run.
    pub(super) fn check(&self) -> Result<()> {
        self.failure.check()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_set()
    }

    /// From now on streams are refused.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    /// Whether streams may go on.
    ///
    /// # Errors
    /// The first error of the run, or `Invalid` when its snapshot is being written.
    pub(super) fn check_open(&self) -> Result<()> {
        self.check()?;
        if self.is_ending.load(Ordering::Acquire) {
            let text = "the run takes no more entries: its snapshot is being written";
            return Err(Error::new(ErrorKind::Invalid, text));
        }
        Ok(())
    }

    /// Takes an entry with its content into the trees.
    ///
    /// # Errors
    /// Those of the sorting of entries.
    pub(super) fn add(&self, (path, node): Complete) -> Result<()> {
        self.counters.entries.add(1);
        if node.kind == NodeKind::File {
            self.counters.files.add(1);
            self.counters.entry_bytes.add_u64(node.size);
        }
        self.entries.add(&path, node)
    }

    /// Takes an entry whose content, if any, is in the repository already.
    ///
    /// # Errors
    /// `NotFound` when a part of the content is not.
    pub(super) fn add_known(&self, path: EntryPath, node: Node) -> Result<()> {
        self.check_open()?;
        let lost = node.blobs().iter().find(|id| !self.known.contains(BlobKind::Data, id));
        if let Some(id) = lost {
            let text = format!("{path}: blob {} is not in the repository", id.short());
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        self.add((path, node))
    }

    /// Takes an entry if its content, if any, is everywhere already; whether it is.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(super) fn add_if_stored(&self, path: EntryPath, node: Node) -> Result<bool> {
        self.check_open()?;
        let is_stored = node.blobs().iter().all(|id| self.is_everywhere(BlobKind::Data, id));
        if is_stored {
            self.add((path, node))?;
        }
        Ok(is_stored)
    }

    /// Sends a tree on its way; its name.
    ///
    /// # Errors
    /// The first error of the run.
    pub(super) fn add_tree(&self, json: Vec<u8>) -> Result<Digest> {
        self.check()?;
        let id = sha256(&json);
        self.give(BlobKind::Tree, &id, &json)?;
        if self.is_storing() && self.known.claim(BlobKind::Tree, &id) {
            self.wait();
            self.add_blob(BlobKind::Tree, id, json);
        }
        Ok(id)
    }

    /// Sends a blob on its way that was claimed. Waits while the memory budget is used up.
    pub(super) fn add_blob(&self, kind: BlobKind, id: Digest, plain: Vec<u8>) {
        self.budget.wait();
        let length = plain.len();
        let data = self.budget.adopt(plain, length);
        self.queue.push(Job { data, role: Role::Blob(kind, id) });
    }
}
