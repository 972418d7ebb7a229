//! Descriptors that come from a worker. A worker may send anything: a directory, a pipe that never ends, a socket, a file
//! that is not open for what is asked.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};

/// What the host is about to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Read,
    Write,
}

/// Takes a descriptor when it is a regular file that is open for `purpose`; otherwise says what is wrong with it.
pub fn regular_file(descriptor: OwnedFd, purpose: Use) -> Result<File, &'static str> {
    let status = fstat(&descriptor).map_err(|_| "a descriptor has no status")?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err("a descriptor is not a regular file");
    }
    let flags = fcntl_getfl(&descriptor).map_err(|_| "a descriptor has no flags")?;
    if flags.contains(OFlags::PATH) {
        return Err("a descriptor is only a path");
    }
    let access = flags & OFlags::RWMODE;
    match purpose {
        Use::Read if access == OFlags::WRONLY => Err("a descriptor is not open for reading"),
        Use::Write if access == OFlags::RDONLY => Err("a descriptor is not open for writing"),
        // `pwrite` on such a file writes at its end (`pwrite(2)`, bugs).
        Use::Write if flags.contains(OFlags::APPEND) => Err("a descriptor only appends"),
        _ => Ok(File::from(descriptor)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use rustix::fs::{CWD, Mode, mkfifoat, open};

    use super::*;

    #[test]
    fn only_regular_files_pass_and_only_for_what_they_are_open_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let opened = |flags: OFlags| open(&path, flags, Mode::from_raw_mode(0o600)).unwrap();
        let write = opened(OFlags::CREATE | OFlags::WRONLY);
        assert!(regular_file(write.try_clone().unwrap(), Use::Write).is_ok());
        assert!(regular_file(write, Use::Read).is_err());
        assert!(regular_file(opened(OFlags::RDONLY), Use::Read).is_ok());
        assert!(regular_file(opened(OFlags::RDONLY), Use::Write).is_err());
        assert!(regular_file(opened(OFlags::RDWR), Use::Write).is_ok());
        assert!(regular_file(opened(OFlags::RDWR | OFlags::APPEND), Use::Write).is_err());
        assert!(regular_file(opened(OFlags::PATH), Use::Read).is_err());
        let directory = open(folder.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        assert!(regular_file(directory, Use::Read).is_err());
        let fifo = folder.path().join("fifo");
        mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
        let fifo = open(&fifo, OFlags::RDWR, Mode::empty()).unwrap();
        assert!(regular_file(fifo, Use::Read).is_err());
        assert!(regular_file(UnixStream::pair().unwrap().0.into(), Use::Read).is_err());
        let device = open("/dev/zero", OFlags::RDONLY, Mode::empty()).unwrap();
        assert!(regular_file(device, Use::Read).is_err());
    }
}
