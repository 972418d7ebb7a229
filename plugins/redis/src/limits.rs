//! Every limit of this plugin, in one place.

/// One line of the protocol, in bytes.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// One text of a reply that is held in memory, in bytes. Values of keys are not: they stream.
pub const BULK_BYTES_MAX: usize = 64 << 20;
/// Elements of one reply with all its lists.
pub const ELEMENTS_MAX: usize = 1 << 20;
/// Lists within lists in a reply.
pub const DEPTH_MAX: usize = 8;
/// Name of a key, in bytes. The server allows 512 MiB.
pub const KEY_BYTES_MAX: u64 = 16 << 20;
/// A packed piece of a value (a listpack, ziplist or intset), in bytes: these are looked into as a whole. Servers keep them at
/// some KiB; one element of a stream, or a setting far from the default, may make one larger.
pub const PACKED_BYTES_MAX: u64 = 64 << 20;
/// A library of functions, in bytes.
pub const LIBRARY_BYTES_MAX: u64 = 16 << 20;
/// All libraries of functions, in bytes.
pub const LIBRARIES_BYTES_MAX: usize = 32 << 20;
/// Facts about a snapshot in its head.
pub const FACTS_MAX: usize = 256;
/// Values that are larger get an entry of their own, in bytes.
pub const INLINE_BYTES_MAX: usize = 2 << 20;
/// Sets and hashes up to this size are archived in the order of their elements, in bytes.
pub const ELEMENT_SORT_BYTES: usize = 8 << 20;
/// What is copied of a long text at a time, in bytes.
pub const PIECE_BYTES: usize = 64 << 10;
/// What is read from one master before the next one has its turn, and between two looks at whether the run was
/// cancelled, in bytes.
pub const TURN_BYTES: u64 = 4 << 20;
/// Keys of one `SCAN` (a hint to the server), whose values are then asked for together.
pub const SCAN_KEYS: usize = 512;
/// Commands that are sent before their answers are read: so many ...
pub const BATCH_COMMANDS: usize = 1024;
/// ... or so many bytes.
pub const BATCH_BYTES: usize = 1 << 20;
/// Masters of a cluster.
pub const MASTERS_MAX: usize = 256;
/// Users, and bytes of their rules.
pub const USERS_BYTES_MAX: u64 = 16 << 20;
/// Largest serialised value that one `RESTORE` may carry with the server's default `proto-max-bulk-len` of 512 MiB, in bytes.
pub const RESTORE_BYTES_MAX: u64 = (512 << 20) - 64;
