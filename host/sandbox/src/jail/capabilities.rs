//! The superuser's rights (`capabilities(7)`). A worker keeps those that files of other users need, and only with folders.

use std::io;

use rustix::fs::{StatVfsMountFlags, fstatvfs};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use super::{Opened, Shape};

/// To read files of all users without a trace in their access times, and attributes that only the superuser sees
/// (`trusted.*`, `xattr(7)`).
const READ: CapabilitySet =
    CapabilitySet::DAC_READ_SEARCH.union(CapabilitySet::FOWNER).union(CapabilitySet::SYS_ADMIN);

/// To give files back with owner, mode and file capabilities. Without `SYS_ADMIN`: attributes named `trusted.*` are not
/// restored, and the report of the restore says so.
const WRITE: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::SETFCAP);

/// Drops the rest.
pub fn drop(shape: Shape, opened: &[Opened<'_>]) -> io::Result<()> {
    let wanted = match shape {
        Shape::Compile | Shape::Apart => CapabilitySet::empty(),
        Shape::Read => READ,
        // A device node is harmless only where it cannot be opened.
        Shape::Write if are_without_devices(opened) => WRITE | CapabilitySet::MKNOD,
        Shape::Write => WRITE,
    };
    let kept = capabilities(None)?.permitted & wanted;
    let none = CapabilitySet::empty();
    Ok(set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: none },
    )?)
}

fn are_without_devices(opened: &[Opened<'_>]) -> bool {
    opened.iter().all(|opened| {
        fstatvfs(opened.descriptor)
            .is_ok_and(|status| status.f_flag.contains(StatVfsMountFlags::NODEV))
    })
}
