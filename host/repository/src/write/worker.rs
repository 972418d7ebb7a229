use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lockgate_types::Digest;
use tokio::sync::mpsc::UnboundedSender;

use super::line::Line;
use super::pack::{OpenPack, PackFile, SealedBlob};
use super::queue::{Job, Role};
use crate::compress::{Expander, Shrinker};
use crate::error::{Error, ErrorKind, Result};
use crate::format::BlobKind;
use crate::seal::{self, OVERHEAD};

/// One thread of the CPU pool, with the memory that it uses again and again.
pub(super) struct Worker {
    line: Arc<Line>,
    /// Not bounded by itself: what is in it is charged to the budget, files that wait for their names too.
    packs: UnboundedSender<PackFile>,
    shrinker: Shrinker,
    expander: Expander,
    sealed: Vec<u8>,
    opened: Vec<u8>,
    expanded: Vec<u8>,
    chance: Chance,
}

impl Worker {
    /// # Errors
    /// When there is no memory for zstd or no randomness.
    pub(super) fn new(line: Arc<Line>, packs: UnboundedSender<PackFile>) -> Result<Self> {
        Ok(Self {
            shrinker: Shrinker::new(line.options.compression)?,
            expander: Expander::new()?,
            sealed: Vec::new(),
            opened: Vec::new(),
            expanded: Vec::new(),
            chance: Chance::new()?,
            line,
            packs,
        })
    }

    /// Works until the queue is closed. After a failure, jobs are thrown away.
    pub(super) fn run(mut self) {
        let line = Arc::clone(&self.line);
        let takers = line.options.cpu_threads;
        while let Some(batch) = line.queue.pop(takers, line.engine.lanes()) {
            if line.has_failed() {
                continue;
            }
            // A panic is a fault of ours; it must stop the run and must not leave it waiting for this thread.
            let work = AssertUnwindSafe(|| self.work(batch));
            let outcome = catch_unwind(work).unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Io, "a thread of the writer broke off: this is a bug"))
            });
            if let Err(error) = outcome {
                line.fail(error);
            }
        }
    }

    fn work(&mut self, mut batch: super::queue::Batch<'_>) -> Result<()> {
        let ids = self.names(&batch.jobs);
        for (job, id) in batch.jobs.drain(..).zip(ids) {
            match &job.role {
                Role::Blob(kind, _) => self.store(*kind, id, job.data.filled())?,
                Role::Chunk { entry, place } => {
                    self.line.give(BlobKind::Data, &id, job.data.filled())?;
                    if self.line.is_storing() && self.line.known.claim(BlobKind::Data, &id) {
                        self.store(BlobKind::Data, id, job.data.filled())?;
                    }
                    if let Some(complete) = entry.resolve(*place, id) {
                        self.line.add(complete)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The names of all jobs; some have theirs.
    fn names(&self, jobs: &[Job]) -> Vec<Digest> {
        let is_chunk = |job: &&Job| matches!(job.role, Role::Chunk { .. });
        let chunks: Vec<&[u8]> =
            jobs.iter().filter(is_chunk).map(|job| job.data.filled()).collect();
        let mut names = self.line.engine.digests(&chunks).into_iter();
        let name = |job: &Job| match job.role {
            Role::Blob(_, id) => id,
            Role::Chunk { .. } => names.next().expect("every chunk was hashed"),
        };
        jobs.iter().map(name).collect()
    }

    /// Compresses, seals, verifies and packs a blob.
    fn store(&mut self, kind: BlobKind, id: Digest, data: &[u8]) -> Result<()> {
        let length = u32::try_from(data.len())
            .map_err(|_| Error::new(ErrorKind::Limit, "a blob would have more than 4 GiB"))?;
        let shrunken = self.shrinker.shrink(data)?;
        let plain = shrunken.unwrap_or(data);
        let key = self.line.repository.key();
        self.sealed.resize(plain.len() + OVERHEAD, 0);
        key.seal_into(plain, &mut self.sealed)?;
        let uncompressed_length = shrunken.is_some().then_some(length);
        if self.line.options.verify {
            self.verify(id, data, uncompressed_length.is_some())?;
        }
        self.count(kind, data.len());
        let packer = match kind {
            BlobKind::Data => &self.line.data,
            BlobKind::Tree => &self.line.trees,
        };
        let blob = SealedBlob { id, sealed: &self.sealed, uncompressed_length };
        let full = self.line.unless_lost(packer.add(self.chance.next(), blob))?;
        full.flatten().map_or(Ok(()), |pack| send(&self.line, &self.packs, pack))
    }

    /// Opens and expands what will be stored and compares it with `data`.
    fn verify(&mut self, id: Digest, data: &[u8], is_compressed: bool) -> Result<()> {
        let wrong = |why: &str| {
            let text = format!("blob {} did not come back from its seal: {why}", id.short());
            Error::new(ErrorKind::Corrupt, text)
                .with_hint("test the memory of this machine; nothing of this run was stored")
        };
        let key = self.line.repository.key();
        key.open_into(&self.sealed, &mut self.opened).map_err(|error| wrong(&error.to_string()))?;
        let mut back = &self.opened;
        if is_compressed {
            self.expander
                .expand(&self.opened, data.len(), &mut self.expanded)
                .map_err(|error| wrong(&error.to_string()))?;
            back = &self.expanded;
        }
        if back == data { Ok(()) } else { Err(wrong("its bytes differ")) }
    }

    fn count(&self, kind: BlobKind, length: usize) {
        let counters = &self.line.counters;
        counters.bytes_stored.add(self.sealed.len());
        match kind {
            BlobKind::Data => {
                counters.chunks_new.add(1);
                counters.bytes_new.add(length);
            }
            BlobKind::Tree => {
                counters.trees_new.add(1);
                counters.tree_bytes_new.add(length);
            }
        }
    }
}

/// Closes `pack` and hands it to the uploads.
///
/// # Errors
/// When it cannot be closed, or the uploads have ended: then the run has failed.
pub(super) fn send(line: &Line, packs: &UnboundedSender<PackFile>, pack: OpenPack) -> Result<()> {
    let Some(file) = line.unless_lost(pack.close(line.repository.key()))? else { return Ok(()) };
    match packs.send(file) {
        // Nobody refers to it.
        Err(_) if !line.is_storing() => Ok(()),
        // What ended the uploads is the error of the run, and may have done so after it was last looked for.
        Err(_) => line.check().and(Err(super::failure::cancelled())),
        Ok(()) => Ok(()),
    }
}

/// Throws dice that nobody outside can foresee (xorshift64, from a random start).
struct Chance(u64);

impl Chance {
    fn new() -> Result<Self> {
        let mut seed = [0; 8];
        seal::random(&mut seed)?;
        Ok(Self(u64::from_le_bytes(seed) | 1))
    }

    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize
    }
}
