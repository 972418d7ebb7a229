//! The names in a folder, in the order of their bytes.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lockgate_types::{EntryPath, Failure, Metadata};
use rustix::fs::{AtFlags, RawDir, statat};
use rustix::io::Errno;

use super::{Folder, Owners, Place, describe};
use crate::limits::LISTING_BYTES_MAX;
use crate::worker::fault::Reply;

/// Bytes that one call to the kernel fills with names.
const READ_BYTES: usize = 64 << 10;

/// A name with what is known about it.
#[derive(Debug)]
pub struct Named {
    /// One component.
    pub name: Vec<u8>,
    /// What the file system knows about it.
    pub metadata: Metadata,
}

/// All names of a folder and the descriptor to look them up. Kept in one piece of memory, because a folder may have millions.
#[derive(Debug)]
pub struct Names {
    text: Vec<u8>,
    starts: Vec<u32>,
    folder: OwnedFd,
}

impl Names {
    /// The name at `index`, with its end.
    pub fn get(&self, index: usize) -> Option<&CStr> {
        let start = usize::try_from(*self.starts.get(index)?).ok()?;
        CStr::from_bytes_until_nul(self.text.get(start..)?).ok()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// What the names take in memory.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.starts.len() * size_of::<u32>()
    }

    /// The folder that holds the names.
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

/// Reads and sorts the names in `path`, which may take `bytes_max` bytes.
pub fn list(folder: &Folder, path: &EntryPath, bytes_max: usize) -> Reply<Names> {
    let descriptor = folder.open_folder(path)?;
    let mut text = Vec::new();
    let mut starts = Vec::new();
    let mut buffer = Vec::with_capacity(READ_BYTES);
    let mut entries = RawDir::new(&descriptor, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|errno| folder.refused("list", path, errno))?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let bytes = text.len() + starts.len() * size_of::<u32>() + name.count_bytes() + 5;
        if bytes > bytes_max {
            let shown = folder.shown(path);
            return Err(Failure::Unsupported(format!(
                "the names in {shown} and the folders above it take more than {LISTING_BYTES_MAX} bytes"
            ))
            .into());
        }
        // The limit on the text keeps this in range.
        starts.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        text.extend_from_slice(name.to_bytes_with_nul());
    }
    // The end (NUL) sorts before every byte, so comparing from the start to the buffer's end compares the names.
    let from = |start: &u32| text.get(*start as usize..).unwrap_or_default();
    starts.sort_unstable_by(|left, right| from(left).cmp(from(right)));
    Ok(Names { text, starts, folder: descriptor })
}

/// What is known about one name; none when it is gone by now.
///
/// # Errors
/// When it cannot be looked up.
pub fn stat_named(names: &Names, name: &CStr, owners: &Owners) -> Result<Option<Named>, Errno> {
    let found = statat(names.folder(), name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
        .and_then(|status| describe(&Place::Name(names.folder(), name), &status, owners));
    match found {
        Ok(metadata) => Ok(Some(Named { name: CString::from(name).into_bytes(), metadata })),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
