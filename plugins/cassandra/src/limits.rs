//! Every limit of this plugin, in one place.

/// Payload of one frame of the protocol, in bytes: the header has 17 bits for it.
pub const FRAME_BYTES_MAX: usize = (1 << 17) - 1;
/// Largest message of the server that is taken, in bytes. A page holds at least one row, and a server refuses mutations of more than
/// half a segment of its commit log (16 MiB unless set); a row can be made of several.
pub const MESSAGE_BYTES_MAX: usize = 96 << 20;
/// Nesting of types: deeper ones than this are no schema but an attack.
pub const TYPE_DEPTH_MAX: usize = 64;
/// Columns of one result. A table of hundreds of columns has three for each: value, time and rest of life.
pub const COLUMNS_MAX: usize = 32 << 10;
/// All rows of one small result (lists of tables, definitions, roles) together, in bytes.
pub const RESULT_BYTES_MAX: usize = 64 << 20;
/// Rows of the first page; the next ones have as many as fit [`PAGE_BYTES`].
pub const FIRST_PAGE_ROWS: i32 = 32;
/// Rows of any page.
pub const PAGE_ROWS_MAX: i32 = 2_000;
/// What a page of rows aims at, in bytes.
pub const PAGE_BYTES: usize = 1 << 20;
/// Ranges of tokens of one table whose next page is under way at the same time.
pub const RANGES_UNDER_WAY: usize = 4;
/// What a range of tokens aims at, in bytes of the server's estimate.
pub const RANGE_BYTES: u64 = 8 << 20;
/// Ranges of tokens of one table.
pub const RANGES_MAX: u64 = 4_096;
/// Writes of a restore that are under way on one connection.
pub const WRITES_UNDER_WAY: usize = 128;
/// Bytes of writes of a restore that are under way on one connection.
pub const WRITES_BYTES: usize = 8 << 20;
/// Times that something is asked again which a node refused because it was overloaded or lacked replicas for the moment.
pub const TRIES_MAX: u32 = 8;
/// How long all nodes may take to agree on the schema, in milliseconds.
pub const AGREEMENT_MS_MAX: u64 = 60_000;
/// How long the rows of a materialised view may take to be made, in milliseconds.
pub const VIEW_MS_MAX: u64 = 3_600_000;
/// Header of a row stream, in bytes.
pub const HEADER_BYTES_MAX: usize = 16 << 20;
/// A list of definitions in the archive, in bytes.
pub const DEFINITIONS_BYTES_MAX: usize = 64 << 20;
/// Records of a restore between two looks at whether the run was cancelled.
pub const CANCEL_CHECK_RECORDS: u64 = 64;
/// What a node answers to one question of its management (Jolokia), in bytes: a list of all tokens and tables fits many times.
pub const MANAGEMENT_BYTES_MAX: u64 = 16 << 20;
/// The file with the checksum of an SSTable, in bytes.
pub const DIGEST_BYTES_MAX: u32 = 64;
/// Names of a folder that are asked for at a time.
pub const PAGE_NAMES: u32 = 500;
/// Files that a restore fills at a time.
pub const BATCH_FILES: usize = 128;
