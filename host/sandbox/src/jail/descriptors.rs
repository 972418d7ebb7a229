//! Descriptors that the worker was not meant to get.

use std::io;

/// The first after standard input (the control socket), output and error.
const FIRST: u32 = 3;

/// Closes everything that was inherited. A descriptor that some library or the caller's shell opened without close-on-exec
/// would otherwise be open in every worker.
#[expect(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: called first thing in the process, when nothing here owns a descriptor beyond the three standard ones.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, 0) };
    if closed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
