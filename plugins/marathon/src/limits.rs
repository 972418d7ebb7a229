//! Every limit of this plugin, in one place.

/// The answer with all definitions, in bytes. Marathon keeps each definition in a node of ZooKeeper of at most 1 MB
/// (`--zk_max_node_size`) and answers with all of them at once.
pub const ANSWER_BYTES_MAX: u64 = 128 << 20;
/// What of a refusal is read, in bytes.
pub const REFUSAL_BYTES_MAX: u64 = 64 << 10;
/// One line of an archived part, in bytes.
pub const LINE_BYTES_MAX: u64 = 16 << 20;
/// One name in an id, in bytes. Names are ASCII, so that a part's id fits into a file name.
pub const NAME_BYTES_MAX: usize = 200;
/// Mistakes, deployments or applications that one message names.
pub const NAMED_MAX: usize = 10;
/// First and longest wait before the deployments are looked at again, in milliseconds.
pub const WAIT_FIRST_MS: u32 = 50;
/// See [`WAIT_FIRST_MS`].
pub const WAIT_MS_MAX: u32 = 2_000;
