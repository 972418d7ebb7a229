use lockgate_plugin::files::{self, Listing, Named};
use lockgate_plugin::path;
use lockgate_plugin::{Error, Failure, Kind, Metadata, Result};

use crate::config::Config;

/// Names that are asked of the host at a time.
const PAGE_NAMES: u32 = 500;
/// Marks a folder as a cache, together with [`CACHE_SIGNATURE`]; see <https://bford.info/cachedir/>.
const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";
/// How a cache's tag starts.
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Goes through a granted folder: all names of one folder in the order of their bytes, then the folders among them in the
/// same way. One listing is open at a time, and only the paths of folders still to come are remembered.
pub struct Walk<'a> {
    folder: &'a str,
    config: &'a Config,
    /// Of the granted folder, when other file systems are left out.
    device: Option<u64>,
    pending: Vec<Vec<u8>>,
    current: Option<Current>,
    /// Names that the configuration left out.
    pub excluded: u64,
}

struct Current {
    path: Vec<u8>,
    listing: Listing,
    /// The one name that is kept of a folder that is left out.
    only: Option<Vec<u8>>,
    folders: Vec<Vec<u8>>,
}

/// What a step of the walk came upon.
pub enum Step {
    /// Names of one folder, at most a page of them.
    Names(Vec<Found>),
    /// A folder that could not be listed, or a name in it that could not be looked at.
    Unlisted(Vec<u8>, Failure),
}

/// One name.
pub struct Found {
    /// Relative to the granted folder.
    pub path: Vec<u8>,
    /// As it was when the folder was listed.
    pub metadata: Metadata,
}

impl<'a> Walk<'a> {
    /// Starts at the top of `folder`.
    pub fn new(folder: &'a str, config: &'a Config) -> Result<Self> {
        let device = match config.one_file_system {
            true => Some(files::status(folder, b"")?.device),
            false => None,
        };
        let pending = vec![Vec::new()];
        Ok(Self { folder, config, device, pending, current: None, excluded: 0 })
    }

    /// The next step; none when all was seen.
    ///
    /// # Errors
    /// When the granted folder itself cannot be listed, or the run is cancelled.
    pub fn next(&mut self) -> Result<Option<Step>> {
        loop {
            let Some(current) = &self.current else {
                let Some(path) = self.pending.pop() else { return Ok(None) };
                match self.open(&path) {
                    Ok(current) => self.current = Some(current),
                    Err(failure) => return self.unlisted(path, failure),
                }
                continue;
            };
            match current.listing.next(PAGE_NAMES) {
                Ok(page) if page.is_empty() => self.close(),
                Ok(page) => {
                    let found = self.select(page);
                    if !found.is_empty() {
                        return Ok(Some(Step::Names(found)));
                    }
                }
                // One name could not be looked at; the next call goes on behind it.
                Err(failure) if failure != Failure::Cancelled => {
                    return Ok(Some(Step::Unlisted(current.path.clone(), failure)));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    fn open(&self, path: &[u8]) -> Result<Current, Failure> {
        let listing = files::list_folder(self.folder, path)?;
        let only = self.tag(path);
        Ok(Current { path: path.to_vec(), listing, only, folders: Vec::new() })
    }

    fn close(&mut self) {
        if let Some(current) = self.current.take() {
            self.pending.extend(current.folders.into_iter().rev());
        }
    }

    fn unlisted(&self, path: Vec<u8>, failure: Failure) -> Result<Option<Step>> {
        if path.is_empty() || failure == Failure::Cancelled {
            return Err(Error::from(failure).context(format!("folder {}", self.folder)));
        }
        Ok(Some(Step::Unlisted(path, failure)))
    }

    fn select(&mut self, page: Vec<Named>) -> Vec<Found> {
        let Some(current) = &mut self.current else { return Vec::new() };
        let mut found = Vec::with_capacity(page.len());
        for named in page {
            let is_folder = named.metadata.kind == Kind::Directory;
            let path = path::join(&current.path, &named.name);
            let is_left_out = match &current.only {
                Some(only) => *only != named.name,
                None => self.config.excludes(&path, is_folder),
            };
            let is_elsewhere = self.device.is_some_and(|device| device != named.metadata.device);
            if is_left_out || (is_elsewhere && !is_folder) {
                self.excluded += 1;
                continue;
            }
            if is_folder && !is_elsewhere {
                current.folders.push(path.clone());
            }
            found.push(Found { path, metadata: named.metadata });
        }
        found
    }

    /// The name in the folder at `path` that says that the folder is to be left out.
    fn tag(&self, path: &[u8]) -> Option<Vec<u8>> {
        let is_there = |name: &&[u8]| {
            files::status(self.folder, &path::join(path, name))
                .is_ok_and(|metadata| metadata.kind == Kind::Regular)
        };
        let names = self.config.exclude_if_present.iter().map(|name| name.as_bytes());
        let found = names.into_iter().find(is_there);
        if found.is_some() || !self.config.exclude_caches {
            return found.map(<[u8]>::to_vec);
        }
        let tag = files::open(self.folder, &path::join(path, CACHE_TAG)).ok()?;
        let start = tag.read_at(0, CACHE_SIGNATURE.len() as u32).ok()?;
        (start == CACHE_SIGNATURE).then(|| CACHE_TAG.to_vec())
    }
}
