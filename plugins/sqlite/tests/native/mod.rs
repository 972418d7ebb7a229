//! The plugin's side of the seam without the sandbox: files and locks of this process.

#![allow(dead_code, reason = "each test uses some of it")]

use std::fs::{self, File as StdFile};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_plugin::{Error, Kind, Metadata, Result, Timestamp};
use lockgate_plugin_sqlite::host::{Bytes, File, Folder};

/// A folder of this machine.
pub struct Native(pub PathBuf);

/// A file of it.
pub struct NativeFile(Arc<StdFile>);

/// A lock of the open file.
pub struct NativeLock(Arc<StdFile>, Bytes);

impl Folder for Native {
    type File = NativeFile;

    fn name(&self) -> &str {
        "data"
    }

    fn open(&self, path: &[u8]) -> Result<Option<NativeFile>> {
        Ok(unless_missing(StdFile::open(self.at(path)))?.map(|file| NativeFile(Arc::new(file))))
    }

    fn status(&self, path: &[u8]) -> Result<Option<Metadata>> {
        Ok(unless_missing(fs::symlink_metadata(self.at(path)))?.as_ref().map(metadata))
    }
}

impl Native {
    fn at(&self, path: &[u8]) -> PathBuf {
        self.0.join(Path::new(std::ffi::OsStr::from_bytes(path)))
    }
}

impl File for NativeFile {
    type Lock = NativeLock;

    fn metadata(&self) -> Result<Metadata> {
        Ok(metadata(&self.0.metadata()?))
    }

    fn read_at(&self, offset: u64, max: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; max.min(1 << 20) as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.0.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn lock(&self, bytes: Bytes, wait: u32) -> Result<Option<NativeLock>> {
        let end = Instant::now() + Duration::from_millis(wait.into());
        loop {
            match control(&self.0, libc::F_OFD_SETLK, libc::F_RDLCK, bytes) {
                Ok(_) => return Ok(Some(NativeLock(self.0.clone(), bytes))),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
                Err(_) if Instant::now() >= end => return Ok(None),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn is_free(&self, bytes: Bytes) -> Result<bool> {
        Ok(control(&self.0, libc::F_OFD_GETLK, libc::F_WRLCK, bytes)? == libc::F_UNLCK)
    }
}

impl Drop for NativeLock {
    fn drop(&mut self) {
        let _ = control(&self.0, libc::F_OFD_SETLK, libc::F_UNLCK, self.1);
    }
}

#[expect(unsafe_code, reason = "no safe library has locks of open files")]
fn control(file: &StdFile, command: i32, kind: i32, bytes: Bytes) -> io::Result<i32> {
    let mut request = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: bytes.offset as i64,
        l_len: bytes.length as i64,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open and the structure lives until the call has returned.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut request) } {
        0 => Ok(request.l_type.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn unless_missing<T>(answer: io::Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::from(error)),
    }
}

fn metadata(status: &fs::Metadata) -> Metadata {
    let time = |seconds, nanoseconds: i64| Timestamp { seconds, nanoseconds: nanoseconds as u32 };
    Metadata {
        kind: if status.is_dir() { Kind::Directory } else { Kind::Regular },
        mode: status.mode() & 0o7777,
        owner: status.uid(),
        group: status.gid(),
        owner_name: String::new(),
        group_name: String::new(),
        size: status.size(),
        modified: time(status.mtime(), status.mtime_nsec()),
        accessed: time(status.atime(), status.atime_nsec()),
        changed: time(status.ctime(), status.ctime_nsec()),
        inode: status.ino(),
        device: status.dev(),
        links: status.nlink(),
        device_number: status.rdev(),
        link_target: None,
        extended_attributes: Vec::new(),
    }
}
