use lockgate_plugin::path::{is_inside, shown};
use lockgate_plugin::{Entry, Error, Kind, Result, archive, files};

/// Refuses to restore into `folder` when a name of the part is taken there. Folders may exist.
///
/// # Errors
/// A conflict that names the first.
pub fn refuse(folder: &str) -> Result<()> {
    if files::list_folder(folder, b"")?.next(1)?.is_empty() {
        return Ok(());
    }
    let (mut count, mut first) = (0_u64, None);
    // A folder that is not there has nothing in it either.
    let mut missing: Option<Vec<u8>> = None;
    for entry in archive::entries("") {
        let entry = entry?;
        if missing.as_ref().is_some_and(|missing| is_inside(&entry.path, missing)) {
            continue;
        }
        match files::status(folder, &entry.path) {
            Ok(found) if is_folder(&entry) && found.kind == Kind::Directory => {}
            Ok(_) => {
                count += 1;
                first.get_or_insert(entry.path);
            }
            Err(_) if is_folder(&entry) => missing = Some(entry.path),
            Err(_) => {}
        }
    }
    let Some(first) = first else { return Ok(()) };
    let first = shown(&first);
    Err(Error::conflict(match count {
        1 => format!("{folder}/{first} exists already"),
        _ => format!("{folder}/{first} and {} others exist already", count - 1),
    }))
}

fn is_folder(entry: &Entry) -> bool {
    entry.metadata.as_ref().is_some_and(|metadata| metadata.kind == Kind::Directory)
}
