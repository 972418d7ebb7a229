//! Other processes: making, watching, changing and ending them; and its own rights.

use crate::Attempt;
use crate::calls::{Tried, attempt, call};
use crate::stage::Stage;

pub const ATTEMPTS: &[Attempt] = &[
    ("fork", |_| alone(unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) })),
    ("fork by clone3", |_| {
        let mut arguments = [0_u64; 11];
        arguments[4] = libc::SIGCHLD as u64;
        let length = size_of_val(&arguments);
        alone(unsafe { libc::syscall(libc::SYS_clone3, arguments.as_mut_ptr(), length) })
    }),
    ("start a program", |_| execute(libc::AT_FDCWD, c"/bin/sh", 0)),
    ("start a program from memory", |_| {
        let program = call!(SYS_memfd_create, c"program".as_ptr(), 0)?;
        let text = c"#!/bin/sh\nexit 42\n";
        call!(SYS_write, program, text.as_ptr(), text.count_bytes())?;
        execute(program as i32, c"", libc::AT_EMPTY_PATH)
    }),
    ("signal its parent", |stage| attempt!(SYS_kill, stage.parent, 0)),
    ("signal everybody", |_| attempt!(SYS_kill, -1, 0)),
    ("end another process", |stage| attempt!(SYS_kill, stage.child, libc::SIGKILL)),
    ("end a thread of another process", |stage| {
        attempt!(SYS_tgkill, stage.child, stage.child, libc::SIGKILL)
    }),
    ("queue a signal", |stage| {
        let mut information = [0_i32; 32];
        information[2] = -1;
        attempt!(SYS_rt_sigqueueinfo, stage.child, libc::SIGUSR1, information.as_mut_ptr())
    }),
    ("hold another process", |stage| attempt!(SYS_pidfd_open, stage.child, 0)),
    ("end a process that it holds", |stage| {
        let process = call!(SYS_pidfd_open, stage.child, 0)?;
        attempt!(SYS_pidfd_send_signal, process, libc::SIGKILL, 0, 0)
    }),
    ("take a descriptor of another process", |stage| {
        let process = call!(SYS_pidfd_open, stage.parent, 0)?;
        attempt!(SYS_pidfd_getfd, process, 0, 0)
    }),
    ("trace another process", |stage| attempt!(SYS_ptrace, libc::PTRACE_SEIZE, stage.child, 0, 0)),
    ("be traced by its parent", |_| attempt!(SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0)),
    ("read memory of another process", |stage| memory(stage, libc::SYS_process_vm_readv)),
    ("write memory of another process", |stage| memory(stage, libc::SYS_process_vm_writev)),
    ("compare with another process", |stage| {
        // Whether both have the same files open; `KCMP_FILES`.
        attempt!(SYS_kcmp, libc::getpid(), stage.child, 2, 0, 0)
    }),
    ("slow another process down", |stage| {
        attempt!(SYS_setpriority, libc::PRIO_PROCESS, stage.child, 5)
    }),
    ("bind another process to a processor", |stage| {
        let processors = 1_u64;
        attempt!(SYS_sched_setaffinity, stage.child, 8, &raw const processors)
    }),
    ("limit another process", |stage| {
        let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
        attempt!(SYS_prlimit64, stage.child, libc::RLIMIT_NOFILE, &raw const limit, 0)
    }),
    ("look at the limits of another process", |stage| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        attempt!(SYS_prlimit64, stage.child, libc::RLIMIT_NOFILE, 0, &raw mut limit)
    }),
    ("allow core files again", |_| {
        let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
        attempt!(SYS_prlimit64, 0, libc::RLIMIT_CORE, &raw const limit, 0)
    }),
    ("raise the limit of descriptors", |_| {
        let limit = libc::rlimit { rlim_cur: 300_000, rlim_max: 300_000 };
        attempt!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, &raw const limit, 0)
    }),
    ("be dumpable", |_| attempt!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0)),
    ("ask to be ended with its parent", |stage| {
        attempt!(SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGTERM, stage.child, 0, 0)
    }),
    ("become another user", |_| attempt!(SYS_setresuid, 65_534, 65_534, 65_534)),
    ("become another group", |_| attempt!(SYS_setresgid, 65_534, 65_534, 65_534)),
    ("change its groups", |_| attempt!(SYS_setgroups, 0, 0)),
    ("set its capabilities", |_| {
        // Version 3 and this process, with no rights at all: that it can be set counts.
        let (header, data) = ([0x2008_0522_u32, 0], [0_u32; 6]);
        attempt!(SYS_capset, header.as_ptr(), data.as_ptr())
    }),
    ("turn off random addresses", |_| attempt!(SYS_personality, libc::ADDR_NO_RANDOMIZE)),
    ("leave its process group", |_| attempt!(SYS_setpgid, 0, 0)),
];

/// The child of an attempt that worked has nothing to do.
fn alone(result: i64) -> Tried {
    match crate::calls::answer(result)? {
        0 => unsafe { libc::_exit(0) },
        _ => Ok(()),
    }
}

/// Becomes a shell that reports the success itself.
fn execute(folder: i32, path: &std::ffi::CStr, flags: i32) -> Tried {
    let arguments =
        [c"sh".as_ptr(), c"-c".as_ptr(), c"exit 42".as_ptr(), std::ptr::null::<libc::c_char>()];
    let environment = [std::ptr::null::<libc::c_char>()];
    attempt!(SYS_execveat, folder, path.as_ptr(), arguments.as_ptr(), environment.as_ptr(), flags)
}

/// The child has the same addresses, because it was forked.
fn memory(stage: &Stage, call: libc::c_long) -> Tried {
    let mut byte = 0_u64;
    let there = libc::iovec { iov_base: (&raw const stage.port).cast_mut().cast(), iov_len: 2 };
    let here = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 2 };
    let moved =
        unsafe { libc::syscall(call, stage.child, &raw const here, 1, &raw const there, 1, 0) };
    crate::calls::done(moved)
}
