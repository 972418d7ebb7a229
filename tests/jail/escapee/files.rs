//! Files: content, names, attributes, other roots.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use libc::{AT_FDCWD, O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};

use crate::Attempt;
use crate::calls::{Tried, attempt, call};
use crate::stage::{Stage, path};

pub const ATTEMPTS: &[Attempt] = &[
    ("read /etc/passwd", |_| read("/etc/passwd")),
    ("read /etc/shadow", |_| read("/etc/shadow")),
    ("read a file of the user", |stage| read(&format!("{}/victim", stage.scratch))),
    ("write a file of the user", |stage| open(&stage.victim, O_WRONLY)),
    ("empty a file while opening", |stage| open(&stage.victim, O_RDONLY | O_TRUNC)),
    ("empty a file by its path", |stage| attempt!(SYS_truncate, stage.victim.as_ptr(), 0)),
    ("create a file", |stage| open(&stage.at("new"), O_WRONLY | O_CREAT)),
    ("create a file in /dev/shm", |stage| {
        let name = path(&format!("/dev/shm/lockgate-jail-{}", stage.child));
        open(&name, O_WRONLY | O_CREAT)?;
        attempt!(SYS_unlinkat, AT_FDCWD, name.as_ptr(), 0)
    }),
    ("create a file in /tmp", |stage| {
        let name = path(&format!("/tmp/lockgate-jail-{}", stage.child));
        open(&name, O_WRONLY | O_CREAT)?;
        attempt!(SYS_unlinkat, AT_FDCWD, name.as_ptr(), 0)
    }),
    ("list a folder", |stage| {
        let folder = call!(SYS_openat, AT_FDCWD, stage.at("").as_ptr(), O_RDONLY | O_DIRECTORY)?;
        let mut buffer = [0_u8; 4096];
        attempt!(SYS_getdents64, folder, buffer.as_mut_ptr(), buffer.len())
    }),
    ("remove a file", |stage| attempt!(SYS_unlinkat, AT_FDCWD, stage.victim.as_ptr(), 0)),
    ("rename a file", |stage| {
        let to = stage.at("renamed");
        attempt!(SYS_renameat2, AT_FDCWD, stage.victim.as_ptr(), AT_FDCWD, to.as_ptr(), 0)
    }),
    ("link a file", |stage| {
        let to = stage.at("linked");
        attempt!(SYS_linkat, AT_FDCWD, stage.victim.as_ptr(), AT_FDCWD, to.as_ptr(), 0)
    }),
    ("make a symbolic link", |stage| {
        attempt!(SYS_symlinkat, c"/etc".as_ptr(), AT_FDCWD, stage.at("symlink").as_ptr())
    }),
    ("make a folder", |stage| attempt!(SYS_mkdirat, AT_FDCWD, stage.at("folder").as_ptr(), 0o700)),
    ("make a fifo", |stage| {
        attempt!(SYS_mknodat, AT_FDCWD, stage.at("fifo").as_ptr(), libc::S_IFIFO | 0o600, 0)
    }),
    ("make the device of the memory", |stage| {
        let device = libc::makedev(1, 1);
        attempt!(SYS_mknodat, AT_FDCWD, stage.at("device").as_ptr(), libc::S_IFCHR | 0o600, device)
    }),
    ("use a device made in the granted folder", |stage| {
        let folder = stage.granted.as_raw_fd();
        let device = libc::makedev(1, 5);
        call!(SYS_mknodat, folder, c"zero".as_ptr(), libc::S_IFCHR | 0o600, device)?;
        attempt!(SYS_openat, folder, c"zero".as_ptr(), O_RDONLY)
    }),
    ("change a file's mode", |stage| {
        attempt!(SYS_fchmodat, AT_FDCWD, stage.victim.as_ptr(), 0o777)
    }),
    ("change a file's mode by `..`", |stage| {
        let folder = stage.granted.as_raw_fd();
        attempt!(SYS_fchmodat, folder, c"../victim".as_ptr(), 0o777)
    }),
    ("change a file's owner", |stage| {
        attempt!(SYS_fchownat, AT_FDCWD, stage.victim.as_ptr(), libc::getuid(), libc::getgid(), 0)
    }),
    ("change a file's times", |stage| {
        let times = std::ptr::null::<libc::timespec>();
        attempt!(SYS_utimensat, AT_FDCWD, stage.victim.as_ptr(), times, 0)
    }),
    ("set an attribute of a file", |stage| {
        let (path, name) = (stage.victim.as_ptr(), c"user.mark".as_ptr());
        attempt!(SYS_setxattr, path, name, c"x".as_ptr(), 1, 0)
    }),
    ("change the mode of its own program", |_| {
        // What it is already; that it can be set is what counts.
        with_any_root("/proc/self/exe", |program| {
            attempt!(SYS_fchmodat, AT_FDCWD, program.as_ptr(), 0o755)
        })
    }),
    ("look at a file", |stage| {
        let mut status = [0_u8; 512];
        attempt!(SYS_newfstatat, AT_FDCWD, stage.victim.as_ptr(), status.as_mut_ptr(), 0)
    }),
    ("leave the granted folder by `..`", |stage| {
        let folder = stage.granted.as_raw_fd();
        attempt!(SYS_openat, folder, c"../victim".as_ptr(), O_RDONLY)
    }),
    ("leave the granted folder by a handle", by_handle),
    ("read by a descriptor that only names", |stage| {
        let folder = call!(SYS_openat, AT_FDCWD, stage.at("").as_ptr(), O_PATH)?;
        attempt!(SYS_openat, folder, c"victim".as_ptr(), O_RDONLY)
    }),
    ("change the folder", |stage| attempt!(SYS_chdir, stage.at("").as_ptr())),
    ("change the root", |stage| attempt!(SYS_chroot, stage.at("").as_ptr())),
    ("read memory of its parent", |stage| open_any(&stage.of_parent("mem"), O_RDONLY)),
    ("read the environment of its parent", |stage| read(&stage.of_parent("environ"))),
    ("reach the files of its parent", |stage| read(&stage.of_parent("root/etc/passwd"))),
    ("write its own memory as a file", |_| open_any("/proc/self/mem", O_RDWR)),
    ("read its own map of memory", |_| read("/proc/self/maps")),
    ("offer its parent when memory runs out", |stage| {
        open_any(&stage.of_parent("oom_score_adj"), O_WRONLY)
    }),
    ("have core files hold more", |_| open_any("/proc/self/coredump_filter", O_WRONLY)),
    ("read /sys", |_| read("/sys/kernel/mm/transparent_hugepage/enabled")),
    ("open a kernel setting for writing", |_| open_any("/proc/sys/kernel/hostname", O_WRONLY)),
    ("open /dev/null", |_| open(&path("/dev/null"), O_WRONLY)),
    ("open /dev/kmsg", |_| open(&path("/dev/kmsg"), O_RDONLY | libc::O_NONBLOCK)),
    ("lock a file", |_| lock(libc::F_OFD_SETLK)),
    ("lock a file as a process", |_| lock(libc::F_SETLK)),
    ("wait for a lock", |_| lock(libc::F_OFD_SETLKW)),
    ("be told of a file's locks", |_| lock(libc::F_OFD_GETLK)),
    ("use an inherited descriptor", |_| {
        let mut byte = 0_u8;
        attempt!(SYS_pread64, 200, &raw mut byte, 1, 0)
    }),
];

/// Of a file without a name, which opens in every kind of worker.
fn lock(command: i32) -> Tried {
    let file = call!(SYS_memfd_create, c"locked".as_ptr(), 0)?;
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    request.l_type = libc::F_WRLCK as i16;
    attempt!(SYS_fcntl, file, command, &raw mut request)
}

fn open(path: &CStr, flags: i32) -> Tried {
    attempt!(SYS_openat, AT_FDCWD, path.as_ptr(), flags, 0o600)
}

fn open_any(file: &str, flags: i32) -> Tried {
    with_any_root(file, |file| open(file, flags))
}

fn read(file: &str) -> Tried {
    with_any_root(file, |file| {
        let file = call!(SYS_openat, AT_FDCWD, file.as_ptr(), O_RDONLY)?;
        let mut byte = 0_u8;
        attempt!(SYS_read, file, &raw mut byte, 1)
    })
}

/// A jail's root may be `/proc`, and then what is in it has a shorter path.
fn with_any_root(file: &str, act: impl Fn(&CStr) -> Tried) -> Tried {
    act(&path(file)).or_else(|errno| match file.strip_prefix("/proc") {
        Some(shorter) => act(&path(shorter)),
        None => Err(errno),
    })
}

/// `open_by_handle_at(2)` passes over all folders on the way.
fn by_handle(stage: &Stage) -> Tried {
    // Length and type, then the handle itself.
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mount = 0_i32;
    let above = c"..".as_ptr();
    let folder = stage.granted.as_raw_fd();
    call!(SYS_name_to_handle_at, folder, above, handle.as_mut_ptr(), &raw mut mount, 0)?;
    attempt!(SYS_open_by_handle_at, folder, handle.as_ptr(), O_RDONLY)
}
