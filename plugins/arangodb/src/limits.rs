//! Every limit of this plugin, in one place.

/// Largest answer of the server that is no dump (an inventory, ...), in bytes.
pub const REPLY_BYTES_MAX: u64 = 64 << 20;
/// Largest document, in bytes of JSON. Two of them and what they are parsed into must fit into the plugin's memory.
pub const DOCUMENT_BYTES_MAX: usize = 64 << 20;
/// What one chunk of a dump aims at, in bytes; the server goes past it by one document.
pub const CHUNK_BYTES: usize = 8 << 20;
/// What one batch of a parallel dump aims at, in bytes. It is held as a whole, so that it can be asked for again.
pub const BATCH_BYTES: usize = 4 << 20;
/// Largest batch of a parallel dump, in bytes.
pub const BATCH_BYTES_MAX: u64 = (BATCH_BYTES + DOCUMENT_BYTES_MAX) as u64;
/// What one request with documents to restore aims at, in bytes.
pub const LOAD_BYTES: usize = 4 << 20;
/// Objects of one part that is no collection, in the archive, in bytes.
pub const OBJECTS_BYTES_MAX: u64 = 64 << 20;
/// Objects of one part that is no collection, at the server, in bytes of documents.
pub const OBJECTS_READ_BYTES_MAX: usize = 64 << 20;
/// How often a lost batch or a busy server is asked again: about 3 seconds.
pub const ATTEMPTS_MAX: u32 = 5;
/// The first wait before that; each further one is twice as long. In milliseconds.
pub const WAIT_FIRST_MS: u32 = 100;
/// How long a moment outlives a backup that was killed while it began, or a comparison after a restore, in seconds.
pub const SHORT_SECONDS: u32 = 60;
/// How long a parallel dump outlives the worker that read it, or a storage that takes nothing, in seconds.
pub const DUMP_SECONDS: u32 = 180;
/// How long the server may wait for writers before a hot backup, in seconds.
pub const HOT_BACKUP_SECONDS: u32 = 120;
/// Documents between two words on the progress.
pub const PROGRESS_DOCUMENTS: u64 = 10_000;
