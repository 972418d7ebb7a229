//! What the host does before it hands something over: a folder becomes a mount of its own that has no path, nothing above it,
//! and no devices, and that is read-only where it is granted for reading; the program of the worker becomes read-only too.
//! The kernel keeps this whatever the worker does with it (`open_tree(2)`, `mount_setattr(2)`, Linux 5.12). It takes root;
//! for others the folder stays what it is.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

/// `mount_setattr(2)`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    users: u64,
}

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
/// Nothing in a folder gets rights from its bits, speaks to a driver, or is started.
const INERT: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// Opens `path` as a mount of its own, with everything that is mounted below it.
///
/// # Errors
/// When the system cannot, or this process may not.
pub fn separate(path: &Path, writable: bool) -> io::Result<OwnedFd> {
    let all = libc::AT_RECURSIVE;
    let mount = detach(path, all)?;
    set_attributes(&mount, if writable { INERT } else { INERT | READ_ONLY }, all)?;
    // A descriptor that only names cannot be listed.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(&mount, ".", flags, Mode::empty())?)
}

/// Opens the file `path` so that whoever runs it cannot change it or its attributes through what it runs.
///
/// # Errors
/// When the system cannot, or this process may not.
pub fn read_only_program(path: &Path) -> io::Result<OwnedFd> {
    let mount = detach(path, 0)?;
    set_attributes(&mount, READ_ONLY, 0)?;
    Ok(mount)
}

#[expect(unsafe_code, reason = "the system call has no safe wrapper")]
fn detach(path: &Path, flags: libc::c_int) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | u32::try_from(flags).unwrap_or_default();
    // SAFETY: the path lives until the call has returned.
    let mount =
        unsafe { libc::syscall(libc::SYS_open_tree, CWD.as_raw_fd(), path.as_ptr(), flags) };
    match i32::try_from(mount) {
        // SAFETY: the kernel has just made it for us.
        Ok(mount) if mount >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(mount) }),
        _ => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "the system call has no safe wrapper")]
fn set_attributes(mount: &OwnedFd, set: u64, flags: libc::c_int) -> io::Result<()> {
    let attributes = MountAttributes { set, clear: 0, propagation: 0, users: 0 };
    // SAFETY: the structure is as long as said and lives until the call has returned.
    let changed = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | flags,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    if changed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
