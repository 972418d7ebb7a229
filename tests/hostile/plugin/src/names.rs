//! Attacks with names: of entries, and of files in a granted folder.

use lockgate_plugin::bindings::lockgate::datastore::archive;
use lockgate_plugin::{Entry, Error, Result, files};

use crate::{Behaviours, Way, held, refused};

pub const ALL: Behaviours = &[
    ("name-64-kib", |way| impossible(way, &[b'n'; 64 << 10])),
    ("name-too-long", |way| impossible(way, &[b'n'; 4097])),
    ("name-parent", |way| impossible(way, b"a/../../out")),
    ("name-only-parent", |way| impossible(way, b"..")),
    ("name-dot", |way| impossible(way, b"./a")),
    ("name-absolute", |way| impossible(way, b"/etc/cron.d/owned")),
    ("name-nul", |way| impossible(way, b"a\0b")),
    ("name-empty", |way| match way {
        Way::Export => {
            refused("an entry without a name", archive::create(&Entry::new("")));
            refused("a file without a name", files::open("given", b""));
            held()
        }
        Way::Import => {
            refused("a file without a name", files::create("given", b"", true));
            refused("no file at all", files::remove("given", b""));
            held()
        }
    }),
    ("name-double-slash", |way| impossible(way, b"a//b")),
    ("name-deep", |way| impossible(way, "d/".repeat(100_000).trim_end_matches('/').as_bytes())),
    ("name-terminal", |way| odd(way, "\u{1b}[2J\u{1b}]0;owned\u{7}".as_bytes())),
    ("name-newline", |way| odd(way, b"a\nlockgate: done\r\n")),
    ("name-bidi", |way| odd(way, "txt.\u{202e}exe\u{2066}\u{200b}".as_bytes())),
    ("name-not-utf-8", |way| odd(way, b"\xff\xfe\x80")),
    ("name-of-the-manifest", |way| match way {
        // The manifest is beside the parts; a part may hold what looks like one, and nobody mistakes it.
        Way::Export => {
            for name in [".lockgate", "../.lockgate/manifest.json", ".lockgate/manifest.json"] {
                crate::usual::write(name)?;
            }
            held()
        }
        Way::Import => impossible(way, b"../.lockgate/manifest.json"),
    }),
    // Kept for the test that lists and restores them.
    ("odd-names", |way| match way {
        Way::Export => {
            for name in ODD {
                archive::create(&Entry::new(*name))?.finish()?;
            }
            Ok(())
        }
        Way::Import => Ok(()),
    }),
];

const ODD: &[&[u8]] = &[
    "\u{1b}[2J\u{1b}]0;owned\u{7}".as_bytes(),
    b"a\nlockgate: done\r",
    "txt.\u{202e}exe".as_bytes(),
    b"\xff\xfe\x80",
    b"-rf *",
    b"C:\\windows\\system32",
    b"con.txt:stream",
    b"...",
    b" ",
];

/// A name that no entry and no file may have.
fn impossible(way: Way, name: &[u8]) -> Result<()> {
    match way {
        Way::Export => {
            refused("the name of an entry", archive::create(&Entry::new(name)));
            refused("the name of a known entry", archive::reuse(&[Entry::new(name)]));
        }
        Way::Import => {
            refused("the name of an entry", archive::open(name));
            refused("a name to list", archive::entries(name, None, 10));
            refused("a name to list after", archive::entries(b"", Some(name), 10));
            refused("the name of a file", files::create("given", name, true));
        }
    }
    refused("the name of a file", files::open("given", name));
    refused("the name of a folder", files::list_folder("given", name));
    refused("a name to look at", files::status("given", name));
    held()
}

/// A name that a file can have and that nobody wants to see: taken, and shown harmlessly.
fn odd(way: Way, name: &[u8]) -> Result<()> {
    match way {
        Way::Export => {
            archive::create(&Entry::new(name))?.finish()?;
            let text = String::from_utf8_lossy(name).into_owned();
            Err(Error::other(format!("wrote {text}")))
        }
        Way::Import => {
            refused("an entry that is not there", archive::open(name));
            files::create("given", name, true)?;
            refused("the file again", files::create("given", name, false));
            held()
        }
    }
}
