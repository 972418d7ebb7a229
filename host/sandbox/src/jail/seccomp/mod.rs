//! System calls (`seccomp(2)`). The list in `allowed.rs` is what a worker makes in daily life; everything else ends the process
//! at once, because a worker that makes another call is not the program that we wrote. Few calls that libraries make in
//! passing and can do without get an error instead (`refused.rs`).

mod allowed;
mod refused;

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};

use super::Shape;

pub use allowed::SYS_LISTXATTRAT;

/// System calls with the conditions under which a rule holds for them: any of the rules, and all of a rule's conditions. None
/// means always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Allows what a worker of this shape does, loading its code included, and locks where they are granted.
pub fn restrict(shape: Shape, may_lock: bool) -> Result<(), String> {
    let (allowed, refused) = (allowed::rules(shape, may_lock)?, refused::always()?);
    // A call that gets an error must also be on the list: of several filters the harshest answer counts.
    install(refused, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))?;
    install(allowed, SeccompAction::KillProcess, SeccompAction::Allow)
}

/// Takes back what only loading needs.
pub fn seal(shape: Shape) -> Result<(), String> {
    if !shape.has_folders() {
        let refused = refused::without_folders();
        install(refused, SeccompAction::Allow, SeccompAction::Errno(libc::EACCES as u32))?;
    }
    install(refused::after_loading()?, SeccompAction::Allow, SeccompAction::KillProcess)
}

fn install(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<(), String> {
    let target = TargetArch::try_from(ARCH).map_err(|error| error.to_string())?;
    let filter = SeccompFilter::new(rules, otherwise, matched, target);
    let program: BpfProgram =
        filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())?;
    apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

/// A rule of conditions that must all hold.
fn all(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, String> {
    SeccompRule::new(conditions).map_err(|error| error.to_string())
}

/// The argument (counted from 0) is `value`, as the 32 bits that the kernel looks at.
fn is(argument: u8, value: u64) -> Result<SeccompCondition, String> {
    compare(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// The argument is a null pointer.
fn is_null(argument: u8) -> Result<SeccompCondition, String> {
    compare(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
}

/// Of the bits in `mask`, the argument has those of `value` and no other.
fn has_of(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, String> {
    compare(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)
}

fn compare(
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, String> {
    SeccompCondition::new(argument, length, operator, value).map_err(|error| error.to_string())
}
