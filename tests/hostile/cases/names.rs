//! Names that no entry may have, and names that nobody wants to see.

use crate::case::{Case, End, end, held};

const OF: &[&str] = &[
    "archive.create",
    "archive.reuse",
    "archive.open",
    "archive.entries",
    "files.open",
    "files.create",
    "files.list-folder",
    "files.status",
];

const fn impossible(name: &'static str, logs: &'static [&'static str]) -> Case {
    Case::both(name, OF, held(logs))
}

const fn odd(name: &'static str, says: &'static [&'static str], restore: End) -> Case {
    Case::each(name, OF, end(1, says), restore)
}

pub const ALL: &[Case] = &[
    impossible("name-64-kib", &["longer than 4096 bytes"]),
    impossible("name-too-long", &["longer than 4096 bytes"]),
    impossible("name-parent", &["a/../../out", "`..`"]),
    impossible("name-only-parent", &["\"..\"", "`..`"]),
    impossible("name-dot", &["./a", "`.`"]),
    impossible("name-absolute", &["/etc/cron.d/owned"]),
    impossible("name-nul", &["a\\\\x00b", "NUL"]),
    Case::each(
        "name-empty",
        OF,
        held(&["an entry needs a path"]),
        held(&["the granted folder itself cannot be changed"]),
    ),
    impossible("name-double-slash", &["a//b", "empty component"]),
    impossible("name-deep", &["d/d/d"]),
    odd("name-terminal", &["wrote \\u{1b}[2J\\u{1b}]0;owned\\u{7}"], held(&["no entry"])),
    odd("name-newline", &["wrote a\\nlockgate: done"], held(&["no entry"])),
    odd("name-bidi", &["wrote txt.\\u{202e}exe\\u{2066}\\u{200b}"], held(&["no entry"])),
    odd("name-not-utf-8", &["wrote"], held(&["no entry"])),
    Case::each(
        "name-of-the-manifest",
        OF,
        end(1, &["../.lockgate/manifest.json"]),
        held(&["../.lockgate/manifest.json"]),
    ),
];
