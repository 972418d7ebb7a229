//! Locks on files of granted folders, which other programs wait for.

use crate::case::{Case, held};

const EVERY: &[&str] = &["file-locks.acquire", "file-locks.is-free"];

pub const ALL: &[Case] = &[
    Case::both(
        "lock-ungranted",
        EVERY,
        held(&["wanted to lock kept:file", "`locks = true` in `folders.kept`"]),
    ),
    Case::both("lock-exclusive", EVERY, held(&["given:file was opened for reading"])),
    Case::both("lock-odd-range", EVERY, held(&["are no part of a file", "are locked through"])),
    Case::both("lock-flood", &["file-locks.acquire"], held(&["256 are held"])),
    Case::for_ever("lock-spin", EVERY),
];
