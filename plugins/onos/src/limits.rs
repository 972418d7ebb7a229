//! Every limit, in one place.

/// Bytes of one answer that is held in memory.
pub const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Bytes of an application's archive.
pub const BITS_BYTES_MAX: u64 = 1 << 30;
/// Files of one node beside its partitions.
pub const FILES_MAX: usize = 100_000;
/// Folders in folders of a node.
pub const DEPTH_MAX: usize = 16;
/// Objects in one another in JSON that is renamed; serde_json reads no deeper.
pub const NAMES_IN_MESSAGE: usize = 10;
