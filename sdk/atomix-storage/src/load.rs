//! The way back: writes an archived partition into a member's folder.
//!
//! While it is written the folder has a `.lock` of nobody, so that an agent which is started too early refuses and does not begin a new
//! history on half a journal.

use lockgate_plugin::files::{self as host};
use lockgate_plugin::path::{join, shown};
use lockgate_plugin::{Context, Entry, Error, Extraction, Result, archive, attribute};

use crate::files::{archived, finish, is_there, make_folders, read, write};
use crate::limits::SEGMENT_BYTES_MAX;
use crate::member;
use crate::partition::{Partition, What};
use crate::save::SIZE;

/// Whom the `.lock` names while a restore is not done.
const NOBODY: &str = "lockgate-restore-unfinished";

/// The first file of `partition` that is in a folder already.
///
/// # Errors
/// When the folder cannot be listed.
pub fn in_the_way(folder: &str, partition: &Partition) -> Result<Option<Vec<u8>>> {
    let files = partition.files(folder)?;
    Ok(files.keys().next().map(|what| partition.path(*what)))
}

/// The member that a partition's folder belongs to, as its agent noted it; none when that is not known.
///
/// # Errors
/// When the note cannot be read.
pub fn owner(folder: &str, partition: &Partition) -> Result<Option<String>> {
    let lock = read(folder, &partition.path(What::Lock))?.unwrap_or_default();
    Ok(member::owner(&lock).filter(|name| name != NOBODY))
}

/// Writes the entries of the part that is imported into `folder` as `partition`, in the place of what is there of it. The member begins in
/// `term`, without a vote.
///
/// # Errors
/// When the archive cannot be read or the folder cannot be written.
pub fn load(folder: &str, partition: &Partition, term: u64) -> Result<()> {
    let entries: Vec<Entry> = archived()?;
    let like = entries.iter().find_map(|entry| entry.metadata.as_ref());
    make_folders(folder, &partition.directory, like)?;
    let lock = partition.path(What::Lock);
    write(folder, &lock, &member::lock(NOBODY), like)?;
    for what in partition.files(folder)?.into_keys().filter(|what| *what != What::Lock) {
        host::remove(folder, &partition.path(what))?;
    }
    for entry in &entries {
        let path = join(&partition.directory, &entry.path);
        let place = format!("{folder}/{}", shown(&path));
        match partition.what(&entry.path) {
            Some(What::Metadata) => {
                write(folder, &path, &member::metadata(term), entry.metadata.as_ref())
            }
            Some(What::Lock) | None => Err(Error::corrupt("it is no file of this partition")),
            Some(_) => extract(folder, &path, entry, &place),
        }
        .with_context(|| place.clone())?;
    }
    Ok(host::remove(folder, &lock)?)
}

/// Writes one file. A segment gets the size again that its agent laid out, without taking that room on disk.
fn extract(folder: &str, path: &[u8], entry: &Entry, place: &str) -> Result<()> {
    let file = host::create(folder, path, true)?;
    let written =
        archive::extract(&[Extraction { path: entry.path.clone(), target: &file, offset: 0 }])?;
    let laid_out = attribute(&entry.attributes, SIZE).and_then(|text| text.parse::<u64>().ok());
    if let Some(size) = laid_out.filter(|size| *size > written && *size <= SEGMENT_BYTES_MAX) {
        file.write_at(size - 1, &[0])?;
    }
    let metadata = entry.metadata.clone().map(|mut metadata| {
        metadata.size = laid_out.unwrap_or(metadata.size);
        metadata
    });
    finish(&file, place, metadata.as_ref())
}

/// Whether a restore into a folder was begun and not finished.
///
/// # Errors
/// When that cannot be told.
pub fn is_unfinished(folder: &str, partition: &Partition) -> Result<bool> {
    let path = partition.path(What::Lock);
    if !is_there(folder, &path)? {
        return Ok(false);
    }
    let lock = read(folder, &path)?.unwrap_or_default();
    Ok(member::owner(&lock).is_some_and(|name| name == NOBODY))
}
