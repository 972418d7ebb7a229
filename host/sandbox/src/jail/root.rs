//! The file tree. The worker's root becomes `/proc`, of which it needs the paths of its own descriptors: the kernel has no
//! other way to the extended attributes of what cannot be opened. Nothing of the host's files has a path any more.
//!
//! Landlock decides what opens, but not what can be looked at, or change mode, owner and times. This layer closes that, as
//! long as no descriptor leads out again by `..`: so folders come as mounts of their own (see `folder.rs`), and where they do
//! not, there is no point in this layer.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::Errno;
use rustix::process::{chdir, chroot};

use super::{Access, Opened, Shape};

/// Whether this process's root is `/proc`.
static IS_PROC: AtomicBool = AtomicBool::new(false);

/// Makes `/proc` the root.
pub fn enter(shape: Shape, opened: &[Opened<'_>]) -> Result<(), String> {
    for folder in opened.iter().filter(|opened| opened.access != Access::File) {
        if !is_top(folder.descriptor).map_err(|errno| errno.to_string())? {
            return Err(match shape {
                Shape::Read => {
                    "a folder is not a mount of its own, so other files can be looked at"
                }
                _ => "a folder is not a mount of its own, so attributes of other files can change",
            }
            .to_owned());
        }
    }
    chroot("/proc").and_then(|()| chdir("/")).map_err(|errno| errno.to_string())?;
    IS_PROC.store(true, Ordering::Relaxed);
    Ok(())
}

/// Whether nothing is above the folder.
fn is_top(folder: BorrowedFd<'_>) -> Result<bool, Errno> {
    let above =
        openat(folder, "..", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let place = |descriptor: BorrowedFd<'_>| {
        let wanted = StatxFlags::INO | StatxFlags::MNT_ID;
        let status = statx(descriptor, "", AtFlags::EMPTY_PATH, wanted)?;
        Ok::<_, Errno>((status.stx_ino, status.stx_mnt_id))
    };
    Ok(place(folder)? == place(above.as_fd())?)
}

/// The path under which the kernel shows a descriptor of this process; it stands for what the descriptor names, not for a
/// copy of its path.
#[must_use]
pub fn descriptor_path(descriptor: BorrowedFd<'_>) -> String {
    let proc = if IS_PROC.load(Ordering::Relaxed) { "" } else { "/proc" };
    format!("{proc}/self/fd/{}", descriptor.as_raw_fd())
}
