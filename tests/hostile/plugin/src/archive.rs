//! Attacks the entries: what is written of a part and what is read of it.

use std::cell::RefCell;

use lockgate_plugin::bindings::lockgate::datastore::archive as host;
use lockgate_plugin::{
    Entry, Error, Extraction, Kind, Metadata, Result, Timestamp, attributes, files,
};

use crate::{Behaviours, Config, Way, held, refused};

pub const ALL: Behaviours = &[
    ("tiny-writes", |way| match way {
        Way::Export => writes(b"x"),
        Way::Import => reads(1),
    }),
    ("empty-writes", |way| match way {
        Way::Export => writes(b""),
        Way::Import => reads(0),
    }),
    ("entry-flood", |way| match way {
        Way::Export => flood(),
        Way::Import => loop {
            host::entries(b"", None, u32::MAX)?;
        },
    }),
    ("unfinished", |way| match way {
        Way::Export => {
            let writer = host::create(&Entry::new("unfinished"))?;
            writer.write(b"half")?;
            std::mem::forget(writer);
            Ok(())
        }
        // Says that all is restored and has read nothing of what it opened.
        Way::Import => {
            std::mem::forget(host::open(b"data")?);
            Err(Error::other("left an entry open"))
        }
    }),
    ("left-behind", |way| match way {
        Way::Export => {
            std::mem::forget(host::start_reuse(&[Entry::new("new")])?);
            Ok(())
        }
        // Says that all is restored and has not asked how it went.
        Way::Import => {
            let file = files::create("given", b"target", true)?;
            let into = Extraction { path: b"nothing".to_vec(), target: &file, offset: 0 };
            std::mem::forget(host::start_extract(&[into])?);
            Ok(())
        }
    }),
    ("under-way", |way| match way {
        Way::Export => lookups(),
        Way::Import => transfers(),
    }),
    ("gives-more", |way| lie(way, 4)),
    ("gives-less", |way| lie(way, 1 << 40)),
    ("twice", |way| match way {
        Way::Export => {
            crate::usual::write("same")?;
            crate::usual::write("same")
        }
        Way::Import => {
            let file = files::create("given", b"target", true)?;
            let same = || Extraction { path: b"data".to_vec(), target: &file, offset: 0 };
            host::extract(&[same(), same()])?;
            Err(Error::other("extracted one entry twice into one file"))
        }
    }),
    ("folder-and-file", |way| match way {
        Way::Export => {
            crate::usual::write("same")?;
            crate::usual::write("same/below")
        }
        Way::Import => {
            refused("an entry below a file", host::open(b"data/below"));
            held()
        }
    }),
    ("after-finish", |way| match way {
        Way::Export => {
            let writer = host::create(&Entry::new("finished"))?;
            writer.finish()?;
            refused("a write after the end", writer.write(b"more"));
            refused("a second end", writer.finish());
            held()
        }
        Way::Import => {
            let reader = host::open(b"data")?;
            reader.seek(u64::MAX).ok();
            assert!(reader.read(1 << 20).is_ok_and(|bytes| bytes.is_empty()), "BREACH");
            held()
        }
    }),
    ("other-part", |way| match way {
        Way::Export => WRITER.with_borrow(|kept| {
            let writer = kept.as_ref().ok_or_else(|| Error::other("nothing was kept"))?;
            refused("a write into another part", writer.write(b"more"));
            refused("the end of another part's entry", writer.finish());
            held()
        }),
        Way::Import => READER.with_borrow(|kept| {
            let reader = kept.as_ref().ok_or_else(|| Error::other("nothing was kept"))?;
            refused("a read from another part", reader.read(100));
            refused("a place in another part", reader.seek(1));
            refused("another part's entry", host::open(b"../bystander/data"));
            held()
        }),
    }),
    ("wrong-way", |way| match way {
        Way::Export => {
            refused("reading during an export", host::open(b"data"));
            refused("listing during an export", host::entries(b"", None, 10));
            refused("extracting during an export", host::extract(&[]));
            held()
        }
        Way::Import => {
            refused("writing during an import", host::create(&Entry::new("new")));
            refused("reuse during an import", host::reuse(&[Entry::new("new")]));
            held()
        }
    }),
    ("content-of-a-link", |way| match way {
        Way::Export => {
            let metadata = metadata(Kind::Symlink);
            let writer = host::create(&Entry::new("link").with_metadata(metadata))?;
            refused("content of a link", writer.write(b"content"));
            held()
        }
        Way::Import => {
            refused("an entry that is not there", host::open(b"link"));
            held()
        }
    }),
    ("reuse-flood", |way| match way {
        Way::Export => {
            let entries: Vec<Entry> = (0..2000).map(|it| Entry::new(format!("{it}"))).collect();
            refused("2000 entries at once", host::reuse(&entries));
            held()
        }
        Way::Import => loop {
            host::open(b"data")?.seek(1 << 40).ok();
        },
    }),
    ("far-away", |way| match way {
        Way::Export => far_export(),
        Way::Import => far_import(),
    }),
    ("read-only-target", |way| match way {
        Way::Export => {
            refused("a file to write", files::create("given", b"new", true));
            held()
        }
        Way::Import => {
            let file = files::open("kept", b"file")?;
            let into = Extraction { path: b"data".to_vec(), target: &file, offset: 0 };
            refused("extracting into a file to read", host::extract(&[into]));
            held()
        }
    }),
    ("absurd-metadata", |way| match way {
        Way::Export => absurd(),
        Way::Import => {
            let file = files::create("given", b"absurd", true)?;
            for metadata in absurdities() {
                file.apply(&metadata).ok();
                files::apply("given", b"absurd", &metadata).ok();
            }
            Err(Error::other("applied what it could"))
        }
    }),
];

thread_local! {
    static WRITER: RefCell<Option<host::Writer>> = const { RefCell::new(None) };
    static READER: RefCell<Option<host::Reader>> = const { RefCell::new(None) };
}

/// Keeps a writer of this part for the next one.
pub fn keep_writer(config: &Config) -> Result<()> {
    if config.is("other-part") {
        let writer = host::create(&Entry::new("kept"))?;
        writer.finish()?;
        WRITER.set(Some(writer));
    }
    Ok(())
}

/// Keeps a reader of this part for the next one.
pub fn keep_reader(config: &Config) -> Result<()> {
    if config.is("other-part") {
        READER.set(Some(host::open(b"data")?));
    }
    Ok(())
}

fn writes(data: &[u8]) -> Result<()> {
    let writer = host::create(&Entry::new("many-writes"))?;
    loop {
        writer.write(data)?;
    }
}

fn reads(max: u32) -> Result<()> {
    let reader = host::open(b"data")?;
    loop {
        reader.read(max)?;
        reader.seek(0)?;
        std::hint::black_box(reader.entry());
    }
}

fn flood() -> Result<()> {
    for number in 0_u64.. {
        host::create(&Entry::new(format!("flood/{number}")))?.finish()?;
    }
    Ok(())
}

fn lie(way: Way, announced: u64) -> Result<()> {
    match way {
        Way::Export => {
            let writer = host::create(&Entry::new("liar").with_size_hint(announced))?;
            writer.write(b"eight by")?;
            Ok(writer.finish()?)
        }
        Way::Import => {
            let reader = host::open(b"data")?;
            assert!(reader.read(u32::MAX)?.len() < 4 << 20, "BREACH");
            held()
        }
    }
}

/// Ranges of a file that no file has.
fn far_export() -> Result<()> {
    let file = files::open("given", b"large")?;
    for (offset, length) in
        [(0, Some(u64::MAX)), (u64::MAX, None), (u64::MAX, Some(u64::MAX)), (1 << 63, Some(1))]
    {
        let writer = host::create(&Entry::new(format!("far-{offset}-{}", length.is_some())))?;
        refused(format!("{offset} {length:?}"), writer.write_file(&file, offset, length));
    }
    refused("reading beyond every file", file.read_at(u64::MAX, 10));
    held()
}

/// Lookups that are too large, begun on top of each other, dropped and finished twice.
fn lookups() -> Result<()> {
    refused("a transfer during an export", host::start_extract(&[]));
    let entries: Vec<Entry> = (0..2000).map(|it| Entry::new(format!("{it}"))).collect();
    refused("2000 entries in a lookup", host::start_reuse(&entries));
    let first = host::start_reuse(&entries[..1])?;
    let second = host::start_reuse(&entries[1..3])?;
    host::create(&Entry::new("between"))?.finish()?;
    assert_eq!(second.finish()?, [false; 2]);
    assert_eq!(first.finish()?, [false]);
    refused("a second end of a lookup", first.finish());
    drop(host::start_reuse(&[])?);
    held()
}

/// Transfers that are too large, begun on top of each other, dropped and finished twice.
fn transfers() -> Result<()> {
    let file = files::create("given", b"transferred", true)?;
    let into = |path: &[u8]| Extraction { path: path.to_vec(), target: &file, offset: 0 };
    let many: Vec<_> = (0..129).map(|_| into(b"data")).collect();
    refused("129 entries in a transfer", host::start_extract(&many));
    let first = host::start_extract(&[into(b"data")])?;
    let second = host::start_extract(&[into(b"missing")])?;
    host::entries(b"", None, 10)?;
    refused("an entry that is not there", second.finish());
    first.finish()?;
    refused("a second end of a transfer", first.finish());
    drop(host::start_extract(&[into(b"data")])?);
    held()
}

fn far_import() -> Result<()> {
    let file = files::create("given", b"far", true)?;
    for offset in [u64::MAX, 1 << 63, (1 << 63) - 1] {
        let into = Extraction { path: b"data".to_vec(), target: &file, offset };
        refused(offset, host::extract(&[into]));
        refused(offset, file.write_at(offset, b"beyond"));
    }
    held()
}

/// A name of the kind that says what cannot be.
pub fn metadata(kind: Kind) -> Metadata {
    let time = || Timestamp { seconds: 0, nanoseconds: 0 };
    Metadata {
        kind,
        mode: 0o644,
        owner: 0,
        group: 0,
        owner_name: String::new(),
        group_name: String::new(),
        size: 0,
        modified: time(),
        accessed: time(),
        changed: time(),
        inode: 0,
        device: 0,
        links: 1,
        device_number: 0,
        link_target: None,
        extended_attributes: Vec::new(),
    }
}

fn absurdities() -> Vec<Metadata> {
    let far = |seconds| Timestamp { seconds, nanoseconds: 999_999_999 };
    let regular = || metadata(Kind::Regular);
    let with_name = |name: &str| lockgate_plugin::ExtendedAttribute {
        name: name.to_owned(),
        value: vec![0xff; 1 << 20],
    };
    vec![
        Metadata { mode: u32::MAX, owner: u32::MAX, group: u32::MAX, ..regular() },
        Metadata { modified: far(i64::MAX), accessed: far(i64::MIN), ..regular() },
        Metadata { modified: Timestamp { seconds: 0, nanoseconds: u32::MAX }, ..regular() },
        Metadata { size: u64::MAX, inode: u64::MAX, links: u64::MAX, ..regular() },
        Metadata { owner_name: crate::text::CONTROL.to_owned(), ..regular() },
        Metadata {
            extended_attributes: vec![with_name("user.\0"), with_name(""), with_name("trusted.x")],
            ..regular()
        },
        Metadata { link_target: Some(vec![b'/'; 1 << 20]), ..metadata(Kind::Symlink) },
        Metadata { link_target: Some(b"/etc/passwd\0".to_vec()), ..metadata(Kind::Symlink) },
        Metadata { device_number: u64::MAX, ..metadata(Kind::BlockDevice) },
    ]
}

/// All of it is taken or refused entry by entry; then a name that cannot be ends the part.
fn absurd() -> Result<()> {
    for (number, metadata) in absurdities().into_iter().enumerate() {
        let mut entry = Entry::new(format!("absurd-{number}")).with_metadata(metadata);
        entry.size_hint = Some(u64::MAX);
        entry.attributes = attributes([("etag", crate::text::CONTROL), ("", "")]);
        if let Ok(writer) = host::create(&entry) {
            writer.finish()?;
        }
    }
    crate::usual::write("../out")
}
