//! Looks for ways out of the granted folders, and for ways to change what was granted for reading.
//!
//! The test lays out: `given` (to be changed only during a restore, and lockable), `kept` (neither), both with `file`, with
//! `link` and `link-folder` that lead to a secret outside, with `hard` that is a hard link to a file outside, with `fifo`,
//! and `large`.

use lockgate_plugin::{Entry, Kind, Metadata, Result, archive as entries, files};

use crate::archive::metadata;
use crate::{Behaviours, Way, denied, held, refused};

pub const ALL: Behaviours = &[
    ("folder-ungranted", ungranted),
    ("folder-parent", |_| {
        for path in [&b"../secret"[..], b"a/../../secret", b"link-folder/../../secret"] {
            refused("a way up", files::open("given", path));
            refused("a way up", files::status("given", path));
            refused("a way up", files::list_folder("given", path));
            refused("a way up", files::remove("given", path));
        }
        refused("the folder above", files::list_folder("given", b".."));
        held()
    }),
    ("folder-absolute", |_| {
        for path in [&b"/etc/passwd"[..], b"/", b"//etc", b"/proc/self/root/etc/passwd"] {
            refused("an absolute path", files::open("given", path));
            refused("an absolute path", files::list_folder("given", path));
        }
        held()
    }),
    ("folder-link", |_| {
        denied("a link", files::open("given", b"link"));
        denied("a link to a folder", files::open("given", b"link-folder/secret"));
        denied("a link to a folder", files::status("given", b"link-folder/secret"));
        refused("a link to a folder", files::list_folder("given", b"link-folder"));
        refused("content of a link", files::open("kept", b"link"));
        held()
    }),
    ("folder-write-through-link", |_| {
        for folder in ["given", "kept"] {
            let outside = b"link-folder/new";
            denied("a file behind a link", files::create(folder, outside, true));
            denied(
                "a folder behind a link",
                files::make(folder, outside, &of(Kind::Directory), true),
            );
            denied("a link behind a link", files::link(folder, outside, b"file", true));
            denied("removal behind a link", files::remove(folder, b"link-folder/secret"));
            denied(
                "a mode behind a link",
                files::apply(folder, b"link-folder/secret", &of(Kind::Regular)),
            );
        }
        held()
    }),
    ("folder-read-only", |_| {
        denied("a file", files::create("kept", b"new", false));
        denied("a replaced file", files::create("kept", b"file", true));
        denied("a folder", files::make("kept", b"new", &of(Kind::Directory), false));
        denied("a device", files::make("kept", b"new", &of(Kind::BlockDevice), true));
        denied("a hard link", files::link("kept", b"new", b"file", false));
        denied("a mode", files::apply("kept", b"file", &of(Kind::Regular)));
        denied("a removal", files::remove("kept", b"file"));
        let file = files::open("kept", b"file")?;
        denied("a write", file.write_at(0, b"owned"));
        denied("a cut", file.write_at(u64::MAX, b""));
        denied("a mode of an open file", file.apply(&of(Kind::Regular)));
        denied("a flush to the disk", file.sync());
        held()
    }),
    // `hard` shares its inode with a file outside: reading is what the operator granted, a new file must not reach it.
    ("folder-hard-link", |way| match way {
        Way::Export => {
            denied("a hard link", files::link("given", b"mine", b"hard", true));
            refused("a hard link to above", files::link("given", b"mine", b"../secret", true));
            held()
        }
        Way::Import => {
            refused("a hard link to above", files::link("given", b"mine", b"../secret", true));
            denied(
                "a hard link behind a link",
                files::link("given", b"mine", b"link-folder/secret", true),
            );
            files::create("given", b"hard", true)?.write_at(0, b"owned")?;
            held()
        }
    }),
    ("folder-new-link", |way| match way {
        Way::Export => {
            denied("a link", files::make("given", b"way-out", &link_to(b"/etc"), true));
            held()
        }
        Way::Import => {
            files::make("given", b"way-out", &link_to(b"/etc"), true)?;
            denied("a way out", files::open("given", b"way-out/passwd"));
            denied("a way out", files::create("given", b"way-out/owned", true));
            denied("a way out", files::apply("given", b"way-out/passwd", &of(Kind::Regular)));
            files::apply("given", b"way-out", &link_to(b"/etc"))?;
            files::make("given", b"proc", &link_to(b"/proc/self/root"), true)?;
            denied("a magic link", files::open("given", b"proc/etc/passwd"));
            held()
        }
    }),
    ("folder-device", |way| {
        refused("a fifo", files::open("given", b"fifo"));
        if way == Way::Import {
            // What makes the device may be allowed to; what opens it gets nothing of it.
            let memory = Metadata { device_number: 0x101, ..of(Kind::CharacterDevice) };
            files::make("given", b"memory", &memory, true).ok();
            refused("a device", files::open("given", b"memory"));
            files::make("given", b"pipe", &of(Kind::Fifo), true)?;
            refused("a new fifo", files::open("given", b"pipe"));
            refused("a fifo that is there", files::create("given", b"pipe", false));
        }
        held()
    }),
    ("folder-write-of-link", |way| match way {
        Way::Export => {
            let file = files::open("given", b"hard")?;
            let writer = entries::create(&Entry::new("content"))?;
            drop(writer);
            refused("a write", file.write_at(0, b"owned"));
            held()
        }
        Way::Import => {
            files::make("given", b"trap", &link_to(b"../outside/secret"), true)?;
            refused("a file over a link", files::create("given", b"trap", false));
            denied("content behind a link", files::open("given", b"trap"));
            held()
        }
    }),
    ("listing-spin", |_| {
        loop {
            let listing = files::list_folder("given", b"")?;
            while !listing.next(u32::MAX)?.is_empty() {}
            files::folders()?;
        }
    }),
    ("digest-spin", |_| {
        loop {
            let file = files::open("given", b"large")?;
            file.digest()?;
            std::hint::black_box(file.metadata()?);
            file.read_at(0, u32::MAX)?;
        }
    }),
    ("disk-fill", |way| match way {
        Way::Export => {
            refused("a file to fill", files::create("given", b"fill", true));
            held()
        }
        // A hole, not a disk: what is written at the end of the largest file takes one block.
        Way::Import => {
            let file = files::create("given", b"fill", true)?;
            for power in 20..64 {
                file.write_at(1 << power, b"x")?;
            }
            Ok(())
        }
    }),
];

/// Folders that nobody granted.
pub fn ungranted(_: Way) -> Result<()> {
    for folder in ["secret", "", "/", "..", "given/..", "GIVEN"] {
        denied("a list", files::list_folder(folder, b""));
        denied("a status", files::status(folder, b"file"));
        denied("a file", files::open(folder, b"file"));
        denied("a new file", files::create(folder, b"file", true));
        denied("a new folder", files::make(folder, b"new", &of(Kind::Directory), true));
        denied("a hard link", files::link(folder, b"new", b"file", true));
        denied("a mode", files::apply(folder, b"file", &of(Kind::Regular)));
        denied("a removal", files::remove(folder, b"file"));
    }
    held()
}

fn of(kind: Kind) -> Metadata {
    metadata(kind)
}

fn link_to(target: &[u8]) -> Metadata {
    Metadata { link_target: Some(target.to_vec()), ..metadata(Kind::Symlink) }
}
