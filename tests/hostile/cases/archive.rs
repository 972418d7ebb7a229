//! The entries of a part.

use crate::case::{Case, end, held};

pub const ALL: &[Case] = &[
    Case::for_ever(
        "tiny-writes",
        &["archive.writer.write", "archive.reader.read", "archive.reader.seek"],
    ),
    Case::for_ever("empty-writes", &["archive.writer.write", "archive.reader.entry"]),
    Case::for_ever("entry-flood", &["archive.create", "archive.entries"]),
    Case::each(
        "unfinished",
        &["archive.create", "archive.open"],
        end(1, &["entry unfinished was begun and never finished"]),
        end(1, &["left an entry open"]),
    ),
    Case::each(
        "left-behind",
        &["archive.start-reuse", "archive.start-extract"],
        end(1, &["a transfer or a lookup was begun and never finished"]),
        end(1, &["a transfer or a lookup was begun and never finished"]),
    ),
    Case::each(
        "under-way",
        &[
            "archive.start-reuse",
            "archive.lookup.finish",
            "archive.start-extract",
            "archive.transfer.finish",
        ],
        held(&[
            "archive.start-extract: works only during restore.import",
            "2000 entries are more than the 1000 of one call",
            "the lookup is finished",
        ]),
        held(&[
            "129 entries are more than the 128 of one transfer",
            "the part has no entry missing",
            "the transfer is finished",
        ]),
    ),
    Case::each(
        "gives-more",
        &["archive.writer.finish", "archive.reader.read"],
        end(1, &["liar announced 4 bytes and gave 8"]),
        held(&[]),
    ),
    Case::each(
        "gives-less",
        &["archive.writer.finish", "archive.reader.read"],
        end(1, &["liar announced 1099511627776 bytes and gave 8"]),
        held(&[]),
    ),
    Case::each(
        "twice",
        &["archive.create", "archive.extract"],
        end(1, &["same"]),
        end(1, &["extracted one entry twice into one file"]),
    ),
    Case::each(
        "folder-and-file",
        &["archive.create", "archive.open"],
        end(1, &["same"]),
        held(&["the part has no entry data/below"]),
    ),
    Case::each(
        "after-finish",
        &["archive.writer.write", "archive.writer.finish", "archive.reader.seek"],
        held(&["the entry is finished"]),
        held(&[]),
    ),
    Case::each(
        "other-part",
        &["archive.writer.write", "archive.writer.finish", "archive.reader.read"],
        held(&["the entry is finished"]),
        held(&["the entry belongs to a call that has ended", "path \"../bystander/data\""]),
    ),
    Case::each(
        "wrong-way",
        &["archive.create", "archive.reuse", "archive.open", "archive.entries", "archive.extract"],
        held(&[
            "archive.open: works only during restore.import",
            "archive.entries: works only during restore.import",
            "archive.extract: works only during restore.import",
        ]),
        held(&[
            "archive.create: works only during backup.export",
            "archive.reuse: works only during backup.export",
        ]),
    ),
    Case::each(
        "content-of-a-link",
        &["archive.writer.write"],
        held(&["only entries that are regular files have content"]),
        held(&["the part has no entry link"]),
    ),
    Case {
        call_ms: 700,
        ..Case::each(
            "reuse-flood",
            &["archive.reuse", "archive.reader.seek"],
            held(&["2000 entries are more than the 1000"]),
            end(21, &["did not return within"]),
        )
    },
    Case::each(
        "far-away",
        &[
            "archive.writer.write-file",
            "archive.extract",
            "files.file.write-at",
            "files.file.read-at",
        ],
        held(&["byte 18446744073709551615 lies outside every file"]),
        held(&["byte 9223372036854775808 lies outside every file"]),
    ),
    Case::each(
        "read-only-target",
        &["archive.extract", "files.create"],
        held(&["wanted to create given:new"]),
        held(&["kept:file was opened for reading"]),
    ),
    Case::each(
        "absurd-metadata",
        &["archive.create", "files.apply", "files.file.apply"],
        end(1, &["../out"]),
        end(1, &["applied what it could"]),
    ),
];
