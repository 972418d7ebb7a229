//! What is done with files of granted folders.

use lockgate_plugin::files::{self, File};
use lockgate_plugin::path::{join, shown};
use lockgate_plugin::{Context, Entry, Error, Failure, Kind, Metadata, Result, archive};

use crate::limits::{PAGE_NAMES, READ_BYTES, SMALL_FILE_BYTES_MAX};

/// Mode of folders that are made.
const FOLDER_MODE: u32 = 0o755;
/// The system's words for a name that is not there: the contract has no failure of its own for it.
const MISSING: &str = "no such file or directory";

/// Bytes that can be read from anywhere.
pub trait Bytes {
    /// At most `max` bytes from `offset`; empty at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_at(&self, offset: u64, max: u32) -> Result<Vec<u8>>;
}

impl Bytes for File {
    fn read_at(&self, offset: u64, max: u32) -> Result<Vec<u8>> {
        Ok(File::read_at(self, offset, max)?)
    }
}

impl Bytes for Vec<u8> {
    fn read_at(&self, offset: u64, max: u32) -> Result<Vec<u8>> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let rest = self.get(from..).unwrap_or_default();
        Ok(rest.get(..max as usize).unwrap_or(rest).to_vec())
    }
}

/// None for a name that is not there.
///
/// # Errors
/// All other failures.
pub fn unless_missing<T>(answer: Result<T, Failure>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Other(text)) if text.ends_with(MISSING) => Ok(None),
        Err(failure) => Err(Error::from(failure)),
    }
}

/// The names in a folder with what they are, in their order; none when there is no such folder.
///
/// # Errors
/// When it cannot be listed, or has more than `max` names.
pub fn list(folder: &str, path: &[u8], max: usize) -> Result<Vec<(Vec<u8>, Metadata)>> {
    let Some(listing) = unless_missing(files::list_folder(folder, path))? else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    loop {
        // A name that went away meanwhile is no name of this folder any more.
        let Some(page) = unless_missing(listing.next(PAGE_NAMES))? else { continue };
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|named| (named.name, named.metadata)));
        if all.len() > max {
            let place = format!("{folder}/{}", shown(path));
            return Err(Error::unsupported(format!("{place} has more than {max} names")));
        }
    }
}

/// A whole small file; none when it is not there.
///
/// # Errors
/// When it cannot be read, or is not small.
pub fn read(folder: &str, path: &[u8]) -> Result<Option<Vec<u8>>> {
    let place = || format!("{folder}/{}", shown(path));
    let Some(file) = unless_missing(files::open(folder, path)).with_context(place)? else {
        return Ok(None);
    };
    whole(&file).with_context(place).map(Some)
}

/// All bytes of a small file.
///
/// # Errors
/// When it cannot be read, or is not small.
pub fn whole(file: &impl Bytes) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let piece = file.read_at(all.len() as u64, READ_BYTES)?;
        if piece.is_empty() {
            return Ok(all);
        }
        all.extend_from_slice(&piece);
        if all.len() > SMALL_FILE_BYTES_MAX {
            let most = SMALL_FILE_BYTES_MAX >> 20;
            return Err(Error::unsupported(format!("it has more than {most} MiB")));
        }
    }
}

/// The files of the part that is imported, without the folders that their paths have.
///
/// # Errors
/// When the archive cannot be read.
pub fn archived() -> Result<Vec<Entry>> {
    let is_file = |entry: &Entry| {
        entry.metadata.as_ref().is_none_or(|metadata| metadata.kind == Kind::Regular)
    };
    let entries = archive::entries("");
    entries.filter(|entry| entry.as_ref().map_or(true, is_file)).collect()
}

/// Whether something has this name.
///
/// # Errors
/// When that cannot be told.
pub fn is_there(folder: &str, path: &[u8]) -> Result<bool> {
    Ok(unless_missing(files::status(folder, path))?.is_some())
}

/// The path without its last name; empty at the top.
#[must_use]
pub fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.get(..end).unwrap_or_default()
}

/// The last name of a path.
#[must_use]
pub fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Makes the folder `path` and those above it, as far as they are missing, with the owner of `like`.
///
/// # Errors
/// When one cannot be made.
pub fn make_folders(folder: &str, path: &[u8], like: Option<&Metadata>) -> Result<()> {
    let mut made = Vec::new();
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        made = join(&made, name);
        if !is_there(folder, &made)? {
            let metadata = Metadata::new(Kind::Directory, FOLDER_MODE).beside(like);
            files::make(folder, &made, &metadata, false)?;
            for refused in files::apply(folder, &made, &metadata)? {
                log::warn!("{folder}/{}: {refused}", shown(&made));
            }
        }
    }
    Ok(())
}

/// Writes a small file, new or in the place of another, with mode, owner and times of `like`.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &str, path: &[u8], bytes: &[u8], like: Option<&Metadata>) -> Result<()> {
    let file = files::create(folder, path, true)?;
    file.write_at(0, bytes)?;
    finish(&file, &format!("{folder}/{}", shown(path)), like)
}

/// Gives a written file mode, owner and times of `like`, and has the system keep it.
///
/// # Errors
/// When that fails; what the process may not set is only logged.
pub fn finish(file: &File, place: &str, like: Option<&Metadata>) -> Result<()> {
    if let Some(metadata) = like {
        for refused in file.apply(metadata)? {
            log::warn!("{place}: {refused}");
        }
    }
    Ok(file.sync()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_missing() {
        let answer = |text: &str| unless_missing::<()>(Err(Failure::Other(text.to_owned())));
        assert_eq!(answer("could not open m1:a.meta: no such file or directory"), Ok(None));
        assert!(answer("could not open m1:a.meta: too many open files").is_err());
        assert!(unless_missing::<()>(Err(Failure::Cancelled)).is_err());
    }

    #[test]
    fn paths_are_taken_apart() {
        assert_eq!((parent(b"a/b/c"), name(b"a/b/c")), (&b"a/b"[..], &b"c"[..]));
        assert_eq!((parent(b"a"), name(b"a")), (&b""[..], &b"a"[..]));
    }
}
