//! Every bound of this crate's reading side, in one place.

/// Plain bytes of a pack's header; restic reads no more (`MaxHeaderSize` in its `internal/repository/pack`).
pub(crate) const PACK_HEADER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of one JSON file of the repository after decompression: an index of restic is below 8 MiB, one of rustic's
/// prune may be much larger.
pub(crate) const JSON_FILE_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Bytes of one JSON file of the repository as it is stored.
pub(crate) const STORED_FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Plain bytes of one blob. Chunks have at most 8 MiB; the tree of a directory with a million names has 500 MB.
pub(crate) const BLOB_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024 - 1;

/// Small files that are loaded at the same time.
pub(crate) const LOADS_AT_A_TIME: usize = 16;

/// Threads that this process can have at work at the same time.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Keys that a password is tried on: each try costs a noticeable time, and whoever writes to the storage can add keys.
pub(crate) const KEYS_TRIED_MAX: usize = 20;

/// KiB of sealed and plain bytes that all extractions of one reader have in memory at the same time.
pub(crate) const EXTRACT_KIB_MAX: u32 = 32 * 1024;

/// Sealed bytes that are fetched at once: a quarter of a pack of the usual size.
pub(crate) const REGION_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Plain bytes that one region may expand to before it is cut.
pub(crate) const REGION_PLAIN_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Plain bytes of a region that are opened before they are written, or one blob: enough to be hashed side by side, and few enough to
/// be in the CPU's cache when they are written.
pub(crate) const OPENED_BYTES_AT_A_TIME: u64 = 2 * 1024 * 1024;

/// Bytes that nobody asked for and that are still fetched, because another request would cost more.
pub(crate) const REGION_GAP_BYTES_MAX: u64 = 256 * 1024;

/// Sealed bytes that are fetched at once where small regions follow each other.
pub(crate) const WINDOW_BYTES: u64 = 2 * 1024 * 1024;

/// Packs of which a reader keeps such a piece, and the next one when that is on its way.
pub(crate) const WINDOWS_MAX: usize = 2;

/// Regions that are on their way at the same time.
pub(crate) const REGIONS_AT_A_TIME: usize = 8;

/// Regions that are on their way to another repository: each may hold a thread that waits for it.
pub(crate) const COPIED_REGIONS_AT_A_TIME: usize = 4;

/// Blobs of an extraction that are planned at the same time: about 5 MB of memory, 64 GiB of content.
pub(crate) const PIECES_AT_A_TIME: usize = 64 * 1024;

/// Files of one blob that are restored with the zeros in them: looking for holes and setting the length first would take longer
/// than writing.
pub(crate) const WHOLE_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Plain bytes that a stream of content has ahead of its reader.
pub(crate) const READ_AHEAD_BYTES_MAX: u64 = 12 * 1024 * 1024;

/// Blobs that a stream of content has ahead of its reader.
pub(crate) const READ_AHEAD_BLOBS_MAX: usize = 64;

/// Trees are fetched with their neighbours in pieces of this many sealed bytes.
pub(crate) const TREE_WINDOW_BYTES: u32 = 512 * 1024;

/// Sealed bytes of tree packs that a reader keeps.
pub(crate) const TREE_WINDOWS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Plain bytes of trees that a reader keeps.
pub(crate) const TREE_CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Blobs up to this size, sealed and plain, are fetched with their neighbours and opened at once.
pub(crate) const SMALL_BLOB_BYTES_MAX: u32 = 32 * 1024;

/// Trees that a walk fetches before they are reached.
pub(crate) const TREES_AHEAD_MAX: usize = 8;

/// Memory that a reader keeps to open chunks into.
pub(crate) const BUFFERS_KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often files are listed when some are gone before they are read: forgotten snapshots, index files that a prune
/// replaced. What is listed and is not there even then is an error.
pub(crate) const LISTINGS_MAX: u32 = 20;

/// Trees in which a search found nothing that it remembers: about 64 MiB.
pub(crate) const BARREN_TREES_MAX: usize = 1 << 20;

/// Bytes at the end of a pack that are fetched to find its header; most headers are shorter.
pub(crate) const PACK_TAIL_BYTES: u64 = 64 * 1024;
