//! Every limit of this plugin, in one place.

/// Largest answer of the server, in bytes. The server bounds what clients send (`jute.maxbuffer`, 1 MiB unless set), but not
/// its own answers: the names of a node's children, and several nodes that are read at once.
pub const REPLY_BYTES_MAX: usize = 64 << 20;
/// Bytes that may come without anything being sent, before the server is told that the client is there.
pub const PING_BYTES: usize = 256 << 10;
/// Requests that are under way at once. The server takes 1000 of all clients together (`globalOutstandingLimit`).
pub const WINDOW_REQUESTS: usize = 256;
/// Answers between two looks at whether the run was cancelled.
pub const CANCEL_CHECK_REPLIES: u64 = 1_024;
/// Attempts to see a tree that is being written at one transaction.
pub const ROUNDS_MAX: u32 = 200;
/// Attempts to see it without a change of an ACL in between.
pub const ACL_PASSES_MAX: u32 = 5;
/// Nodes that are read in one request, because they change faster than they can be read one by one.
pub const HOT_NODES_MAX: usize = 5_000;
/// The paths of all of them together, in bytes: they go in one request, which the server bounds.
pub const HOT_PATH_BYTES_MAX: usize = 512 << 10;
/// Their data together, in bytes: it comes in one answer.
pub const HOT_DATA_BYTES_MAX: usize = REPLY_BYTES_MAX / 2;
/// Entries of one ACL. The server has no limit but that of a request.
pub const ACL_ENTRIES_MAX: usize = 100_000;
/// Bytes of requests that a restore gathers into one transaction: half of what a server takes unless told otherwise.
pub const BATCH_BYTES: usize = 512 << 10;
/// Changes in one transaction of a restore.
pub const BATCH_CHANGES: usize = 1_000;
/// Transactions of a restore that are under way at once.
pub const BATCHES_UNDER_WAY: usize = 4;
/// One archived node, in bytes: data of [`REPLY_BYTES_MAX`] as base64, its path and its ACL.
pub const RECORD_BYTES_MAX: u64 = 2 * REPLY_BYTES_MAX as u64;
/// The answer to a four-letter word, in bytes.
pub const WORD_BYTES_MAX: u64 = 64 << 10;
/// How often all members are asked for a session while none has one, and how long to wait in between, in milliseconds: twice the
/// usual time of an election with some to spare.
pub const ELECTION_ROUNDS_MAX: u32 = 60;
/// See [`ELECTION_ROUNDS_MAX`].
pub const ELECTION_WAIT_MS: u32 = 500;
/// How far a disaster recovery advances the counter of one node's sequential children, whatever the configuration says.
pub const RECOVERY_STEPS_MAX: u32 = 10_000_000;
/// Bytes of a part's name before it is shortened; names of files end at 255.
pub const PART_NAME_BYTES_MAX: usize = 200;
