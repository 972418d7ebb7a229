//! What is expected of the host when a plugin misbehaves in one way.

/// One way to misbehave, in a backup and in a restore. The name is that of the behaviour in `plugin/src`.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// Functions of the contract that it attacks, as `interface.function` or `interface.resource.function`.
    pub attacks: &'static [&'static str],
    /// Whether the source grants anything at all.
    pub is_granted: bool,
    /// Longest call, in milliseconds.
    pub call_ms: u64,
    pub backup: Option<End>,
    pub restore: Option<End>,
}

/// How it ends.
#[derive(Clone, Copy)]
pub struct End {
    /// The call that misbehaves, where it is not the one that moves entries.
    pub at: Option<&'static str>,
    /// Exit code of the host.
    pub code: i32,
    /// What the line with the error says.
    pub says: &'static [&'static str],
    /// What the log says of the attempt.
    pub logs: &'static [&'static str],
}

/// Of cases that are expected to end by themselves.
const CALL_MS: u64 = 15_000;
/// Of cases that would go on for ever.
const CALL_SHORT_MS: u64 = 700;

/// Entries are counted from the moment that the plugin ends: `part victim`, unless something else fails.
pub const HELD: &str = "every attempt was refused";

/// An end with this exit code and these words in the error.
pub const fn end(code: i32, says: &'static [&'static str]) -> End {
    End { at: None, code, says, logs: &[] }
}

/// The plugin gets nothing, and says so; the log says what it wanted.
pub const fn held(logs: &'static [&'static str]) -> End {
    End { at: None, code: 1, says: &[HELD], logs }
}

impl End {
    pub const fn at(mut self, call: &'static str) -> Self {
        self.at = Some(call);
        self
    }

    pub const fn logs(mut self, logs: &'static [&'static str]) -> Self {
        self.logs = logs;
        self
    }
}

impl Case {
    /// Ends in the same way in both directions.
    pub const fn both(name: &'static str, attacks: &'static [&'static str], end: End) -> Self {
        Self::each(name, attacks, end, end)
    }

    /// Ends differently.
    pub const fn each(
        name: &'static str,
        attacks: &'static [&'static str],
        backup: End,
        restore: End,
    ) -> Self {
        Self {
            name,
            attacks,
            is_granted: true,
            call_ms: CALL_MS,
            backup: Some(backup),
            restore: Some(restore),
        }
    }

    /// An answer that only a backup asks for.
    pub const fn backup(name: &'static str, end: End) -> Self {
        Self { restore: None, ..Self::both(name, &[], end) }
    }

    /// An answer that only a restore asks for.
    pub const fn restore(name: &'static str, end: End) -> Self {
        Self { backup: None, ..Self::both(name, &[], end) }
    }

    /// Goes on until the host's patience ends.
    pub const fn for_ever(name: &'static str, attacks: &'static [&'static str]) -> Self {
        Self {
            call_ms: CALL_SHORT_MS,
            ..Self::both(name, attacks, end(21, &["did not return within", "call-ms"]))
        }
    }

    /// Nothing is granted.
    pub const fn ungranted(mut self) -> Self {
        self.is_granted = false;
        self
    }
}
