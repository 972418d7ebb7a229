//! Every limit of this plugin, in one place.

/// Payload of one frame of the protocol, in bytes; a frame of exactly this size is continued by the next one.
/// Source: <https://mariadb.com/kb/en/0-packet/>.
pub const FRAME_BYTES_MAX: usize = 0xff_ffff;
/// What is read from a connection, and written into an archive entry, at a time, in bytes.
pub const TRANSFER_BYTES: usize = 1 << 20;
/// Largest message that is held in memory as a whole, in bytes. Rows of tables are not: they stream.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// All rows of one small result (lists of tables, definitions, grants) together, in bytes.
pub const RESULT_BYTES_MAX: usize = 64 << 20;
/// Columns of one result. The server allows 4096 in a table.
pub const COLUMNS_MAX: u64 = 8_192;
/// Rounds of authentication before the server is given up as hostile.
pub const AUTHENTICATION_ROUNDS_MAX: usize = 16;
/// Rows that one multi-row INSERT aims at, in bytes of SQL.
pub const INSERT_BYTES: usize = 1 << 20;
/// Largest row that an INSERT can carry, in bytes; larger ones need `local_infile`.
pub const INSERT_ROW_BYTES_MAX: usize = 48 << 20;
/// Bytes of rows between two commits of a restore. Large, because MariaDB builds the indexes of a table that was empty when
/// the transaction began all at once, which took a quarter of the time for a table with two indexes; the server keeps so
/// much in temporary files.
pub const COMMIT_BYTES: u64 = 4 << 30;
/// Header of a row stream, in bytes: 4096 columns with the longest names and types that a server allows.
pub const HEADER_BYTES_MAX: usize = 16 << 20;
/// A list of definitions in the archive (routines, views, accounts), in bytes.
pub const DEFINITIONS_BYTES_MAX: usize = 64 << 20;
/// Passes over views that depend on each other, in a restore.
pub const VIEW_PASSES_MAX: usize = 64;
/// Bytes between two looks at whether the run was cancelled.
pub const CANCEL_CHECK_BYTES: u64 = 8 << 20;
