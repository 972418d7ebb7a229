use std::io;
use std::sync::Arc;

use cap_std::fs::{Dir, DirEntry, Metadata};
use cap_std::time::SystemTime;

use super::folder::Folder;
use crate::limits;
use crate::name::TEMPORARY_PREFIX;

/// A file below a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// From the root on.
    pub(super) path: String,
    /// In bytes.
    pub(super) size: u64,
    /// By the clock of whoever keeps the files.
    pub(super) modified: Option<std::time::SystemTime>,
}

/// Every file below `start` (which ends with `/`) with its size, in the order of the names. Anything that cannot be looked
/// at is an error; temporary files are left out, and removed when nobody can be writing them any more.
pub(super) fn below(folder: &Folder, start: &str) -> io::Result<Vec<Found>> {
    let root = folder.open()?;
    let start = start.trim_matches('/');
    let first = if start.is_empty() {
        (root, String::new())
    } else {
        (Arc::new(root.open_dir(start)?), format!("{start}/"))
    };
    let mut found = Vec::new();
    let mut folders = vec![first];
    while let Some((dir, prefix)) = folders.pop() {
        if prefix.matches('/').count() >= limits::NAME_COMPONENTS_MAX {
            return Err(io::Error::other(format!("{} is too deep", prefix.escape_debug())));
        }
        // The latest time that the folder tells of itself: clocks of machines that share it may differ by years.
        let changed = dir.dir_metadata().ok().and_then(|metadata| metadata.modified().ok());
        for entry in dir.entries()? {
            let entry = entry?;
            match look_at(&dir, &entry, changed)? {
                Seen::File(name, metadata) => {
                    let modified = metadata.modified().ok().map(SystemTime::into_std);
                    let (path, size) = (format!("{prefix}{name}"), metadata.len());
                    found.push(Found { path, size, modified });
                }
                Seen::Folder(name) => {
                    folders.push((Arc::new(dir.open_dir(&name)?), format!("{prefix}{name}/")));
                }
                Seen::Nothing => {}
            }
        }
        if found.len() > limits::LISTED_OBJECTS_MAX {
            return Err(io::Error::other("more than 12 million files"));
        }
    }
    found.sort_unstable();
    Ok(found)
}

enum Seen {
    File(String, Metadata),
    Folder(String),
    /// Not an object, or gone meanwhile.
    Nothing,
}

fn look_at(dir: &Dir, entry: &DirEntry, changed: Option<SystemTime>) -> io::Result<Seen> {
    // No object of ours has a name that is not UTF-8.
    let Ok(name) = entry.file_name().into_string() else { return Ok(Seen::Nothing) };
    let metadata = match dir.symlink_metadata(&name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
        metadata => metadata?,
    };
    if name.starts_with(TEMPORARY_PREFIX) {
        remove_when_old(dir, &name, &metadata, changed);
        return Ok(Seen::Nothing);
    }
    if metadata.is_dir() {
        return Ok(Seen::Folder(name));
    }
    if metadata.is_file() {
        return Ok(Seen::File(name, metadata));
    }
    if !metadata.is_symlink() {
        return Ok(Seen::Nothing);
    }
    let target = dir.metadata(&name)?;
    if target.is_dir() {
        // It might lead round in circles, and leaving it out would make the listing short.
        let text = format!("{} is a symbolic link to a folder", name.escape_debug());
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    Ok(Seen::File(name, target))
}

/// Removes what was written long before the folder changed last. Best effort: the medium may be read-only, and somebody else
/// may be quicker.
fn remove_when_old(dir: &Dir, name: &str, metadata: &Metadata, changed: Option<SystemTime>) {
    let modified = metadata.modified().ok();
    let age = changed.zip(modified).and_then(|(changed, then)| changed.duration_since(then).ok());
    if metadata.is_file()
        && age.is_some_and(|age| age > limits::TEMPORARY_AGE_MAX)
        && dir.remove_file(name).is_ok()
    {
        tracing::info!(name, "storage: removed an abandoned temporary file");
    }
}
