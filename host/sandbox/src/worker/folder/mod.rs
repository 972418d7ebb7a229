//! A granted folder. Every path is resolved by the kernel below the folder's descriptor, without following any symbolic link
//! (`openat2(2)` with `RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS` and `RESOLVE_NO_MAGICLINKS`), so that no name leads out of it,
//! whatever the plugin or another process puts there.

mod apply;
mod attributes;
mod listing;
mod metadata;
mod owners;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_types::{EntryPath, Failure, Kind, Metadata, Name};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, linkat, mkdirat, mknodat, openat2, statat,
    symlinkat, unlinkat,
};
use rustix::io::Errno;

pub use apply::apply;
pub use listing::{Named, Names, list, stat_named};
pub use metadata::{Place, describe};
pub use owners::Owners;

use super::fault::{Fault, Reply};

/// Permission bits of what is made, until `apply` sets the right ones: nobody else looks in before that.
const PRIVATE_FILE: Mode = Mode::from_raw_mode(0o600);
const PRIVATE_FOLDER: Mode = Mode::from_raw_mode(0o700);

/// A folder that the host opened.
#[derive(Debug)]
pub struct Folder {
    name: String,
    writable: bool,
    locks: bool,
    root: OwnedFd,
    used: AtomicBool,
}

/// A path inside a folder, for messages.
#[derive(Debug, Clone)]
pub struct Shown {
    folder: String,
    path: EntryPath,
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.folder, self.path)
    }
}

/// The folder that holds a name.
struct Parent<'a> {
    folder: BorrowedOrOwned<'a>,
    name: &'a [u8],
}

enum BorrowedOrOwned<'a> {
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl AsFd for BorrowedOrOwned<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(descriptor) => *descriptor,
            Self::Owned(descriptor) => descriptor.as_fd(),
        }
    }
}

impl Folder {
    /// Takes over the descriptor of a folder.
    pub fn new(name: String, writable: bool, root: OwnedFd) -> Self {
        Self { name, writable, locks: false, root, used: AtomicBool::new(false) }
    }

    /// Says whether parts of its files may be locked.
    pub fn with_locks(self, locks: bool) -> Self {
        Self { locks, ..self }
    }

    /// The folder's name, the first time that this is asked.
    pub fn first_use(&self) -> Option<Name> {
        if self.used.load(Ordering::Relaxed) || self.used.swap(true, Ordering::Relaxed) {
            return None;
        }
        self.name.parse().ok()
    }

    /// As the plugin names it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may be changed.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether parts of its files may be locked.
    pub fn may_lock(&self) -> bool {
        self.locks
    }

    /// The folder itself.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// `path` with the folder's name, for messages.
    pub fn shown(&self, path: &EntryPath) -> Shown {
        Shown { folder: self.name.clone(), path: path.clone() }
    }

    /// Opens a regular file for reading and says how many bytes it has. Other kinds are refused, and opening them does not wait
    /// for a peer.
    pub fn open(&self, path: &EntryPath) -> Reply<(OwnedFd, u64)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        // Reading for a backup should not look like use, but only the owner may ask for that.
        let file = match self.resolve(path, flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => self.resolve(path, flags, Mode::empty()),
            result => result,
        }
        .map_err(|errno| self.refused("open", path, errno))?;
        let status = rustix::fs::fstat(&file).map_err(|it| self.refused("look at", path, it))?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Ok((file, u64::try_from(status.st_size).unwrap_or_default())),
            other => Err(Failure::Unsupported(format!(
                "{} is {}, not a regular file",
                self.shown(path),
                described(other)
            ))
            .into()),
        }
    }

    /// Opens a folder to list it.
    fn open_folder(&self, path: &EntryPath) -> Reply<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match self.resolve(path, flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => self.resolve(path, flags, Mode::empty()),
            result => result,
        }
        .map_err(|errno| self.refused("open", path, errno))
    }

    /// A descriptor that names `path` itself, whatever it is, without opening it.
    fn name_only(&self, path: &EntryPath) -> Reply<OwnedFd> {
        self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| self.refused("look at", path, errno))
    }

    /// What the file system knows about `path`.
    pub fn status(&self, path: &EntryPath, owners: &Owners) -> Reply<Metadata> {
        let descriptor = self.name_only(path)?;
        let status =
            rustix::fs::fstat(&descriptor).map_err(|it| self.refused("look at", path, it))?;
        describe(&Place::Descriptor(descriptor.as_fd()), &status, owners)
            .map_err(|errno| self.refused("look at", path, errno))
    }

    /// Creates a regular file, open for reading and writing.
    pub fn create(&self, path: &EntryPath, replace: bool) -> Reply<OwnedFd> {
        self.may_change("create", path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        match self.resolve(path, flags, PRIVATE_FILE) {
            Err(Errno::EXIST) if replace => {
                let parent = self.parent(path)?;
                unlinkat(parent.folder.as_fd(), parent.name, AtFlags::empty())
                    .map_err(|errno| self.refused("replace", path, errno))?;
                self.resolve(path, flags, PRIVATE_FILE)
            }
            result => result,
        }
        .map_err(|errno| self.refused("create", path, errno))
    }

    /// Makes a directory, symbolic link, fifo, socket or device. A directory that is there is kept.
    pub fn make(&self, path: &EntryPath, metadata: &Metadata, replace: bool) -> Reply<()> {
        self.may_change("make", path)?;
        let parent = self.parent(path)?;
        let make = || make_at(parent.folder.as_fd(), parent.name, metadata);
        match make() {
            Err(Errno::EXIST) if metadata.kind == Kind::Directory && is_directory(&parent) => {
                Ok(())
            }
            Err(Errno::EXIST) if replace => {
                unlinkat(parent.folder.as_fd(), parent.name, AtFlags::empty())
                    .map_err(|errno| self.refused("replace", path, errno))?;
                make()
            }
            result => result,
        }
        .map_err(|errno| self.refused("make", path, errno))
    }

    /// Makes a hard link at `path` to the existing `target`.
    pub fn link(&self, path: &EntryPath, target: &EntryPath, replace: bool) -> Reply<()> {
        self.may_change("link", path)?;
        let new = self.parent(path)?;
        let old = self.parent(target)?;
        // Without AT_SYMLINK_FOLLOW a symbolic link at `target` is linked itself.
        let link =
            || linkat(old.folder.as_fd(), old.name, new.folder.as_fd(), new.name, AtFlags::empty());
        match link() {
            Err(Errno::EXIST) if replace => {
                let status = |it: &Parent<'_>| {
                    statat(it.folder.as_fd(), it.name, AtFlags::SYMLINK_NOFOLLOW)
                        .map(|status| (status.st_dev, status.st_ino))
                };
                if status(&new).is_ok_and(|is| Ok(is) == status(&old)) {
                    return Ok(());
                }
                unlinkat(new.folder.as_fd(), new.name, AtFlags::empty())
                    .map_err(|errno| self.refused("replace", path, errno))?;
                link()
            }
            result => result,
        }
        .map_err(|errno| self.refused("link", path, errno))
    }

    /// Sets what `metadata` says as far as the process may; returns what it could not set and why.
    pub fn apply(&self, path: &EntryPath, metadata: &Metadata) -> Reply<Vec<String>> {
        self.may_change("change", path)?;
        Ok(apply(self.name_only(path)?.as_fd(), metadata))
    }

    /// Removes a file or an empty directory.
    pub fn remove(&self, path: &EntryPath) -> Reply<()> {
        self.may_change("remove", path)?;
        let parent = self.parent(path)?;
        match unlinkat(parent.folder.as_fd(), parent.name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) if is_directory(&parent) => {
                unlinkat(parent.folder.as_fd(), parent.name, AtFlags::REMOVEDIR)
            }
            result => result,
        }
        .map_err(|errno| self.refused("remove", path, errno))
    }

    fn may_change(&self, action: &str, path: &EntryPath) -> Reply<()> {
        if self.writable {
            return Ok(());
        }
        Err(Fault::denied(format!(
            "folders: the plugin wanted to {action} {} and the folder is granted for reading; \
             `access = \"read-write\"` in `folders.{}` of the source's grants allows it",
            self.shown(path),
            self.name
        )))
    }

    fn parent<'a>(&'a self, path: &'a EntryPath) -> Reply<Parent<'a>> {
        let (Some(name), Some(above)) = (path.name(), path.parent()) else {
            return Err(Fault::other("the granted folder itself cannot be changed"));
        };
        if above.is_root() {
            return Ok(Parent { folder: BorrowedOrOwned::Borrowed(self.root.as_fd()), name });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let folder = self
            .resolve(&above, flags, Mode::empty())
            .map_err(|errno| self.refused("open", &above, errno))?;
        Ok(Parent { folder: BorrowedOrOwned::Owned(folder), name })
    }

    fn resolve(&self, path: &EntryPath, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let name: &[u8] = if path.is_root() { b"." } else { path.as_bytes() };
        loop {
            match openat2(&self.root, name, flags | OFlags::CLOEXEC, mode, resolution()) {
                // The kernel could not exclude that a concurrent rename led out of the folder; it asks to try again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
    }

    fn refused(&self, action: &str, path: &EntryPath, errno: Errno) -> Fault {
        let shown = self.shown(path);
        match errno {
            Errno::LOOP => Fault::denied(format!(
                "folders: could not {action} {shown}: a symbolic link is on the way, and none is followed"
            )),
            Errno::XDEV => {
                Fault::denied(format!("folders: could not {action} {shown}: it is outside"))
            }
            _ => Fault::system(action, shown, errno),
        }
    }
}

fn resolution() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS
}

fn is_directory(parent: &Parent<'_>) -> bool {
    statat(parent.folder.as_fd(), parent.name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

fn make_at(folder: BorrowedFd<'_>, name: &[u8], metadata: &Metadata) -> Result<(), Errno> {
    let node = |kind, device| mknodat(folder, name, kind, PRIVATE_FILE, device);
    match metadata.kind {
        Kind::Directory => mkdirat(folder, name, PRIVATE_FOLDER),
        Kind::Symlink => {
            symlinkat(metadata.link_target.as_deref().unwrap_or_default(), folder, name)
        }
        Kind::Fifo => node(FileType::Fifo, 0),
        Kind::Socket => node(FileType::Socket, 0),
        Kind::CharacterDevice => node(FileType::CharacterDevice, metadata.device_number),
        Kind::BlockDevice => node(FileType::BlockDevice, metadata.device_number),
        // A regular file is made by `create`.
        Kind::Regular => Err(Errno::INVAL),
    }
}

fn described(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a fifo",
        FileType::Socket => "a socket",
        FileType::CharacterDevice => "a character device",
        FileType::BlockDevice => "a block device",
        FileType::Unknown => "of an unknown kind",
    }
}

#[cfg(test)]
mod tests;
