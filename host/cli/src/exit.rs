//! Exit codes. The table in `docs/exit-codes.md` is this one; a test compares them.

use std::process::ExitCode;

use lockgate_engine::{Error, ErrorKind};

/// One way to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What the shell sees.
    pub code: u8,
    /// What it means.
    pub meaning: &'static str,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code)
    }
}

const fn exit(code: u8, meaning: &'static str) -> Exit {
    Exit { code, meaning }
}

pub const OK: Exit = exit(0, "done");
pub const FAILED: Exit = exit(1, "failed for a reason that has no code of its own");
pub const USAGE: Exit = exit(2, "wrong argument or configuration");
pub const PARTIAL: Exit =
    exit(3, "the snapshot was made, but some of the source could not be read");
pub const NOT_EVERYWHERE: Exit = exit(4, "the snapshot was made, but not in all repositories");
pub const NO_REPOSITORY: Exit = exit(10, "there is no repository at the location");
pub const LOCKED: Exit = exit(
    11,
    "the repository or the state is locked by another process, or there is no room for more jobs",
);
pub const WRONG_PASSWORD: Exit = exit(12, "wrong password for the repository");
pub const UNREACHABLE: Exit = exit(13, "storage or a server cannot be reached");
pub const NO_SPACE: Exit = exit(14, "no space left");
pub const DAMAGED: Exit = exit(15, "stored data is damaged, or restored data differs");
pub const NOT_FOUND: Exit = exit(16, "no such snapshot, backup, job, part or path");
pub const DENIED: Exit = exit(17, "the plugin asked for something that was not granted");
pub const CREDENTIALS: Exit = exit(18, "a server refused the credentials");
pub const UNSUPPORTED: Exit = exit(19, "a version or feature that is not handled");
pub const CONFLICT: Exit = exit(20, "the target is not empty, exists already, or is in use");
pub const PLUGIN_STOPPED: Exit = exit(21, "the plugin trapped, hung, or used up more than it may");
pub const NOT_CONTAINED: Exit =
    exit(22, "this machine cannot contain plugins, and `--isolation=reduced` was not given");
pub const UNTRUSTED: Exit =
    exit(23, "the plugin is not the one that was locked, or its signatures do not suffice");
pub const CRITICAL: Exit = exit(24, "a plugin found something critical in a datastore");
pub const NOT_CONFORMING: Exit = exit(25, "the plugin failed a case of the conformance suite");
pub const INTERRUPTED: Exit = exit(130, "stopped by the operator");

/// All of them, for the documentation.
#[cfg(test)]
const ALL: [Exit; 22] = [
    OK,
    FAILED,
    USAGE,
    PARTIAL,
    NOT_EVERYWHERE,
    NO_REPOSITORY,
    LOCKED,
    WRONG_PASSWORD,
    UNREACHABLE,
    NO_SPACE,
    DAMAGED,
    NOT_FOUND,
    DENIED,
    CREDENTIALS,
    UNSUPPORTED,
    CONFLICT,
    PLUGIN_STOPPED,
    NOT_CONTAINED,
    UNTRUSTED,
    CRITICAL,
    NOT_CONFORMING,
    INTERRUPTED,
];

/// The exit that belongs to an error.
pub fn code(error: &Error) -> Exit {
    match error.kind() {
        ErrorKind::Configuration => USAGE,
        ErrorKind::NoRepository => NO_REPOSITORY,
        ErrorKind::Locked | ErrorKind::Busy => LOCKED,
        ErrorKind::WrongPassword => WRONG_PASSWORD,
        ErrorKind::Unreachable => UNREACHABLE,
        ErrorKind::NoSpace => NO_SPACE,
        ErrorKind::Damaged => DAMAGED,
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::Denied => DENIED,
        ErrorKind::Credentials => CREDENTIALS,
        ErrorKind::Unsupported => UNSUPPORTED,
        ErrorKind::Conflict => CONFLICT,
        ErrorKind::PluginStopped => PLUGIN_STOPPED,
        ErrorKind::Isolation => NOT_CONTAINED,
        ErrorKind::Untrusted => UNTRUSTED,
        ErrorKind::Interrupted => INTERRUPTED,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_table_is_this_one() {
        let document = include_str!("../../../docs/exit-codes.md");
        let rows: Vec<&str> =
            document.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        let expected: Vec<String> =
            ALL.iter().map(|exit| format!("| {} | {} |", exit.code, exit.meaning)).collect();
        assert_eq!(rows, expected);
    }
}
