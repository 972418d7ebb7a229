//! Texts and lists that are longer than anything can be. What one call may make the host allocate ends some, the length of
//! paths and messages the others.

use crate::case::{Case, End, end, held};

const FUEL: End = end(21, &["crashed", "fuel"]);

pub const ALL: &[Case] = &[
    Case::both("long-log", &["job.log"], FUEL),
    Case::both("long-field", &["job.log"], FUEL),
    Case::both(
        "many-fields",
        &["job.log"],
        end(1, &["said it"]).logs(&["log messages of this call were dropped"]),
    ),
    Case::both("long-progress", &["job.progress"], FUEL),
    Case::both("long-path", &["archive.create", "archive.open"], FUEL),
    Case::both("long-attribute", &["archive.create", "archive.entries"], FUEL),
    Case::both("long-write", &["archive.writer.write", "files.file.write-at"], FUEL),
    Case::both("long-folder-name", &["files.open"], FUEL),
    Case::both("long-endpoint-name", &["net.connect"], FUEL),
    Case::both("long-host-name", &["net.connect-member"], FUEL),
    Case::both("long-credential-name", &["credentials.open"], FUEL),
    Case::both("long-challenge", &["credentials.credential.respond"], FUEL),
    Case::both(
        "long-name-below-the-limit",
        &["files.open", "net.connect", "credentials.open"],
        held(&[
            "folders: the plugin asked for \"\\u{1b}",
            "credentials: the plugin asked for \"\\u{1b}",
        ]),
    ),
    Case::both("long-error", &[], FUEL),
    Case::both("long-panic", &["job.log"], end(21, &["bytes of memory"])),
];
