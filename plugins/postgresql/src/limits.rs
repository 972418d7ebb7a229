//! Every limit of this plugin, in one place.

/// What is read from a connection, and sent in one message of rows, at a time, in bytes.
pub const TRANSFER_BYTES: usize = 256 << 10;
/// Largest message that is held in memory as a whole, in bytes. Rows of tables are not: they stream.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// All rows of one small result (lists of tables, definitions, grants) together, in bytes.
pub const RESULT_BYTES_MAX: usize = 64 << 20;
/// Columns of one result. The server allows 1664 in a result, 1600 in a table.
pub const COLUMNS_MAX: usize = 1_700;
/// Rounds of authentication before the server is given up as hostile.
pub const AUTHENTICATION_ROUNDS_MAX: usize = 16;
/// A list of definitions in the archive, in bytes.
pub const DEFINITIONS_BYTES_MAX: usize = 64 << 20;
/// Bytes between two looks at whether the run was cancelled.
pub const CANCEL_CHECK_BYTES: u64 = 8 << 20;
/// Databases of one backup: each holds a connection of the coordinator, of which the host gives 64.
pub const DATABASES_MAX: usize = 50;
/// Sequences whose state is asked for in one statement.
pub const SEQUENCES_AT_ONCE: usize = 200;
/// Tables that one `LOCK TABLE` names.
pub const LOCKS_AT_ONCE: usize = 500;
/// Definitions that are made in one transaction. Each takes some locks, of which a server has 6400 by default
/// (`max_locks_per_transaction` times `max_connections`), so that small databases are made at once or not at all.
pub const DEFINITIONS_AT_ONCE: usize = 500;
/// Text of the ranges of large objects' numbers that a part tells, in bytes; with more the part has no fingerprint.
pub const RANGES_BYTES_MAX: usize = 256 << 10;
/// Header extension of the binary format of COPY, in bytes: there is none today.
pub const COPY_EXTENSION_BYTES_MAX: u32 = 64 << 10;
