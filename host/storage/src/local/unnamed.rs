use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Mutex, PoisonError};

use cap_std::fs::{Dir, MetadataExt as _};
use opendal::Buffer;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::folder::Folder;
use super::new_file;

/// A file that nobody sees until it gets its name (`O_TMPFILE` of open(2)). It is gone without a trace when its writer is.
#[derive(Debug)]
pub(crate) struct UnnamedFile {
    file: File,
    bytes: u64,
    /// Whether it could not be synced. The system tells that once and then forgets what it lost; so the file is not
    /// trusted again.
    is_lost: Mutex<bool>,
}

impl UnnamedFile {
    /// An empty file on the medium of the folder `path`. None where there are no such files, NFS among them, or no way
    /// to name them.
    pub(crate) fn create(folder: &Folder, path: &str) -> io::Result<Option<Self>> {
        let parent = match folder.open()?.open_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            parent => parent?,
        };
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&parent, c".", flags, Mode::RUSR) {
            Ok(file) => File::from(file),
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::ISDIR | Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let is_nameable = std::fs::exists(way_to(&file))?;
        Ok(is_nameable.then_some(Self { file, bytes: 0, is_lost: Mutex::new(false) }))
    }

    /// Hands the next bytes to the system.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Makes the file durable and gives it the name `path` when that is free. May be called again after an error, whatever
    /// the call before has done.
    pub(crate) fn give_name(&self, folder: &Folder, path: &str) -> io::Result<()> {
        self.sync()?;
        let (parent, name) = folder.parent_made(path)?;
        match rustix::fs::linkat(CWD, way_to(&self.file), &parent, name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.is_at(&parent, name)? => {}
            // The folders of a repository may lie on several media.
            Err(Errno::XDEV) => return new_file::write(folder, path, &self.content()?),
            Err(error) => return Err(error.into()),
        }
        folder.sync_parent(path, &parent).inspect_err(|_| {
            // It may be gone after a crash, so it must not look as if it were there.
            let _ = parent.remove_file(name);
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut is_lost = self.is_lost.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_lost {
            return Err(io::Error::other("it could not be made durable before"));
        }
        self.file.sync_all().inspect_err(|_| *is_lost = true)
    }

    /// Whether it has the name `path`, durably.
    pub(crate) fn has_name(&self, folder: &Folder, path: &str) -> io::Result<bool> {
        let (parent, name) = folder.parent(path)?;
        let is_there = self.is_at(&parent, name)?;
        if is_there {
            folder.sync_parent(path, &parent)?;
        }
        Ok(is_there)
    }

    fn is_at(&self, parent: &Dir, name: &str) -> io::Result<bool> {
        let (ours, there) = (self.file.metadata()?, parent.symlink_metadata(name)?);
        Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }

    fn content(&self) -> io::Result<Buffer> {
        let length = usize::try_from(self.bytes)
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(Buffer::from(bytes))
    }
}

/// The name that the system has for an open file; linkat(2) names it as the one that needs no privilege.
fn way_to(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once_and_a_taken_one_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().to_owned());
        folder.create("data").unwrap();
        let new = |content: &[u8]| {
            let mut file = UnnamedFile::create(&folder, "data").unwrap().unwrap();
            file.append(content).unwrap();
            file
        };
        let (ours, other) = (new(b"ours"), new(b"other"));
        assert_eq!(std::fs::read_dir(place.path().join("data")).unwrap().count(), 0);
        // The second call is one after an answer that was lost.
        for _ in 0..2 {
            ours.give_name(&folder, "data/ab/name").unwrap();
        }
        let error = other.give_name(&folder, "data/ab/name").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(place.path().join("data/ab/name")).unwrap(), b"ours");
    }

    #[test]
    fn a_file_that_could_not_be_synced_is_never_named() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().to_owned());
        folder.create("data").unwrap();
        let mut file = UnnamedFile::create(&folder, "data").unwrap().unwrap();
        // A pipe has nothing that could be synced.
        let (_reads, pipe) = std::io::pipe().unwrap();
        let good = std::mem::replace(&mut file.file, File::from(std::os::fd::OwnedFd::from(pipe)));
        file.give_name(&folder, "data/name").unwrap_err();
        // The next attempt would succeed.
        file.file = good;
        file.file.sync_all().unwrap();
        let error = file.give_name(&folder, "data/name").unwrap_err();
        assert!(error.to_string().contains("durable"), "{error}");
        assert_eq!(std::fs::read_dir(place.path().join("data")).unwrap().count(), 0);
    }
}
