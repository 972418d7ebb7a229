//! A trap and a loop in every call that the host makes. `at` names the call; the part's own calls are in `compute`.

use crate::case::{Case, end};

const fn backup(name: &'static str, call: &'static str, says: &'static [&'static str]) -> Case {
    Case::backup(name, end(21, says).at(call))
}

const fn restore(name: &'static str, call: &'static str, says: &'static [&'static str]) -> Case {
    Case::restore(name, end(21, says).at(call))
}

const GIVES_UP: &[&str] = &["the hostile plugin gives up"];
const BUSY: &[&str] = &["without calling the host"];

pub const ALL: &[Case] = &[
    backup("panic", "describe", GIVES_UP),
    backup("panic", "begin", GIVES_UP),
    backup("panic", "join", GIVES_UP),
    backup("panic", "release", GIVES_UP),
    // The snapshot exists by then: what the plugin does at its end cannot undo it, and is told.
    Case::backup(
        "panic",
        end(0, &[]).at("end").logs(&["end-failed", "the hostile plugin gives up"]),
    ),
    backup("panic", "check", GIVES_UP),
    backup("loop", "check", BUSY),
    backup("loop", "describe", BUSY),
    backup("loop", "begin", BUSY),
    backup("loop", "join", BUSY),
    backup("loop", "release", BUSY),
    Case::backup("loop", end(0, &[]).at("end").logs(&["end-failed", "without calling the host"])),
    restore("panic", "preview", GIVES_UP),
    restore("panic", "begin", GIVES_UP),
    restore("panic", "join", GIVES_UP),
    restore("panic", "fingerprint", GIVES_UP),
    restore("panic", "end", GIVES_UP),
    restore("loop", "preview", BUSY),
    restore("loop", "begin", BUSY),
    restore("loop", "join", BUSY),
    restore("loop", "fingerprint", BUSY),
    restore("loop", "end", BUSY),
];
