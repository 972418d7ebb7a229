//! Granted folders, what is beside them, and what must not be changed in them.

use crate::case::{Case, end, held};

const EVERY: &[&str] = &[
    "files.list-folder",
    "files.status",
    "files.open",
    "files.create",
    "files.make",
    "files.link",
    "files.apply",
    "files.remove",
];

pub const ALL: &[Case] = &[
    Case::both(
        "folder-ungranted",
        EVERY,
        held(&[
            "folders: the plugin asked for \"secret\"",
            "folders: the plugin asked for \"given/..\"",
        ]),
    ),
    Case::both("folder-parent", EVERY, held(&["../secret", "a/../../secret"])),
    Case::both("folder-absolute", EVERY, held(&["/etc/passwd", "/proc/self/root/etc/passwd"])),
    Case::both(
        "folder-link",
        EVERY,
        held(&[
            "could not open given:link: a symbolic link is on the way",
            "given:link-folder/secret",
            "kept:link",
        ]),
    ),
    Case::both("folder-write-through-link", EVERY, held(&["link-folder/new", "kept"])),
    Case::both(
        "folder-read-only",
        &[
            "files.create",
            "files.make",
            "files.file.write-at",
            "files.file.apply",
            "files.file.sync",
        ],
        held(&[
            "wanted to create kept:file",
            "wanted to make kept:new",
            "wanted to link kept:new",
            "wanted to change kept:file",
            "wanted to remove kept:file",
            "kept:file was opened for reading",
        ]),
    ),
    Case::both("folder-hard-link", &["files.link", "files.create"], held(&["../secret"])),
    // `lockgate health` may change as little as a backup, whatever the source gives.
    Case::backup("folder-new-link", held(&["wanted to make given:way-out"]).at("check")),
    Case::each(
        "folder-new-link",
        &["files.make", "files.apply"],
        held(&["wanted to make given:way-out"]),
        held(&["could not open given:way-out/passwd: a symbolic link is on the way"]),
    ),
    Case::each(
        "folder-device",
        &["files.open", "files.make"],
        held(&["given:fifo is a fifo, not a regular file"]),
        held(&["given:fifo is a fifo, not a regular file", "given:pipe is a fifo"]),
    ),
    Case::each(
        "folder-write-of-link",
        &["files.file.write-at", "files.create"],
        held(&["given:hard was opened for reading"]),
        held(&["could not open given:trap: a symbolic link is on the way"]),
    ),
    Case::for_ever("listing-spin", &["files.list-folder", "files.listing.next", "files.folders"]),
    Case::for_ever(
        "digest-spin",
        &["files.file.digest", "files.file.metadata", "files.file.read-at"],
    ),
    Case::each(
        "disk-fill",
        &["files.file.write-at"],
        held(&["wanted to create given:fill"]),
        end(1, &["could not write given:fill", "too large"]),
    ),
];
