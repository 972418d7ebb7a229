use lockgate_plugin::files::{self, Named};
use lockgate_plugin::glob::matches;
use lockgate_plugin::path::{join, shown};
use lockgate_plugin::{Context, Error, Kind, Metadata, Part, Result};

use crate::config::Config;
use crate::place::Place;

/// Kinds of parts.
pub const FOLDER: &str = "folder";
pub const FILES: &str = "files";

/// Names that are asked of the host at a time.
const PAGE_NAMES: u32 = 500;

/// One name of a part.
#[derive(Clone, Debug)]
pub struct Found {
    /// Relative to the granted folder.
    pub path: Vec<u8>,
    pub metadata: Metadata,
}

/// All parts of all granted folders: each folder at the top, and the files there together.
///
/// # Errors
/// When no folder is granted, or one cannot be listed.
pub fn parts(config: &Config) -> Result<Vec<Part>> {
    let folders = files::folders()?;
    if folders.is_empty() {
        return Err(Error::config("no folder is granted to this source"));
    }
    let mut parts = Vec::new();
    for folder in folders.into_iter().map(|folder| folder.name) {
        parts.push(Part::new(Place { folder: folder.clone(), top: None }.id(), FILES));
        each_name(&folder, b"", |named| {
            let is_folder = named.metadata.kind == Kind::Directory;
            if is_folder && !matches(&config.exclude, &named.name, true) {
                let place = Place { folder: folder.clone(), top: Some(named.name) };
                parts.push(Part::new(place.id(), FOLDER));
            }
            Ok(())
        })?;
    }
    Ok(parts)
}

/// Goes through a place: the names of one folder in the order of their bytes, then the folders among them in the same way.
/// Only the paths of folders that are still to come are remembered.
///
/// # Errors
/// When anything cannot be listed, or `each` fails.
pub fn walk(
    place: &Place,
    config: &Config,
    mut each: impl FnMut(Found) -> Result<()>,
) -> Result<()> {
    let mut pending = vec![Vec::new()];
    if let Some(top) = &place.top {
        let metadata = files::status(&place.folder, top);
        let metadata = metadata.with_context(|| format!("{}/{}", place.folder, shown(top)))?;
        each(Found { path: top.clone(), metadata })?;
        pending = vec![top.clone()];
    }
    while let Some(folder) = pending.pop() {
        let mut inner = Vec::new();
        each_name(&place.folder, &folder, |Named { name, metadata }| {
            let path = join(&folder, &name);
            let is_folder = metadata.kind == Kind::Directory;
            if matches(&config.exclude, &path, is_folder) || (is_folder && place.top.is_none()) {
                return Ok(());
            }
            if is_folder {
                inner.push(path.clone());
            }
            each(Found { path, metadata })
        })?;
        pending.extend(inner.into_iter().rev());
    }
    Ok(())
}

fn each_name(folder: &str, path: &[u8], mut each: impl FnMut(Named) -> Result<()>) -> Result<()> {
    let place = || format!("{folder}/{}", shown(path));
    let listing = files::list_folder(folder, path).with_context(place)?;
    loop {
        let page = listing.next(PAGE_NAMES).with_context(place)?;
        if page.is_empty() {
            return Ok(());
        }
        page.into_iter().try_for_each(&mut each)?;
    }
}
