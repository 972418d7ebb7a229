use std::io;
use std::sync::Arc;

use cap_std::fs::{Dir, DirEntry};
use cap_std::time::SystemClock;

use super::folder::Folder;
use crate::limits;
use crate::name::TEMPORARY_PREFIX;

/// Every file below `start` (which ends with `/`) with its size, in the order of the names. Anything that cannot be looked
/// at is an error; temporary files are left out, and removed when nobody can be writing them any more.
pub(super) fn below(folder: &Folder, start: &str) -> io::Result<Vec<(String, u64)>> {
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
        for entry in dir.entries()? {
            let entry = entry?;
            match look_at(&dir, &entry)? {
                Seen::File(name, size) => found.push((format!("{prefix}{name}"), size)),
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
    File(String, u64),
    Folder(String),
    /// Not an object, or gone meanwhile.
    Nothing,
}

fn look_at(dir: &Dir, entry: &DirEntry) -> io::Result<Seen> {
    // No object of ours has a name that is not UTF-8.
    let Ok(name) = entry.file_name().into_string() else { return Ok(Seen::Nothing) };
    let metadata = match dir.symlink_metadata(&name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
        metadata => metadata?,
    };
    if name.starts_with(TEMPORARY_PREFIX) {
        remove_when_old(dir, &name, &metadata);
        return Ok(Seen::Nothing);
    }
    if metadata.is_dir() {
        return Ok(Seen::Folder(name));
    }
    if metadata.is_file() {
        return Ok(Seen::File(name, metadata.len()));
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
    Ok(Seen::File(name, target.len()))
}

/// Best effort: the medium may be read-only, and somebody else may be quicker.
fn remove_when_old(dir: &Dir, name: &str, metadata: &cap_std::fs::Metadata) {
    let now = SystemClock::new(cap_std::ambient_authority()).now();
    let age = metadata.modified().ok().and_then(|modified| now.duration_since(modified).ok());
    if metadata.is_file()
        && age.is_some_and(|age| age > limits::TEMPORARY_AGE_MAX)
        && dir.remove_file(name).is_ok()
    {
        tracing::info!(name, "storage: removed an abandoned temporary file");
    }
}
