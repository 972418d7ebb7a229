//! Landlock (<https://docs.kernel.org/userspace-api/landlock.html>): which files open, no TCP, no signals, no abstract sockets.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreatedAttr, Scope,
};

use super::{Access, Opened};

/// The oldest version that is enough: before it, opening a file that may only be read could still empty it.
pub const ABI_REQUIRED: i32 = 3;

/// The newest version whose rights are known here; an older kernel denies as much of them as it knows.
const KNOWN: ABI = ABI::V9;

/// The version that the running kernel has; 0 when it has none.
#[must_use]
#[expect(unsafe_code, reason = "the library does not tell")]
pub fn kernel_abi() -> i32 {
    /// `LANDLOCK_CREATE_RULESET_VERSION`.
    const VERSION: libc::c_int = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel reads nothing and answers with a number.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0, VERSION) };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// Denies everything but `opened`.
pub fn restrict(opened: &[Opened<'_>]) -> Result<(), String> {
    let fault = |error: landlock::RulesetError| error.to_string();
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(KNOWN)))
        .and_then(|rules| rules.scope(Scope::from_all(KNOWN)))
        .and_then(Ruleset::create)
        .map_err(fault)?;
    for opened in opened {
        rules = rules
            .add_rule(PathBeneath::new(opened.descriptor, rights(opened.access)))
            .map_err(fault)?;
    }
    rules.restrict_self().map_err(fault)?;
    match kernel_abi() {
        0 => Err("the kernel has no Landlock, or it is not enabled at boot".to_owned()),
        version if version < ABI_REQUIRED => Err(format!(
            "the kernel has version {version}, and {ABI_REQUIRED} is needed (Linux 6.2)"
        )),
        _ => Ok(()),
    }
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    match access {
        Access::File => AccessFs::ReadFile.into(),
        Access::Folder => AccessFs::ReadFile | AccessFs::ReadDir,
        // Never to start a program, to speak to a device's driver or to a socket that somebody else made.
        Access::WritableFolder => {
            AccessFs::ReadFile
                | AccessFs::ReadDir
                | AccessFs::WriteFile
                | AccessFs::Truncate
                | AccessFs::Refer
                | AccessFs::RemoveFile
                | AccessFs::RemoveDir
                | AccessFs::MakeReg
                | AccessFs::MakeDir
                | AccessFs::MakeSym
                | AccessFs::MakeFifo
                | AccessFs::MakeSock
                | AccessFs::MakeChar
                | AccessFs::MakeBlock
        }
    }
}
