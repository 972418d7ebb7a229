//! Gives a file the owner, permissions, attributes and times that the archive kept.

use std::os::fd::BorrowedFd;

use lockgate_types::{Kind, Metadata, Timestamp};
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chmod, chownat, fchmod,
    futimens, setxattr, utimensat,
};
use rustix::io::Errno;

use crate::jail::descriptor_path;
use crate::worker::fault::plain;

/// Sets what `metadata` says on what `descriptor` names (which may be a symbolic link named with `O_PATH`). Returns a line
/// for each thing that the system refused; an unprivileged process may not change owners, for example.
///
/// The order matters: changing the owner clears set-user-id bits and capabilities, permissions may forbid setting
/// attributes, and setting anything touches the times.
pub fn apply(descriptor: BorrowedFd<'_>, metadata: &Metadata) -> Vec<String> {
    let path = descriptor_path(descriptor);
    let mut refused = Vec::new();
    let mut note = |what: &str, result: Result<(), Errno>| {
        if let Err(errno) = result {
            refused.push(format!("{what}: {}", plain(&errno.into())));
        }
    };
    note("owner", set_owner(descriptor, metadata));
    for attribute in &metadata.extended_attributes {
        let result = setxattr(&path, &attribute.name, &attribute.value, XattrFlags::empty());
        note(&format!("attribute {}", attribute.name), result);
    }
    // A descriptor that only names something (`O_PATH`) is no good for the calls that take one (`EBADF`, `open(2)`); the others
    // save the way over `/proc`, which takes longer than the change.
    let named = |direct: Result<(), Errno>, by_path: &dyn Fn() -> Result<(), Errno>| match direct {
        Err(Errno::BADF) => by_path(),
        result => result,
    };
    if metadata.kind != Kind::Symlink {
        let mode = Mode::from_raw_mode(metadata.mode & 0o7777);
        note("mode", named(fchmod(descriptor, mode), &|| chmod(&path, mode)));
    }
    let times = Timestamps {
        last_access: timespec(metadata.accessed),
        last_modification: timespec(metadata.modified),
    };
    let by_path = || utimensat(CWD, &path, &times, AtFlags::empty());
    note("times", named(futimens(descriptor, &times), &by_path));
    refused
}

fn set_owner(descriptor: BorrowedFd<'_>, metadata: &Metadata) -> Result<(), Errno> {
    // All ones means "leave as it is" to the system and can be no owner.
    if metadata.owner == u32::MAX || metadata.group == u32::MAX {
        return Err(Errno::INVAL);
    }
    // An owner that is right already needs no privilege.
    let status = rustix::fs::fstat(descriptor)?;
    if (status.st_uid, status.st_gid) == (metadata.owner, metadata.group) {
        return Ok(());
    }
    let (owner, group) = (Uid::from_raw(metadata.owner), Gid::from_raw(metadata.group));
    chownat(descriptor, c"", Some(owner), Some(group), AtFlags::EMPTY_PATH)
}

fn timespec(time: Timestamp) -> Timespec {
    Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() }
}
