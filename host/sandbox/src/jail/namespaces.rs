//! Namespaces of the worker's own (`namespaces(7)`): a network without interfaces, no shared memory or queues of others.
//!
//! A worker without folders also gets users of its own, with which an ordinary user may have the rest. A worker with folders
//! must not: it would see every owner but itself as nobody, and a backup would lose them. For that worker only the superuser
//! may make the others.
//!
//! There is no process namespace: it would take a second process for each worker, and what it would hide is out of reach
//! already, because no system call that takes another process's number is allowed.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::Shape;

/// Leaves the host's namespaces.
#[expect(unsafe_code, reason = "unsharing descriptors would be unsafe; these flags do not")]
pub fn enter(shape: Shape) -> Result<(), String> {
    let (user, group) = (geteuid(), getegid());
    let mut flags = UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    if !shape.has_folders() {
        flags |= UnshareFlags::NEWUSER | UnshareFlags::NEWCGROUP;
    }
    // SAFETY: the descriptor table stays as it is.
    unsafe { unshare_unsafe(flags) }.map_err(|errno| {
        if errno == Errno::NOSPC {
            return "this machine allows no more of them (/proc/sys/user)".to_owned();
        }
        let error = io::Error::from(errno);
        if shape.has_folders() && !user.is_root() {
            return format!("only root can have them beside folders ({error})");
        }
        error.to_string()
    })?;
    if shape.has_folders() {
        return Ok(());
    }
    // One user and one group, the same as outside: `user_namespaces(7)`, and groups cannot be changed any more.
    map("setgroups", "deny")?;
    map("uid_map", &format!("{0} {0} 1", user.as_raw()))?;
    map("gid_map", &format!("{0} {0} 1", group.as_raw()))
}

fn map(file: &str, text: &str) -> Result<(), String> {
    fs::write(format!("/proc/self/{file}"), text).map_err(|error| format!("{file}: {error}"))
}
