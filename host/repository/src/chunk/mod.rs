//! Where a stream is cut into chunks: at places that its content decides, so that the same content gives the same chunks
//! wherever it stands.
//!
//! Readers of the format never cut again, so the way of cutting is the writer's own business. Ours is FastCDC (W. Xia
//! and others, "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016)
//! with normalised lengths. Its table is derived from the repository's master key: who sees the lengths of stored chunks
//! but does not have the key cannot compare them with the lengths that a known file would give. In repositories that
//! restic writes to as well, its own way finds what both have in common.

mod fast;
mod rabin;

use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::seal::MasterKey;
use fast::Gear;
use rabin::Rabin;

/// Shortest chunk that is not the end of a stream, in bytes.
pub(crate) const CHUNK_BYTES_MIN: usize = 512 * 1024;
/// Where keyed chunks are most likely to end, in bytes.
const CHUNK_BYTES_NORMAL: usize = 1024 * 1024;
/// Longest keyed chunk, in bytes: half of what restic cuts, so that many streams at once stay within the memory budget.
const CHUNK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Where chunks end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chunking {
    /// Keyed FastCDC: chunks of 1 MiB on average, 512 KiB to 4 MiB. Fast, and different in every repository.
    #[default]
    Keyed,
    /// As restic does: chunks of 1.5 MiB on average, 512 KiB to 8 MiB. For repositories that restic writes to as well.
    Restic,
}

impl FromStr for Chunking {
    type Err = Error;

    /// `keyed` or `restic`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "keyed" => Ok(Self::Keyed),
            "restic" => Ok(Self::Restic),
            _ => {
                let text = text.escape_debug();
                let message = format!("`{text}` is no way of cutting: expected keyed or restic");
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }
}

/// A way of cutting, with its tables.
pub(crate) enum Chunker {
    Keyed(Box<Gear>),
    Restic(Box<Rabin>),
}

impl Chunker {
    /// The keyed way of the repository that `key` belongs to.
    pub(crate) fn keyed(key: &MasterKey) -> Self {
        Self::Keyed(Box::new(Gear::of(key)))
    }

    /// restic's way with the polynomial of a repository's config.
    ///
    /// # Errors
    /// `Corrupt` when the polynomial has not degree 53.
    pub(crate) fn restic(polynomial: u64) -> Result<Self> {
        Ok(Self::Restic(Box::new(Rabin::new(polynomial)?)))
    }

    /// Bytes of the longest chunk.
    pub(crate) fn bytes_max(&self) -> usize {
        match self {
            Self::Keyed(_) => CHUNK_BYTES_MAX,
            Self::Restic(_) => rabin::BYTES_MAX,
        }
    }
}

/// Finds the ends of a stream's chunks. Looks at every byte once, however small the steps in which the chunk grows.
#[derive(Default)]
pub(crate) struct Cutter {
    scanned: usize,
    hash: u64,
}

impl Cutter {
    /// `chunk` is everything since the last cut, including what earlier calls saw. The length of the chunk that ends in
    /// it, if one does; the next call starts with what follows.
    pub(crate) fn cut(&mut self, chunker: &Chunker, chunk: &[u8]) -> Option<usize> {
        let found = match chunker {
            Chunker::Keyed(gear) => gear.scan(chunk, &mut self.scanned, &mut self.hash),
            Chunker::Restic(rabin) => rabin.scan(chunk, &mut self.scanned, &mut self.hash),
        };
        if found.is_some() {
            *self = Self::default();
        }
        found
    }
}

#[cfg(test)]
mod tests;
