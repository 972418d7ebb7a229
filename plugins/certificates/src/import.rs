use lockgate_plugin::files::{self, File};
use lockgate_plugin::path::{is_inside, shown};
use lockgate_plugin::{Context, Entry, Error, Kind, Metadata, Result, archive, job};
use log::warn;
use zeroize::Zeroizing;

use crate::names::original;
use crate::place::Place;
use crate::seal::Identity;

/// Bytes that are written at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Mode of a folder while names are still made in it.
const UNFINISHED_MODE: u32 = 0o700;

/// One archived name.
struct Archived {
    /// As it is archived.
    stored: Vec<u8>,
    /// Where it goes.
    path: Vec<u8>,
    is_sealed: bool,
    metadata: Metadata,
}

/// Restores a part from `from` to `to`.
///
/// # Errors
/// When something is in the way (then nothing was changed), and when anything cannot be restored.
pub fn import(from: &Place, to: &Place, overwrite: bool) -> Result<()> {
    // A folder that holds something was refused before any part was begun.
    if !overwrite && to.top.is_none() {
        refuse(from, to)?;
    }
    let mut identity = None;
    let mut inside: Vec<(Vec<u8>, Metadata)> = Vec::new();
    for entry in archive::entries("") {
        job::go_on()?;
        let entry = archived(entry?, from, to)?;
        while let Some((path, metadata)) =
            inside.pop_if(|(folder, _)| !is_inside(&entry.path, folder))
        {
            settle(to, &path, &metadata)?;
        }
        let place = || format!("{}/{}", to.folder, shown(&entry.path));
        restore(to, &entry, overwrite, &mut identity).with_context(place)?;
        if entry.metadata.kind == Kind::Directory {
            inside.push((entry.path, entry.metadata));
        }
    }
    while let Some((path, metadata)) = inside.pop() {
        settle(to, &path, &metadata)?;
    }
    Ok(())
}

fn archived(entry: Entry, from: &Place, to: &Place) -> Result<Archived> {
    let corrupt =
        |cause: &str| Error::corrupt(format!("{}/{}: {cause}", from.folder, shown(&entry.path)));
    let metadata =
        entry.metadata.clone().ok_or_else(|| corrupt("the archive has no metadata of it"))?;
    let (path, is_sealed) = original(&entry.path, metadata.kind == Kind::Regular);
    if !from.holds(&path) {
        return Err(corrupt("it is not of its part"));
    }
    let path = from.moved(&path, to);
    Ok(Archived { stored: entry.path, path, is_sealed, metadata })
}

/// Refuses when a name at the top is taken.
fn refuse(from: &Place, to: &Place) -> Result<()> {
    if files::list_folder(&to.folder, b"")?.next(1)?.is_empty() {
        return Ok(());
    }
    let (mut count, mut first) = (0_u64, None);
    for entry in archive::entries("") {
        let entry = archived(entry?, from, to)?;
        if files::status(&to.folder, &entry.path).is_ok() {
            count += 1;
            first.get_or_insert(entry.path);
        }
    }
    let Some(first) = first else { return Ok(()) };
    let first = format!("{}/{}", to.folder, shown(&first));
    Err(Error::conflict(match count {
        1 => format!("{first} exists already"),
        _ => format!("{first} and {} others exist already", count - 1),
    }))
}

fn restore(
    to: &Place,
    entry: &Archived,
    overwrite: bool,
    identity: &mut Option<Identity>,
) -> Result<()> {
    let Archived { path, metadata, .. } = entry;
    match metadata.kind {
        Kind::Directory => {
            let unfinished = Metadata { mode: UNFINISHED_MODE, ..metadata.clone() };
            Ok(files::make(&to.folder, path, &unfinished, overwrite)?)
        }
        Kind::Symlink => {
            files::make(&to.folder, path, metadata, overwrite)?;
            settle(to, path, metadata)
        }
        Kind::Regular => {
            // Until its metadata is set, nobody but its owner may read it.
            let file = files::create(&to.folder, path, overwrite)?;
            let result = fill(&file, entry, identity);
            if result.is_err() {
                // Half a key is worse than none.
                files::remove(&to.folder, path).ok();
            }
            result?;
            tell(to, path, &file.apply(metadata)?);
            Ok(())
        }
        _ => Err(Error::corrupt("it is of a kind that is not saved")),
    }
}

fn fill(file: &File, entry: &Archived, identity: &mut Option<Identity>) -> Result<()> {
    let reader = archive::open(&entry.stored)?;
    if !entry.is_sealed {
        return copy(reader, file);
    }
    let identity = match identity {
        Some(identity) => identity,
        None => identity.insert(Identity::granted()?),
    };
    copy(identity.open(reader)?, file)
}

fn copy(mut reader: impl std::io::Read, file: &File) -> Result<()> {
    let mut buffer = Zeroizing::new(vec![0; PIECE_BYTES]);
    let mut offset = 0;
    loop {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match reader.read(room)? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            return Ok(());
        }
        file.write_at(offset, buffer.get(..filled).unwrap_or_default())?;
        offset += filled as u64;
    }
}

/// Sets what the archive says of a name that is complete.
fn settle(to: &Place, path: &[u8], metadata: &Metadata) -> Result<()> {
    let unset = files::apply(&to.folder, path, metadata)?;
    tell(to, path, &unset);
    Ok(())
}

fn tell(to: &Place, path: &[u8], unset: &[String]) {
    for reason in unset {
        warn!("{}/{}: not set: {reason}", to.folder, shown(path));
    }
}
