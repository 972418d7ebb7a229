//! Every limit of this plugin, in one place.

/// Largest answer of the server that is held as a whole (its models, its shards, ...), in bytes.
pub const REPLY_BYTES_MAX: u64 = 32 << 20;
/// What of a refusal is read, in bytes.
pub const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// Models that the members of one container are named with.
pub const MODULES_MAX: usize = 4096;
/// Data that is passed on between two looks whether the run goes on, in bytes.
pub const PROGRESS_BYTES: u64 = 4 << 20;

/// Levels of objects in objects of a snapshot. OpenDaylight's have a dozen.
pub const DEPTH_MAX: usize = 64;
/// Objects, classes and strings of a snapshot beside the data, which is no objects.
pub const HANDLES_MAX: usize = 1 << 20;
/// Longest string of a snapshot that can be a name, in bytes.
pub const NAME_BYTES_MAX: u64 = 1 << 10;
/// Fields of one class.
pub const CLASS_FIELDS_MAX: usize = 256;
/// Data of a shard that is an entry of its own, in bytes.
pub const PIECE_BYTES_MIN: u64 = 64 << 10;
/// Shards of one datastore.
pub const SHARDS_MAX: usize = 4096;

/// Names in a folder that are removed at a time.
pub const PAGE_NAMES: u32 = 500;
/// Folders in folders of a journal.
pub const FOLDER_DEPTH_MAX: usize = 8;

/// Pause between two looks whether a node has started, in milliseconds.
pub const LOOK_PAUSE_MS: u32 = 1000;
/// Times that a busy server is asked again.
pub const BUSY_ATTEMPTS_MAX: u32 = 8;
/// First and longest pause before that, in milliseconds.
pub const WAIT_FIRST_MS: u32 = 250;
/// See [`WAIT_FIRST_MS`].
pub const WAIT_MS_MAX: u32 = 8000;

/// What of a container one transaction of a restore takes, in bytes of JSON. The server's journal takes no entry above 16 MiB
/// (`max-entry-size`), and stops a shard that has to write one; in the journal data may be twice as long as in JSON.
pub const TRANSACTION_BYTES: usize = 4 << 20;
/// One value that is not divided any more, in bytes of JSON: a larger one does not fit in the journal.
pub const VALUE_BYTES_MAX: usize = 15 << 20;
