//! What becomes of this process's memory: it is given back, and never left behind.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Arenas of the allocator: each keeps what its threads once used, and by default there are eight for each core.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: i32 = 2;
/// Blocks from this size on, in bytes, are mapped one by one and go back to the system when they are freed. The allocator
/// would raise the limit to 32 MiB by itself and then keep the holes between large blocks.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES_MIN: i32 = 512 << 10;
/// Bytes that an arena may keep at its end. With the default of 128 KiB a download's buffers, smaller than what is mapped and
/// larger than this, came from the system and went back to it for every piece: a quarter of the kernel's share.
#[cfg(target_env = "gnu")]
const KEPT_BYTES_MAX: i32 = 8 << 20;

/// Sets the allocator up, for the host and the worker alike. With its defaults a run with a million entries needs a third
/// more memory. Allocators other than glibc's are left as they are.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "a setting of the C library; no thread was started yet")]
    // SAFETY: `mallopt` takes two numbers, and nothing else runs at the same time.
    unsafe {
        // It answers 0 when it does not know the setting: then the default stays.
        libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES_MAX);
    }
}

/// Lets no crash write keys and secrets into a core file, and no other process of the user look into this one. What cannot
/// be set is not worth a backup that does not happen.
pub fn keep_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).ok();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
}
