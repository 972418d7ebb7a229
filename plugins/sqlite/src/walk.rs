//! Which databases a granted folder holds.

use lockgate_plugin::files::{self, Named};
use lockgate_plugin::path::{join, shown};
use lockgate_plugin::{Context, Error, Kind, Result};

use crate::config::Config;

/// Names that are asked of the host at a time.
const PAGE_NAMES: u32 = 500;
/// Databases of one source.
const DATABASES_MAX: usize = 100_000;

/// A file that is taken for a database by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Relative to the folder.
    pub path: Vec<u8>,
    /// In bytes, without what is in its log.
    pub size: u64,
    /// Names of the same file: SQLite does not know that they are the same.
    pub links: u64,
}

/// All of them in `folder`, in the order of their paths.
///
/// # Errors
/// When a folder in it cannot be listed, or there are too many.
pub fn databases(folder: &str, config: &Config) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut pending = vec![Vec::new()];
    while let Some(above) = pending.pop() {
        let told = || format!("{folder}/{}", shown(&above));
        let listing = files::list_folder(folder, &above).with_context(told)?;
        loop {
            let page = listing.next(PAGE_NAMES).with_context(told)?;
            if page.is_empty() {
                break;
            }
            for named in page {
                take(folder, &above, named, config, &mut found, &mut pending);
            }
        }
        if found.len() > DATABASES_MAX {
            return Err(Error::config(format!(
                "folder {folder} holds more than {DATABASES_MAX} files that `include` names; narrow it"
            )));
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

fn take(
    folder: &str,
    above: &[u8],
    named: Named,
    config: &Config,
    found: &mut Vec<Found>,
    pending: &mut Vec<Vec<u8>>,
) {
    let path = join(above, &named.name);
    match named.metadata.kind {
        Kind::Directory if !config.leaves_out(&path) => pending.push(path),
        Kind::Regular if config.takes(&path) => {
            let (size, links) = (named.metadata.size, named.metadata.links);
            found.push(Found { path, size, links });
        }
        Kind::Symlink if config.takes(&path) => {
            log::warn!("{folder}/{} is a symbolic link and is not followed", shown(&path));
        }
        _ => {}
    }
}
