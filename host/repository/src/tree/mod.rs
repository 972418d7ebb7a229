//! Builds the trees of a snapshot from entries that come in any order, in bounded memory.
//!
//! ```text
//! add ──► buffer ──(full)──► sorted run, compressed, in a file without a name
//!                                  │ many runs: merged into one of the next level
//! finish ──► merge of all runs, depth first ──► one open tree per folder of the present path ──► emit
//! ```
//! A node is printed when it is added, so that merging only copies text: what a folder's node still lacks is the name of
//! its tree, which is known when the last of its entries has passed.

mod assemble;
mod record;
mod run;
mod spill;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use lockgate_types::{Digest, EntryPath};

use crate::error::{Error, ErrorKind, Result};
use crate::format::{Node, NodeKind, Time};
use assemble::Assembler;
use record::Buffer;
use run::{Merge, Source};
use spill::Spill;

/// How trees are built.
#[derive(Clone, Debug)]
pub(crate) struct TreeOptions {
    /// For entries without times and for folders that nobody described.
    pub(crate) time: Time,
    /// Memory for entries that wait to be sorted. Half is being filled while the other half is written.
    pub(crate) memory_bytes_max: usize,
    /// Where runs are kept; the system's folder for temporary files when none.
    pub(crate) folder: Option<PathBuf>,
}

impl TreeOptions {
    pub(crate) const MEMORY_BYTES_DEFAULT: usize = 12 * 1024 * 1024;

    pub(crate) fn new(time: Time) -> Self {
        Self { time, memory_bytes_max: Self::MEMORY_BYTES_DEFAULT, folder: None }
    }
}

/// Takes entries from many threads.
#[derive(Debug)]
pub(crate) struct TreeBuilder {
    options: TreeOptions,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// Those that came last.
    buffer: Buffer,
    /// Where the others went; none while there are no others.
    spill: Option<Spill>,
}

/// What was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Built {
    /// The tree of the root.
    pub(crate) root: Digest,
    /// Names in all trees, made-up folders included.
    pub(crate) nodes_count: u64,
    /// Trees, the root included.
    pub(crate) trees_count: u64,
}

impl TreeBuilder {
    pub(crate) fn new(options: TreeOptions) -> Self {
        Self { options, entries: Mutex::default() }
    }

    /// Takes the entry at `path`; the node's name is replaced by that of the path, its tree is ignored.
    ///
    /// # Errors
    /// `Invalid` for the root, `Io` when a run cannot be written.
    pub(crate) fn add(&self, path: &EntryPath, mut node: Node) -> Result<()> {
        let Some(name) = path.name() else {
            return Err(Error::new(ErrorKind::Invalid, "the root itself cannot be an entry"));
        };
        node.name = name.to_vec();
        node.subtree = None;
        for time in [&mut node.mtime, &mut node.atime, &mut node.ctime] {
            if *time == Time::ZERO {
                *time = self.options.time;
            }
        }
        let mut json = Vec::with_capacity(512 + node.blobs().len() * 67);
        let split = node.print_split(&mut json);
        let split = (node.kind == NodeKind::Directory).then_some(split);

        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Entries { buffer, spill } = &mut *entries;
        buffer.push(path, &json, split)?;
        if buffer.bytes() < self.options.memory_bytes_max / 2 {
            return Ok(());
        }
        let spill = match spill {
            Some(spill) => spill,
            none => none.insert(Spill::start(self.options.folder.clone())?),
        };
        // With the lock held: whoever fills the next buffer before this one is taken waits here.
        *buffer = spill.take(std::mem::take(buffer))?;
        Ok(())
    }

    /// Builds all trees, a folder after what it holds, the root last. `emit` stores one and tells its name.
    ///
    /// # Errors
    /// `Conflict` when a path was added twice or is a file and a folder; those of `emit`; `Io`.
    pub(crate) fn finish(self, emit: impl FnMut(Vec<u8>) -> Result<Digest>) -> Result<Built> {
        let entries = self.entries.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut rest = entries.buffer;
        rest.sort();
        let runs = entries.spill.map(Spill::finish).transpose()?.into_iter().flatten();
        let runs = runs.map(Source::of_run);
        let mut merge = Merge::new(runs.chain([Ok(Source::of_buffer(rest))]))?;
        let mut assembler = Assembler::new(self.options.time, emit);
        while let Some(record) = merge.next()? {
            assembler.take(record)?;
        }
        assembler.finish()
    }
}

#[cfg(test)]
mod tests;
