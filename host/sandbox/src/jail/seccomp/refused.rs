//! Calls that get an error instead of the end of the process: libraries make them in passing and go on without.

use libc::c_long;

use super::{Rules, all, has_of};

/// Answered by "no such call". `clone3` hides its flags in memory, where no filter can look; the C library then uses `clone`.
/// The others ask whether a file is there.
#[cfg(target_arch = "x86_64")]
pub const CALLS: [c_long; 6] = [
    libc::SYS_access,
    libc::SYS_clone3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_readlink,
];
#[cfg(not(target_arch = "x86_64"))]
pub const CALLS: [c_long; 4] =
    [libc::SYS_clone3, libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_getcwd];

/// What opens or looks at paths.
const PATHS: [c_long; 1] = [libc::SYS_openat];
#[cfg(target_arch = "x86_64")]
const OLDER_PATHS: [c_long; 2] = [libc::SYS_open, libc::SYS_stat];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_PATHS: [c_long; 0] = [];

/// From the beginning.
pub fn always() -> Result<Rules, String> {
    Ok(CALLS.into_iter().map(|call| (call, Vec::new())).collect())
}

/// Once the code is loaded, where no folder is granted.
pub fn without_folders() -> Rules {
    PATHS.iter().chain(&OLDER_PATHS).map(|call| (*call, Vec::new())).collect()
}

/// Ends the process once the code is loaded: making memory executable, so that only code that the host authenticated runs, and
/// any more filters.
pub fn after_loading() -> Result<Rules, String> {
    let execute = u64::from(libc::PROT_EXEC.cast_unsigned());
    let mut rules = Rules::new();
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![all(vec![has_of(2, execute, execute)?])?]);
    }
    rules.insert(libc::SYS_seccomp, Vec::new());
    Ok(rules)
}
