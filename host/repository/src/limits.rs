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

/// Keys that a password is tried on: each try costs a noticeable time, and whoever writes to the storage can add keys.
pub(crate) const KEYS_TRIED_MAX: usize = 20;
