//! The terminal and the log.

use crate::case::{Case, end, held};

pub const ALL: &[Case] = &[
    Case::both("terminal-error", &[], end(1, &["\\u{1b}]0;owned\\u{7}"])),
    Case::both("terminal-panic", &["job.log"], end(21, &["\\u{1b}]0;owned\\u{7}"])),
    Case::both("terminal-log", &["job.log"], end(1, &["said it"]).logs(&["\\u{1b}]0;owned"])),
    Case::both(
        "log-flood",
        &["job.log"],
        held(&[
            "log messages of this call were dropped",
            "folders: the plugin asked for \"secret\"",
        ]),
    ),
    Case::for_ever("progress-flood", &["job.progress"]),
    Case::both("false-panic", &["job.log"], end(1, &["went on"]).logs(&["not a panic at all"])),
];
