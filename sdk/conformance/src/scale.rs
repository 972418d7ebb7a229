//! How large the contents are, and what is allowed for them.

use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Sizes of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) name: &'static str,
    /// Bytes of the value of `huge-value`.
    pub(crate) huge: u64,
    /// Values of `many-values`.
    pub(crate) many: u64,
    /// Bytes of a content that takes long enough for something to happen in the middle.
    pub(crate) medium: u64,
    /// Bytes of `unchanged`.
    pub(crate) unchanged: u64,
    /// Bytes of `back-pressure`: more than host and worker may hold.
    pub(crate) bulk: u64,
    /// Time for one command.
    pub(crate) deadline: Duration,
}

const DEFAULT: Scale = Scale {
    name: "default",
    huge: 24 * MIB,
    many: 20_000,
    medium: 16 * MIB,
    unchanged: 32 * MIB,
    bulk: 160 * MIB,
    deadline: Duration::from_secs(120),
};

const FULL: Scale = Scale {
    name: "full",
    huge: 512 * MIB,
    many: 1_000_000,
    unchanged: 512 * MIB,
    bulk: 1024 * MIB,
    deadline: Duration::from_secs(3600),
    ..DEFAULT
};

impl Scale {
    /// `full` when `LOCKGATE_TEST_SCALE` says so.
    pub(crate) fn of_environment() -> Self {
        match std::env::var("LOCKGATE_TEST_SCALE").as_deref() {
            Ok("full") => FULL,
            _ => DEFAULT,
        }
    }
}
