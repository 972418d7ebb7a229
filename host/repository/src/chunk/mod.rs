//! Where a stream is cut into chunks: at places that its content decides, so that the same content gives the same chunks
//! wherever it stands.
//!
//! Readers of the format never cut again, so the way of cutting is the writer's own business. Ours is FastCDC (W. Xia
//! and others, "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016)
//! with normalised lengths. Its table is derived from the repository's master key: who sees the lengths of stored chunks
//! but does not have the key cannot compare them with the lengths that a known file would give.

mod fast;

pub(crate) use fast::{Cutter, Gear};

/// Shortest chunk that is not the end of a stream, in bytes.
pub(crate) const CHUNK_BYTES_MIN: usize = 512 * 1024;
/// Where chunks are most likely to end, in bytes.
pub(crate) const CHUNK_BYTES_NORMAL: usize = 1024 * 1024;
/// Longest chunk, in bytes: half of what restic cuts, so that many streams at once stay within the memory budget.
pub(crate) const CHUNK_BYTES_MAX: usize = 4 * 1024 * 1024;
