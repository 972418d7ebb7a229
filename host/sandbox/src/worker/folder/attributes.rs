//! Names of the extended attributes of something in a folder.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use crate::jail::SYS_LISTXATTRAT;

/// Whether the kernel, or a filter, said that it does not have the call.
static IS_MISSING: AtomicBool = AtomicBool::new(false);

/// Lists what `name` in `folder` has, itself and not what it points to, as names that each end with a zero. A way through `/proc`
/// takes as long as all the rest of looking at a name.
///
/// # Errors
/// `NOSYS` where the kernel is older, or somebody forbids what is new.
pub fn list(folder: BorrowedFd<'_>, name: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    if IS_MISSING.load(Ordering::Relaxed) {
        return Err(Errno::NOSYS);
    }
    match call(folder, name, buffer) {
        // The filter of a container may refuse by `PERM` what it does not know.
        Err(Errno::NOSYS | Errno::PERM) => {
            IS_MISSING.store(true, Ordering::Relaxed);
            Err(Errno::NOSYS)
        }
        result => result,
    }
}

#[expect(unsafe_code, reason = "the system call has no safe wrapper")]
fn call(folder: BorrowedFd<'_>, name: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: name and buffer are as long as said and live until the call has returned.
    let listed = unsafe {
        libc::syscall(
            SYS_LISTXATTRAT,
            folder.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    };
    usize::try_from(listed)
        .map_err(|_| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
