//! Every limit of this plugin, in one place.

/// Largest answer of the server that is no page of documents (definitions of all indexes, ...), in bytes.
pub const REPLY_BYTES_MAX: u64 = 64 << 20;
/// Largest page, and with it largest document, in bytes. Servers take no request above 100 MiB
/// (`http.max_content_length`), so that no document is much larger; and twice as much must fit into the plugin's memory.
pub const PAGE_BYTES_MAX: u64 = 104 << 20;
/// What one page of documents aims at, in bytes.
pub const PAGE_BYTES: usize = 4 << 20;
/// Documents in the first page, before their size is known.
pub const PAGE_DOCUMENTS_FIRST: u64 = 100;
/// Documents in one page: `index.max_result_window` where it is not set.
pub const PAGE_DOCUMENTS_MAX: u64 = 10_000;
/// What one `_bulk` request aims at, in bytes; Elasticsearch advises 5 to 15 MB.
pub const BATCH_BYTES: usize = 5 << 20;
/// Documents in one `_bulk` request.
pub const BATCH_DOCUMENTS: usize = 10_000;
/// Id, routing and version of one archived document, in bytes. Servers take ids of up to 512 bytes.
pub const ACTION_BYTES_MAX: u64 = 1 << 20;
/// A list of objects or a definition in the archive, in bytes.
pub const OBJECTS_BYTES_MAX: u64 = 64 << 20;
/// Shards whose points in time are held from the start of a backup. OpenSearch refuses more than 300 on a node
/// (`search.max_open_pit_context`), and others want some too.
pub const HELD_SHARDS_MAX: u64 = 200;
/// How often a busy server is asked again.
pub const ATTEMPTS_MAX: u32 = 60;
/// The same for one large document, which a server may never have room for: about a minute.
pub const LARGE_ATTEMPTS_MAX: u32 = 12;
/// The first wait before a busy server is asked again; each further one is twice as long. In milliseconds.
pub const WAIT_FIRST_MS: u32 = 100;
/// The longest wait before a busy server is asked again, in milliseconds.
pub const WAIT_MS_MAX: u32 = 10_000;
/// Tasks of the server (reindexing) are looked at this often, in milliseconds.
pub const TASK_LOOK_MS: u32 = 500;
