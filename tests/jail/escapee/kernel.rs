//! The kernel: mounts, namespaces, memory that runs, and interfaces that had most of its bugs.

use std::os::fd::AsRawFd;
use std::ptr::null;

use libc::{
    CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWUTS, PROT_EXEC, PROT_READ,
    PROT_WRITE,
};

use crate::Attempt;
use crate::calls::{Tried, attempt, call};
use crate::stage::Stage;

pub const ATTEMPTS: &[Attempt] = &[
    ("have mounts of its own", |_| attempt!(SYS_unshare, CLONE_NEWNS)),
    ("have users of its own", |_| attempt!(SYS_unshare, CLONE_NEWUSER)),
    ("have a network of its own", |_| attempt!(SYS_unshare, CLONE_NEWNET)),
    ("have other namespaces", |_| attempt!(SYS_unshare, CLONE_NEWIPC | CLONE_NEWUTS)),
    ("enter a namespace", |stage| attempt!(SYS_setns, stage.namespace.as_raw_fd(), 0)),
    ("mount", |stage| {
        call!(SYS_unshare, CLONE_NEWNS)?;
        mount(stage)
    }),
    ("unmount", |stage| {
        call!(SYS_unshare, CLONE_NEWNS)?;
        mount(stage)?;
        attempt!(SYS_umount2, stage.at("").as_ptr(), libc::MNT_DETACH)
    }),
    ("swap the root", |stage| {
        call!(SYS_unshare, CLONE_NEWNS)?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        call!(SYS_mount, null::<u8>(), c"/".as_ptr(), null::<u8>(), private, null::<u8>())?;
        mount(stage)?;
        call!(SYS_chdir, stage.at("").as_ptr())?;
        attempt!(SYS_pivot_root, c".".as_ptr(), c".".as_ptr())
    }),
    ("copy a mount", |stage| {
        let flags = libc::OPEN_TREE_CLONE;
        attempt!(SYS_open_tree, libc::AT_FDCWD, stage.at("").as_ptr(), flags)
    }),
    ("make a file system", |_| attempt!(SYS_fsopen, c"tmpfs".as_ptr(), 0)),
    ("map memory that can be written and run", |_| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        attempt!(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0)
    }),
    ("make memory run", |_| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = call!(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, flags, -1, 0)?;
        attempt!(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC)
    }),
    ("handle page faults", |_| attempt!(SYS_userfaultfd, 0)),
    ("lock memory", |_| attempt!(SYS_mlockall, libc::MCL_CURRENT)),
    ("share memory", |_| {
        let memory = call!(SYS_shmget, libc::IPC_PRIVATE, 4096, 0o600)?;
        attempt!(SYS_shmctl, memory, libc::IPC_RMID, 0)
    }),
    ("make a semaphore", |_| {
        let semaphore = call!(SYS_semget, libc::IPC_PRIVATE, 1, 0o600)?;
        attempt!(SYS_semctl, semaphore, 0, libc::IPC_RMID, 0)
    }),
    ("make a message queue", |_| {
        let queue = call!(SYS_msgget, libc::IPC_PRIVATE, 0o600)?;
        attempt!(SYS_msgctl, queue, libc::IPC_RMID, 0)
    }),
    ("open a named message queue", |_| {
        let name = c"lockgate-jail".as_ptr();
        call!(SYS_mq_open, name, libc::O_CREAT | libc::O_RDWR, 0o600, 0)?;
        attempt!(SYS_mq_unlink, name)
    }),
    ("make a ring of calls (io_uring)", |_| {
        let mut parameters = [0_u64; 15];
        attempt!(SYS_io_uring_setup, 1, parameters.as_mut_ptr())
    }),
    ("make calls in the background (aio)", |_| {
        let mut context = 0_u64;
        attempt!(SYS_io_setup, 1, &raw mut context)
    }),
    ("load a map for the kernel (bpf)", |_| {
        // `BPF_MAP_CREATE`: an array with one value of four bytes.
        let mut map = [0_u32; 32];
        map[..4].copy_from_slice(&[2, 4, 4, 1]);
        attempt!(SYS_bpf, 0, map.as_ptr(), size_of_val(&map))
    }),
    ("watch the processor (perf)", |_| {
        // `PERF_TYPE_SOFTWARE`, the processor's clock, in this process.
        let mut event = [0_u32; 32];
        event[..2].copy_from_slice(&[1, 128]);
        attempt!(SYS_perf_event_open, event.as_ptr(), 0, -1, -1, 0)
    }),
    ("add a key", |_| {
        let (kind, name) = (c"user".as_ptr(), c"lockgate-jail".as_ptr());
        // Into the keys of this process, which end with it.
        attempt!(SYS_add_key, kind, name, c"x".as_ptr(), 1, -2)
    }),
    ("read the ring of keys", |_| attempt!(SYS_keyctl, 0, -4, 1)),
    ("watch files (inotify)", |stage| {
        let watch = call!(SYS_inotify_init1, 0)?;
        attempt!(SYS_inotify_add_watch, watch, stage.at("").as_ptr(), libc::IN_ALL_EVENTS)
    }),
    ("watch file systems (fanotify)", |_| attempt!(SYS_fanotify_init, 0, libc::O_RDONLY)),
    ("set the clock", |_| {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        call!(SYS_clock_gettime, libc::CLOCK_REALTIME, &raw mut now)?;
        attempt!(SYS_clock_settime, libc::CLOCK_REALTIME, &raw const now)
    }),
    ("set the host's name", |stage| {
        let name = stage.host.trim();
        attempt!(SYS_sethostname, name.as_ptr(), name.len())
    }),
    // What is set already: the keys of the keyboard may restart the machine.
    ("change how the machine restarts", |_| {
        attempt!(SYS_reboot, 0xfee1_dead_u32, 672_274_793, 0x89AB_CDEF_u32, 0)
    }),
    ("forget the next kernel (kexec)", |_| attempt!(SYS_kexec_load, 0, 0, 0, 0)),
    ("read the kernel's log", |_| attempt!(SYS_syslog, 10, 0, 0)),
    ("filter its own calls", |_| {
        let mut pass = libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 };
        let program = libc::sock_fprog { len: 1, filter: &raw mut pass };
        call!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)?;
        attempt!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    }),
    #[cfg(target_arch = "x86_64")]
    ("speak to devices by ports", |_| attempt!(SYS_ioperm, 0x80, 1, 1)),
    #[cfg(target_arch = "x86_64")]
    ("change the table of segments", |_| {
        let mut table = [0_u8; 64];
        attempt!(SYS_modify_ldt, 0, table.as_mut_ptr(), table.len())
    }),
];

fn mount(stage: &Stage) -> Tried {
    let (kind, folder) = (c"tmpfs".as_ptr(), stage.at(""));
    attempt!(SYS_mount, kind, folder.as_ptr(), kind, 0, null::<u8>())
}
