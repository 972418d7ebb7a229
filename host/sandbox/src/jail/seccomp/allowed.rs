//! What a worker may ask of the kernel, grouped by why it asks. `docs/plugin-security.md` has the same groups in words.

use libc::c_long;

use super::{Rules, all, has_of, is, is_null};
use crate::jail::Shape;

/// Memory of the process itself. Executable memory ends with [`super::refused::after_loading`].
const MEMORY: [c_long; 6] = [
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
];

/// Threads of the process itself, their signals, and its end.
const THREADS: [c_long; 13] = [
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_membarrier,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
];

/// Clocks, random numbers, and what the process knows of itself.
const KNOWLEDGE: [c_long; 15] = [
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_nanosleep,
    libc::SYS_sysinfo,
];

/// Bytes of descriptors that it has: lanes, connections, files.
const BYTES: [c_long; 12] = [
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_statx,
    libc::SYS_write,
];

/// Waiting for several descriptors; the runtime of an empty WASI makes its own to wait on.
const WAITING: [c_long; 5] = [
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
];

/// Opening. Landlock says what opens, and without folders nothing does after loading.
const OPENING: [c_long; 1] = [libc::SYS_openat];

/// `listxattrat(2)`, since Linux 6.13; the number is that of all architectures (`include/uapi/asm-generic/unistd.h`), and libc
/// does not have it yet.
pub const SYS_LISTXATTRAT: c_long = 465;

/// Of granted folders: names, attributes, content.
const FOLDERS: [c_long; 12] = [
    libc::SYS_fadvise64,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_getdents64,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_openat2,
    libc::SYS_readlinkat,
    libc::SYS_fstatfs,
    SYS_LISTXATTRAT,
];

/// Of granted folders that may be changed.
const CHANGES: [c_long; 20] = [
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fdatasync,
    libc::SYS_fsetxattr,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_linkat,
    libc::SYS_lsetxattr,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_setxattr,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_writev,
];

/// Writing the compiled code.
const CODE: [c_long; 3] = [libc::SYS_ftruncate, libc::SYS_pwrite64, libc::SYS_writev];

/// Older forms of the calls above, which only this architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER: [c_long; 4] = [libc::SYS_epoll_wait, libc::SYS_open, libc::SYS_poll, libc::SYS_stat];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: [c_long; 0] = [];

/// The calls of a worker of this shape, with what their arguments must be.
pub fn rules(shape: Shape, may_lock: bool) -> Result<Rules, String> {
    let mut calls =
        [&MEMORY[..], &THREADS, &KNOWLEDGE, &BYTES, &WAITING, &OPENING, &OLDER].concat();
    calls.extend(super::refused::CALLS);
    match shape {
        Shape::Compile => calls.extend(CODE),
        Shape::Apart => {}
        Shape::Read => calls.extend(FOLDERS),
        Shape::Write => calls.extend(FOLDERS.iter().chain(&CHANGES)),
    }
    let mut rules: Rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    threads(&mut rules)?;
    sockets(&mut rules)?;
    settings(&mut rules, may_lock)?;
    Ok(rules)
}

/// A new thread, never a new process, and no namespaces with it; signals only to the process itself.
fn threads(rules: &mut Rules) -> Result<(), String> {
    let wanted = libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
    let unwanted = libc::CLONE_VFORK
        | libc::CLONE_PARENT
        | libc::CLONE_PTRACE
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    let bits = |flags: libc::c_int| u64::from(flags.cast_unsigned());
    rules.insert(
        libc::SYS_clone,
        vec![all(vec![has_of(0, bits(wanted | unwanted), bits(wanted))?])?],
    );
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![all(vec![is(0, own)?])?]);
    Ok(())
}

/// Sending over what is connected. An address, or the flag that connects while sending, would lead elsewhere.
fn sockets(rules: &mut Rules) -> Result<(), String> {
    let fast_open = u64::from(libc::MSG_FASTOPEN.cast_unsigned());
    let option = |name: libc::c_int| {
        all(vec![
            is(1, libc::SOL_SOCKET.cast_unsigned().into())?,
            is(2, name.cast_unsigned().into())?,
        ])
    };
    rules.insert(libc::SYS_sendmsg, vec![all(vec![has_of(2, fast_open, 0)?])?]);
    rules.insert(libc::SYS_sendto, vec![all(vec![has_of(3, fast_open, 0)?, is_null(4)?])?]);
    rules.insert(libc::SYS_setsockopt, vec![option(libc::SO_SNDBUF)?, option(libc::SO_RCVBUF)?]);
    rules.insert(
        libc::SYS_getsockopt,
        vec![all(vec![is(1, libc::SOL_SOCKET.cast_unsigned().into())?])?],
    );
    let local = u64::from(libc::AF_UNIX.cast_unsigned());
    rules.insert(libc::SYS_socketpair, vec![all(vec![is(0, local)?])?]);
    Ok(())
}

/// Of calls that do many things, the few that are harmless.
fn settings(rules: &mut Rules, may_lock: bool) -> Result<(), String> {
    let one_of = |argument: u8, values: &[u64]| {
        values.iter().map(|value| all(vec![is(argument, *value)?])).collect::<Result<Vec<_>, _>>()
    };
    let number = |value: libc::c_int| u64::from(value.cast_unsigned());
    let descriptor = [
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_ADD_SEALS,
    ];
    // Of an open file and never waiting: no lock outlives its file, and none stops the worker.
    let locks = if may_lock { &[libc::F_OFD_GETLK, libc::F_OFD_SETLK][..] } else { &[] };
    let descriptor: Vec<u64> = descriptor.iter().chain(locks).copied().map(number).collect();
    rules.insert(libc::SYS_fcntl, one_of(1, &descriptor)?);
    rules.insert(libc::SYS_ioctl, one_of(1, &[libc::FIONBIO])?);
    // Names of threads and of memory, size of pages, and a promise that holds already.
    let process = [
        libc::PR_SET_NAME,
        libc::PR_GET_NAME,
        libc::PR_SET_VMA,
        libc::PR_GET_THP_DISABLE,
        libc::PR_SET_THP_DISABLE,
        libc::PR_SET_NO_NEW_PRIVS,
    ]
    .map(number);
    rules.insert(libc::SYS_prctl, one_of(0, &process)?);
    // Looking at its own limits, not changing them.
    rules.insert(libc::SYS_prlimit64, vec![all(vec![is(0, 0)?, is_null(2)?])?]);
    // Memory without a name, from which nothing can be started.
    rules.insert(libc::SYS_memfd_create, Vec::new());
    // One more filter can only forbid more.
    rules.insert(
        libc::SYS_seccomp,
        vec![all(vec![is(0, u64::from(libc::SECCOMP_SET_MODE_FILTER))?])?],
    );
    Ok(())
}
