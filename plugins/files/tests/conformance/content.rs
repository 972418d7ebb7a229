use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::Result;
use lockgate_conformance::Content;
use lockgate_conformance::random::Random;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat};

/// Bytes of a file of a bulk.
const BULK_FILE_BYTES: u64 = 256 << 10;

/// Fills the granted folders of `top`.
pub fn fill(top: &Path, content: Content) -> Result<()> {
    let (docs, media) = (top.join("docs"), top.join("media"));
    match content {
        Content::Usual => usual(&docs, &media),
        Content::Huge { bytes } => {
            Ok(fs::write(docs.join("huge"), Random::new(1).bytes(usize::try_from(bytes)?))?)
        }
        Content::Many { count } => {
            for number in 0..count {
                let folder = docs.join(format!("{:03}", number / 500));
                if number % 500 == 0 {
                    fs::create_dir(&folder)?;
                }
                fs::write(folder.join(format!("{number}")), format!("value {number}"))?;
            }
            Ok(())
        }
        Content::Bulk { bytes } => {
            let mut random = Random::new(2);
            for number in 0..bytes / BULK_FILE_BYTES {
                let folder = if number % 2 == 0 { &docs } else { &media };
                let content = random.bytes(usize::try_from(BULK_FILE_BYTES)?);
                fs::write(folder.join(format!("file-{number}")), content)?;
            }
            Ok(())
        }
        Content::Odd => odd(&docs),
    }
}

/// A little of everything that a file system can hold.
fn usual(docs: &Path, media: &Path) -> Result<()> {
    fs::create_dir_all(docs.join("deep/er/still"))?;
    fs::create_dir(docs.join("empty folder"))?;
    fs::write(docs.join("empty"), b"")?;
    fs::write(docs.join("plain"), b"hello\n")?;
    fs::write(docs.join("späte Züge"), b"late")?;
    fs::write(docs.join("deep/er/still/leaf"), b"leaf")?;
    fs::set_permissions(docs.join("deep/er"), fs::Permissions::from_mode(0o2750))?;
    fs::write(docs.join("set-user-id"), b"#!/bin/true\n")?;
    fs::set_permissions(docs.join("set-user-id"), fs::Permissions::from_mode(0o4755))?;
    symlink("plain", docs.join("link"))?;
    fs::hard_link(docs.join("set-user-id"), docs.join("deep/hard link"))?;
    let mode = Mode::from_raw_mode(0o640);
    mknodat(CWD, docs.join("pipe"), FileType::Fifo, mode, 0)?;
    let file = fs::File::open(docs.join("plain"))?;
    // Not every file system has them.
    rustix::fs::fsetxattr(&file, "user.colour", b"blue", XattrFlags::empty()).ok();
    fs::create_dir_all(media.join("deep/er"))?;
    fs::write(media.join("song"), Random::new(3).bytes(300_000))?;
    fs::write(media.join("cover"), Random::new(4).text(20_000))?;
    fs::write(media.join("deep/er/leaf"), b"another leaf")?;
    Ok(())
}

/// Names may hold every byte but the slash and NUL, and have 255 of them.
fn odd(folder: &Path) -> Result<()> {
    let mut names: Vec<OsString> = (1..=255_u8)
        .filter(|byte| *byte != b'/' && *byte != b'.')
        .map(|byte| OsStr::from_bytes(&[byte]).to_owned())
        .collect();
    let words: [&[u8]; 22] = [
        b"...",
        b"..a",
        b". ",
        b" ..",
        b"latin\xe9",
        "日本語".as_bytes(),
        "e\u{301}".as_bytes(),
        "é".as_bytes(),
        b"new\nline",
        b"quote\"back\\slash",
        b"<&>",
        b"-dash",
        b" space ",
        b"%2e%2e",
        b"$(true)",
        b"`true`",
        b"*",
        b"\xff\xfe",
        b"\x1b[31m",
        "\u{202e}right".as_bytes(),
        b".lockgate",
        b"manifest.json",
    ];
    names.extend(words.iter().map(|word| OsStr::from_bytes(word).to_owned()));
    names.push("x".repeat(255).into());
    for name in &names {
        fs::write(folder.join(name), name.as_bytes())?;
    }
    let mut deep = folder.join("deep");
    for _ in 0..12 {
        deep.push("n".repeat(200));
    }
    fs::create_dir_all(&deep)?;
    fs::write(deep.join("leaf"), b"deep down")?;
    symlink("/nowhere/at all", folder.join("dangling"))?;
    symlink("../../../../../../etc/passwd", folder.join("upwards"))?;
    symlink(OsStr::from_bytes(b"\xff\n"), folder.join("to odd"))?;
    let file = fs::File::open(folder.join("*"))?;
    rustix::fs::fsetxattr(&file, "user.colour", b"blue\0\xff", XattrFlags::empty()).ok();
    rustix::fs::fsetxattr(&file, "user.empty", b"", XattrFlags::empty()).ok();
    let mut sparse = fs::File::create(folder.join("sparse"))?;
    sparse.seek(SeekFrom::Start(8 << 20))?;
    sparse.write_all(b"end")?;
    fs::write(folder.join("zeros"), vec![0; 64 << 10])?;
    Ok(())
}
