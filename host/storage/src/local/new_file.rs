use std::io::{self, IoSlice, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use opendal::Buffer;
use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::folder::Folder;
use crate::limits;
use crate::name::TEMPORARY_PREFIX;

/// Files are written once: not even their owner may change them by accident.
const FILE_MODE: u32 = 0o400;

/// Writes a new file. When it returns, the file is there, whole and durable; on an error there is no file, unless the error
/// is [`io::ErrorKind::AlreadyExists`].
pub(super) fn write(folder: &Folder, path: &str, data: &Buffer) -> io::Result<()> {
    let (parent, name) = folder.parent_made(path)?;
    if parent.symlink_metadata(name).is_ok() {
        // Found out before the bytes are written; the rename below decides.
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let (file, temporary) = create_temporary(&parent)?;
    let named = fill(file, data).and_then(|()| give_name(&parent, &temporary, name));
    match named {
        Ok(Named::ByRename) => {}
        Ok(Named::ByLink) => parent.remove_file(&temporary)?,
        Err(error) => {
            // The first error is the one that counts; what is left over is removed when it is old.
            let _ = parent.remove_file(&temporary);
            return Err(error);
        }
    }
    folder.sync_parent(path, &parent).inspect_err(|_| {
        // It may be gone after a crash, so it must not look as if it were there.
        let _ = parent.remove_file(name);
    })
}

fn create_temporary(parent: &Dir) -> io::Result<(File, String)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    for _ in 0..limits::TEMPORARY_NAMES_MAX {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let name = format!(
            "{TEMPORARY_PREFIX}{}-{}-{:x}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed),
            now.unwrap_or_default().as_nanos(),
        );
        match parent.open_with(&name, &options) {
            Ok(file) => return Ok((file, name)),
            // Another machine that shares the folder has the same process number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("found no free name for a temporary file"))
}

fn fill(mut file: File, data: &Buffer) -> io::Result<()> {
    let mut slices = data.to_io_slice();
    slices.retain(|slice| !slice.is_empty());
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.sync_all()
}

enum Named {
    ByRename,
    ByLink,
}

/// Both ways are atomic and fail when the name is taken.
fn give_name(parent: &Dir, temporary: &str, name: &str) -> io::Result<Named> {
    match rustix::fs::renameat_with(parent, temporary, parent, name, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(Named::ByRename),
        // What file systems say that have no such rename, NFS among them.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        Err(error) => return Err(error.into()),
    }
    link(parent, temporary, name)
}

fn link(parent: &Dir, temporary: &str, name: &str) -> io::Result<Named> {
    match parent.hard_link(temporary, parent, name) {
        Ok(()) => Ok(Named::ByLink),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(error) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("the file system cannot give a name only when it is free: {error}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_give_a_name_leave_a_taken_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        for (name, give) in [("by-rename", give_name as fn(&_, &_, &_) -> _), ("by-link", link)] {
            for (content, is_first) in [("first", true), ("second", false)] {
                let (mut file, temporary) = create_temporary(&dir).unwrap();
                file.write_all(content.as_bytes()).unwrap();
                let result = give(&dir, &temporary, name);
                assert_eq!(result.is_ok(), is_first);
                assert!(
                    result.err().is_none_or(|error| error.kind() == io::ErrorKind::AlreadyExists)
                );
            }
            assert_eq!(dir.read_to_string(name).unwrap(), "first");
        }
    }
}
