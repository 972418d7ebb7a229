//! Puts the file system where it was asked for, and takes it away again.
//!
//! Always read-only, without devices, set-id bits and programs: a backup is looked at. What was a device of another machine
//! must not open one of this machine, what was set-user-id there must not give anybody rights here, and an old program with
//! known holes must not run by accident; who wants to run it copies it.

use std::fs::File;
use std::io::{self, ErrorKind as IoKind};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::error::{Error, ErrorKind, Result};
use crate::limits;

const DEVICE: &str = "/dev/fuse";
/// How the system lists our mounts.
const KIND: &str = "fuse.lockgate";
const NAME: &str = "lockgate";

/// The file system is there. It is taken away when this is dropped.
pub(crate) struct Attached {
    point: PathBuf,
    /// When a program of the system's did it for a user who must not.
    helper: Option<SessionUnmounter>,
    is_there: bool,
}

/// Puts `files` at `point`.
///
/// # Errors
/// `NoMountPoint`, `MountPoint`, `Unavailable`, `System`.
pub(crate) fn attach<F: fuser::Filesystem>(
    files: F,
    point: &Path,
    allow_other: bool,
) -> Result<(Session<F>, Attached)> {
    let point = checked(point)?;
    let config = config(allow_other);
    let (session, helper) = match attach_here(&point, allow_other)? {
        Some(device) => {
            let attached = Attached { point: point.clone(), helper: None, is_there: true };
            let session = Session::from_fd(files, device, config.acl, config);
            let session = session.map_err(|error| Error::system(&point, "FUSE", &error))?;
            return Ok((session, attached));
        }
        None => {
            let mut session = Session::new(files, &point, &config).map_err(|error| {
                let text = format!("mount point {}: fusermount3: {error}", point.display());
                Error::new(ErrorKind::Unavailable, text)
                    .with_hint("run as root, or install fuse3; `--allow-other` needs user_allow_other in /etc/fuse.conf")
            })?;
            let helper = session.unmount_callable();
            (session, helper)
        }
    };
    Ok((session, Attached { point, helper: Some(helper), is_there: true }))
}

fn config(allow_other: bool) -> Config {
    let mut config = Config::default();
    config.n_threads = Some(limits::THREADS_COUNT);
    config.acl = if allow_other { SessionACL::All } else { SessionACL::Owner };
    config.mount_options = vec![
        MountOption::FSName(NAME.to_owned()),
        MountOption::Subtype(NAME.to_owned()),
        MountOption::RO,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoExec,
    ];
    if allow_other {
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    config
}

/// A folder with nothing in it, by its full path. What a killed process of ours left there is taken away first.
fn checked(point: &Path) -> Result<PathBuf> {
    let gone = |error: &io::Error| error.raw_os_error() == Some(Errno::ENOTCONN as i32);
    if std::fs::metadata(point).is_err_and(|error| gone(&error)) {
        take_dead_away(point)?;
    }
    let real = point.canonicalize().map_err(|error| match error.kind() {
        IoKind::NotFound => {
            let text = format!("mount point {}: it is not there", point.display());
            Error::new(ErrorKind::NoMountPoint, text).with_hint("make an empty folder there")
        }
        _ => Error::system(point, "open", &error),
    })?;
    let wrong = |why: &str| {
        let text = format!("mount point {}: {why}", point.display());
        Error::new(ErrorKind::MountPoint, text).with_hint("choose an empty folder")
    };
    match std::fs::read_dir(&real).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(real),
        Ok(false) => Err(wrong("it is not empty")),
        Err(error) if error.kind() == IoKind::NotADirectory => Err(wrong("it is no folder")),
        Err(error) => Err(Error::system(point, "read", &error)),
    }
}

/// Mounts without help; none when this user must not.
fn attach_here(point: &Path, allow_other: bool) -> Result<Option<OwnedFd>> {
    let device = File::options().read(true).write(true).open(DEVICE).map_err(|error| {
        let text = format!("no FUSE for us on this machine: {DEVICE}: {error}");
        Error::new(ErrorKind::Unavailable, text).with_hint(
            "load the kernel module fuse, and let this user open it; in a container, give it /dev/fuse and CAP_SYS_ADMIN",
        )
    })?;
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let descriptor = device.as_raw_fd();
    let mut data = format!(
        "fd={descriptor},rootmode=40000,user_id={},group_id={}",
        user.as_raw(),
        group.as_raw()
    );
    if allow_other {
        data.push_str(",allow_other,default_permissions");
    }
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    match mount(Some(NAME), point, Some(KIND), flags, Some(data.as_str())) {
        Ok(()) => Ok(Some(device.into())),
        Err(Errno::EPERM) => Ok(None),
        Err(errno) => Err(Error::system(point, "mount", &errno.into())),
    }
}

impl Attached {
    /// Takes the mount away. Whether programs still had something open, which they cannot read any more.
    ///
    /// # Errors
    /// `System`.
    pub(crate) fn take_away(mut self) -> Result<bool> {
        self.is_there = false;
        self.detach()
    }

    /// Somebody else took it away.
    pub(crate) fn leave(mut self) {
        self.is_there = false;
    }

    fn detach(&mut self) -> Result<bool> {
        let failed = |error: io::Error| Error::system(&self.point, "unmount", &error);
        if let Some(mut helper) = self.helper.take() {
            return helper.unmount().map(|()| false).map_err(failed);
        }
        match umount2(&self.point, MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) => return Ok(false),
            Err(Errno::EBUSY) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        // Programs that wait for an answer get an error, and the place is empty for all others.
        let flags = MntFlags::MNT_FORCE | MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
        umount2(&self.point, flags).map(|()| true).map_err(|errno| failed(errno.into()))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.is_there
            && let Err(error) = self.detach()
        {
            tracing::error!("{error}");
        }
    }
}

/// Takes away a mount of ours whose process is gone. Anything else is left alone.
fn take_dead_away(point: &Path) -> Result<()> {
    // The last part of the path cannot be resolved: that is what is dead.
    let folder = match point.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let name = point.file_name().unwrap_or_default();
    let real = folder.canonicalize().map_err(|error| Error::system(point, "open", &error))?;
    let real = real.join(name);
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if !is_ours(&mounts, &real) {
        let text =
            format!("mount point {}: a file system is there that does not answer", point.display());
        return Err(Error::new(ErrorKind::MountPoint, text).with_hint("unmount it"));
    }
    tracing::warn!(point = %point.display(), "took away the mount of a process that is gone");
    let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
    umount2(&real, flags).map_err(|errno| {
        Error::system(point, "unmount", &errno.into()).with_hint("run `fusermount3 -u` on it")
    })
}

/// Whether the uppermost mount at `point` is one of ours, by `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
fn is_ours(mounts: &str, point: &Path) -> bool {
    let of_line = |line: &str| {
        let mut words = line.split(' ');
        let at = words.nth(4)?.to_owned();
        let kind = words.skip_while(|word| *word != "-").nth(1)?.to_owned();
        Some((at, kind))
    };
    // Spaces, line ends and backslashes stand there in octal.
    let escape = |byte: u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        _ => vec![byte],
    };
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(point.as_os_str());
    let wanted: Vec<u8> = bytes.iter().copied().flat_map(escape).collect();
    let last = mounts.lines().filter_map(of_line).rfind(|(at, _)| at.as_bytes() == wanted);
    last.is_some_and(|(_, kind)| kind == KIND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_mounts_are_taken_for_ours() {
        let mounts = "\
            36 35 98:0 / /mnt/a rw,noatime shared:1 - fuse.lockgate lockgate rw\n\
            37 35 98:0 / /mnt/b\\040c rw - fuse.lockgate lockgate rw\n\
            38 35 98:0 / /mnt/d rw - fuse.lockgate lockgate rw\n\
            39 35 98:0 / /mnt/d rw - fuse.sshfs host rw\n";
        let is_ours = |point: &str| is_ours(mounts, Path::new(point));
        assert!(is_ours("/mnt/a") && is_ours("/mnt/b c"));
        assert!(!is_ours("/mnt/d") && !is_ours("/mnt") && !is_ours("/mnt/e"));
    }

    #[test]
    fn only_an_empty_folder_is_a_mount_point() {
        let kind = |path: &str| checked(Path::new(path)).unwrap_err().kind();
        assert_eq!(kind("/nowhere/at/all"), ErrorKind::NoMountPoint);
        assert_eq!(kind("/proc/self/status"), ErrorKind::MountPoint);
        assert_eq!(kind("/proc"), ErrorKind::MountPoint);
    }
}
