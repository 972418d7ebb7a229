use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one plugin may use up. All of it can be changed per source in the configuration. Sources for the figures: wasmtime's
/// documentation of its own defaults, and what the largest first-party plugin needs, times ten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: u64,
    /// Resources (connections, files, writers, ...) that one instance may hold at once.
    pub handles: u32,
    /// Longest computation between two calls of the host, in milliseconds.
    pub busy_ms: u64,
    /// Longest call that only describes or looks (describe, check, preview), in milliseconds.
    pub inspect_ms: u64,
    /// Longest call that moves data or waits for a server (all others), in milliseconds.
    pub call_ms: u64,
    /// Longest time that a server may neither give nor take a byte while the plugin waits for it, in milliseconds. Servers
    /// are silent for long while they sort or build an index.
    pub silence_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            handles: 1_000,
            busy_ms: 30_000,
            inspect_ms: 60_000,
            call_ms: Duration::from_hours(24).as_millis() as u64,
            silence_ms: Duration::from_hours(1).as_millis() as u64,
        }
    }
}

/// One of the [`Limits`], by its name in `plugin.toml`, the configuration and the lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each variant is the field of that name")]
pub enum Limit {
    MemoryBytes,
    Handles,
    BusyMs,
    InspectMs,
    CallMs,
    SilenceMs,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::MemoryBytes,
        Self::Handles,
        Self::BusyMs,
        Self::InspectMs,
        Self::CallMs,
        Self::SilenceMs,
    ];

    /// The key in TOML.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::MemoryBytes => "memory-bytes",
            Self::Handles => "handles",
            Self::BusyMs => "busy-ms",
            Self::InspectMs => "inspect-ms",
            Self::CallMs => "call-ms",
            Self::SilenceMs => "silence-ms",
        }
    }

    /// A value of it in words.
    #[must_use]
    pub fn words(self, value: u64) -> String {
        match self {
            Self::MemoryBytes if value.is_multiple_of(1 << 20) => {
                format!("{} MiB of memory", value >> 20)
            }
            Self::MemoryBytes => format!("{value} bytes of memory"),
            Self::Handles => format!("{value} handles at once"),
            Self::BusyMs => format!("{value} ms of computing between two calls of the host"),
            Self::InspectMs => format!("{value} ms for a call that only looks"),
            Self::CallMs => format!("{value} ms for a call that moves data"),
            Self::SilenceMs => format!("{value} ms of silence from a server"),
        }
    }

    /// The value in `limits`.
    #[must_use]
    pub fn of(self, limits: &Limits) -> u64 {
        match self {
            Self::MemoryBytes => limits.memory_bytes,
            Self::Handles => limits.handles.into(),
            Self::BusyMs => limits.busy_ms,
            Self::InspectMs => limits.inspect_ms,
            Self::CallMs => limits.call_ms,
            Self::SilenceMs => limits.silence_ms,
        }
    }

    /// Lowers the value in `limits` to `value` where it is higher.
    pub(crate) fn lower(self, limits: &mut Limits, value: u64) {
        let lowered = self.of(limits).min(value);
        match self {
            Self::MemoryBytes => limits.memory_bytes = lowered,
            // Was a u32 or is lower than one.
            Self::Handles => limits.handles = u32::try_from(lowered).unwrap_or(u32::MAX),
            Self::BusyMs => limits.busy_ms = lowered,
            Self::InspectMs => limits.inspect_ms = lowered,
            Self::CallMs => limits.call_ms = lowered,
            Self::SilenceMs => limits.silence_ms = lowered,
        }
    }
}
