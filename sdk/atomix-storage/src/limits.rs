//! Every limit, in one place.

/// Bytes that are asked of a file at a time.
pub const READ_BYTES: u32 = 1 << 20;
/// An entry of a journal, in bytes. Atomix takes 1 MiB unless told otherwise.
pub const ENTRY_BYTES_MAX: usize = 32 << 20;
/// Bytes of a segment as its file is laid out. Atomix counts them in 31 bits.
pub const SEGMENT_BYTES_MAX: u64 = (1 << 31) - 1;
/// Folders in folders that are searched for partitions.
pub const DEPTH_MAX: usize = 16;
/// Names that are looked at when partitions are searched in one granted folder.
pub const NAMES_MAX: usize = 200_000;
/// Names that the host is asked for at a time.
pub const PAGE_NAMES: u32 = 500;
/// Files of one partition.
pub const FILES_MAX: usize = 10_000;
/// How often a partition is looked at again whose segments changed meanwhile.
pub const LOOKS_MAX: u32 = 50;
/// Bytes of a file that is read whole: the member's own few, and configuration.
pub const SMALL_FILE_BYTES_MAX: usize = 4 << 20;
