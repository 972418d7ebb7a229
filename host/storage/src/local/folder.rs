use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};

use super::sync::Syncer;
use crate::limits;
use crate::read_buffers::ReadBuffers;

/// Folders are for their owner only, like those of restic.
const FOLDER_MODE: u32 = 0o700;

/// File systems that the kernel of this machine keeps by itself, as statfs(2) names them (`linux/magic.h`): ext2 to ext4, XFS,
/// Btrfs, F2FS, bcachefs, ZFS, tmpfs and overlays.
const KEPT_HERE: [u64; 8] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0xca45_1a4e,
    0x2fc1_2fc1,
    0x0102_1994,
    0x794c_7630,
];

/// The folder of one repository. Paths are relative to it and cannot leave it, whatever they or the links on the way say.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    root: PathBuf,
    /// Opened when first needed and kept, so that a disk which is unmounted or replaced later is noticed.
    opened: Mutex<Option<Arc<Dir>>>,
    syncer: Syncer,
    read_buffers: Arc<ReadBuffers>,
}

impl Folder {
    /// The folder at `root`, which is absolute.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, ..Self::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder itself.
    pub(super) fn open(&self) -> io::Result<Arc<Dir>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = opened.as_ref() {
            return Ok(Arc::clone(dir));
        }
        let dir = Arc::new(Dir::open_ambient_dir(&self.root, ambient_authority())?);
        *opened = Some(Arc::clone(&dir));
        Ok(dir)
    }

    /// The folder that holds `path`, and the last component of `path`.
    pub(super) fn parent<'a>(&self, path: &'a str) -> io::Result<(Arc<Dir>, &'a str)> {
        let root = self.open()?;
        match path.rsplit_once('/') {
            Some((parent, name)) => Ok((Arc::new(root.open_dir(parent)?), name)),
            None => Ok((root, path)),
        }
    }

    /// The same; the folder is made when it is not there, unless it is the repository's own: that one is never made here.
    pub(super) fn parent_made<'a>(&self, path: &'a str) -> io::Result<(Arc<Dir>, &'a str)> {
        match self.parent(path) {
            // A copy of a repository may lack folders that were empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.open()?;
                let (missing, _) = path.rsplit_once('/').ok_or(error)?;
                self.create(missing)?;
                self.parent(path)
            }
            parent => parent,
        }
    }

    /// Whether `path` is on a file system that no other machine changes unseen.
    pub(crate) fn is_kept_here(&self, path: &str) -> io::Result<bool> {
        let status = rustix::fs::fstatfs(&self.open()?.open_dir(path)?)?;
        Ok(KEPT_HERE.contains(&(status.f_type as u64)))
    }

    /// Makes the names in `parent`, which holds `path`, durable.
    pub(super) fn sync_parent(&self, path: &str, parent: &Dir) -> io::Result<()> {
        self.syncer.sync(path.rsplit_once('/').map_or("", |(parent, _)| parent), parent)
    }

    /// Makes a folder and those on the way to it, durably. `/` is the folder itself.
    pub(super) fn create(&self, path: &str) -> io::Result<()> {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return create_root(&self.root);
        }
        let mut parent = self.open()?;
        let mut parent_path = String::new();
        for name in path.split('/') {
            let mut builder = DirBuilder::new();
            builder.mode(FOLDER_MODE);
            match parent.create_dir_with(name, &builder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            // Also when it was there: its maker may have been stopped before it synced.
            self.syncer.sync(&parent_path, &parent)?;
            parent = Arc::new(parent.open_dir(name)?);
            parent_path = if parent_path.is_empty() {
                name.to_owned()
            } else {
                format!("{parent_path}/{name}")
            };
        }
        Ok(())
    }

    /// The size of a file; none for a folder.
    pub(super) fn size(&self, path: &str) -> io::Result<Option<u64>> {
        let path = path.trim_end_matches('/');
        let root = self.open()?;
        if path.is_empty() {
            return Ok(None);
        }
        let metadata = root.metadata(path)?;
        Ok(metadata.is_file().then_some(metadata.len()))
    }

    /// Reads `wanted` bytes from `offset` on, or as many as there are; all of them when nothing is said.
    pub(super) fn read(&self, path: &str, offset: u64, wanted: Option<u64>) -> io::Result<Bytes> {
        let file = self.open()?.open(path)?.into_std();
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is not a file"));
        }
        let there = metadata.len().saturating_sub(offset);
        let wanted = wanted.map_or(there, |wanted| wanted.min(there));
        let Some(size) =
            usize::try_from(wanted).ok().filter(|_| wanted <= limits::OBJECT_BYTES_MAX)
        else {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 GiB"));
        };
        self.read_buffers.filled(size, |bytes| file.read_exact_at(bytes, offset))
    }

    /// Removes a file, durably. One that is not there is removed already.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        self.open()?;
        let removed = self.parent(path).and_then(|(parent, name)| {
            parent.remove_file(name)?;
            self.sync_parent(path, &parent)
        });
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

fn create_root(root: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    let mut missing = Vec::new();
    let mut there = root;
    while !there.try_exists()? {
        missing.push(there);
        let Some(parent) = there.parent() else { break };
        there = parent;
    }
    for path in missing.into_iter().rev() {
        match std::fs::DirBuilder::new().mode(FOLDER_MODE).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        if let Some(parent) = path.parent() {
            std::fs::File::open(parent)?.sync_all()?;
        }
    }
    if !root.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder"));
    }
    Ok(())
}
