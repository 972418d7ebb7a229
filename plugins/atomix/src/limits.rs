//! Every limit, in one place.

/// Objects and lists inside of one another in a configuration.
pub const DEPTH_MAX: usize = 64;
/// Values in a configuration.
pub const VALUES_MAX: usize = 100_000;
/// Bytes of a member's answer.
pub const ANSWER_BYTES_MAX: u64 = 16 << 20;
