//! Folders to back up.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Result;

use lockgate_conformance::random::Random;

/// Fills `folder` with `count` files of `bytes` in all, in folders of about a hundred, half of it compressible.
///
/// # Errors
/// When the disk refuses.
pub fn fill(folder: &Path, count: u64, bytes: u64, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    let mean = bytes / count.max(1);
    for number in 0..count {
        let path = file(folder, number);
        if let Some(below) = path.parent().filter(|_| number % 100 == 0) {
            fs::create_dir_all(below)?;
        }
        // From half to one and a half times the mean, so that the sum is right on average.
        let length = usize::try_from(mean / 2 + random.below(mean.max(1)))?;
        let content = if number % 2 == 0 { random.bytes(length) } else { random.text(length) };
        fs::write(path, content)?;
    }
    Ok(())
}

/// The file of this number in a folder that [`fill`] has filled.
#[must_use]
pub fn file(folder: &Path, number: u64) -> PathBuf {
    let (ten_thousands, hundreds) = (number / 10_000, number / 100 % 100);
    folder.join(format!("{ten_thousands:03}/{hundreds:03}/file-{number:06}"))
}

/// Everything that a file system can hold and a backup program may get wrong.
///
/// # Errors
/// When the disk refuses.
pub fn oddities(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("deep/er/still"))?;
    fs::create_dir(folder.join("empty folder"))?;
    fs::write(folder.join("empty"), b"")?;
    fs::write(folder.join("plain"), b"hello\n")?;
    for name in [
        &b"latin\xe9"[..],
        "späte Züge".as_bytes(),
        b"new\nline",
        b"quote\"back\\slash",
        b"<&>",
        b"-dash",
        b" space ",
    ] {
        fs::write(folder.join(std::ffi::OsStr::from_bytes(name)), name)?;
    }
    fs::write(folder.join("x".repeat(255)), b"long name")?;
    fs::write(folder.join("deep/er/still/leaf"), b"leaf")?;
    fs::set_permissions(folder.join("deep/er"), fs::Permissions::from_mode(0o2750))?;
    fs::write(folder.join("set-user-id"), b"#!/bin/true\n")?;
    fs::set_permissions(folder.join("set-user-id"), fs::Permissions::from_mode(0o4755))?;
    fs::write(folder.join("read-only"), b"fixed")?;
    fs::set_permissions(folder.join("read-only"), fs::Permissions::from_mode(0o400))?;
    symlink("plain", folder.join("link"))?;
    symlink("/nowhere/at all", folder.join("dangling"))?;
    fs::hard_link(folder.join("plain"), folder.join("deep/hard link"))?;
    sparse(&folder.join("sparse"))?;
    let file = fs::File::open(folder.join("plain"))?;
    // Not every file system has them.
    rustix::fs::fsetxattr(&file, c"user.colour", b"blue\0\xff", rustix::fs::XattrFlags::empty())
        .ok();
    let mode = rustix::fs::Mode::from_raw_mode(0o640);
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe"), rustix::fs::FileType::Fifo, mode, 0)?;
    Ok(())
}

fn sparse(path: &Path) -> Result<()> {
    use std::io::{Seek as _, SeekFrom, Write as _};
    let mut file = fs::File::create(path)?;
    file.write_all(b"start")?;
    file.seek(SeekFrom::Start(32 << 20))?;
    file.write_all(b"end")?;
    Ok(())
}
