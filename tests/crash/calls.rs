//! Every system call by which a backup changes a disk is once the last one, and once fails.

use anyhow::{Result, ensure};
use lockgate_tests::Outcome;

use crate::bed::{Bed, Trouble, can_inject, every};

/// A thread makes fewer calls of one kind than this; the last number that is reached is found out.
const NUMBERS_MAX: u32 = 400;

/// The exit codes that may tell of it (`docs/exit-codes.md`), and 0: some calls may fail and nothing is lost, as those that
/// remove a lock. None that blames the password, the repository or the operator.
const TOLD: [i32; 13] = [0, 1, 2, 3, 10, 13, 14, 18, 19, 20, 21, 22, 23];

#[test]
fn a_backup_that_is_killed_at_any_system_call_loses_nothing() -> Result<()> {
    if !can_inject() {
        return Ok(());
    }
    let mut bed = Bed::new()?;
    let (mut kills, step) = (0, every(30));
    let calls =
        ["pwrite64", "linkat", "renameat2", "fsync", "writev", "write", "unlinkat", "openat"];
    for call in calls {
        let mut number = 1;
        while number < NUMBERS_MAX {
            let outcome = bed.backup(Trouble::Kill, call, number)?;
            if outcome.code == Some(0) {
                break;
            }
            // strace ends as its program does: by the signal.
            ensure!(outcome.code.is_none(), "{call} {number}: {outcome:?}");
            bed.judge(&format!("killed at {call} {number}"))?;
            kills += 1;
            // The first calls are those of the loader; the step keeps to the few numbers of rare calls.
            number += if call == "openat" || call == "write" {
                step as u32
            } else {
                (step as u32).min(3)
            };
        }
        println!("up to {call}: {kills} kill points, lost: 0");
    }
    println!("kill points: {kills}, lost: 0");
    ensure!(kills >= 6, "only {kills} calls were reached");
    Ok(())
}

#[test]
fn a_backup_whose_system_calls_fail_says_so_and_loses_nothing() -> Result<()> {
    if !can_inject() {
        return Ok(());
    }
    let mut bed = Bed::new()?;
    let (mut case, mut tried, mut failed, mut wrong) = (0, 0, 0, Vec::new());
    // A plain `write` goes to no disk here: it wakes threads, speaks with the plugin's worker, and prints.
    for (call, numbers, errors) in [
        ("pwrite64", 4, &["ENOSPC", "EDQUOT", "EIO"][..]),
        ("linkat", 2, &["EROFS", "EIO", "ENOSPC", "EDQUOT"]),
        ("writev", 6, &["ENOSPC", "EDQUOT", "EIO"]),
        ("fsync", 8, &["EIO", "ENOSPC", "EDQUOT"]),
        ("renameat2", 6, &["EROFS", "EIO", "ENOSPC", "EDQUOT"]),
        ("unlinkat", 2, &["EROFS", "EIO"]),
        ("openat", 24, &["EMFILE", "EROFS", "ENOSPC", "EIO"]),
    ] {
        for (error, number) in
            errors.iter().flat_map(|error| (1..=numbers).map(move |it| (error, it)))
        {
            case += 1;
            if case % every(16) != 0 {
                continue;
            }
            let what = format!("{error} of {call} {number}");
            let outcome = bed.backup(Trouble::Fails(error), call, number)?;
            wrong.extend(told(&outcome, &what).err());
            wrong.extend(bed.judge(&what).err());
            tried += 1;
            failed += u32::from(outcome.code != Some(0));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    println!("error sites: {tried}, runs that failed for it: {failed}, lost: 0");
    Ok(())
}

/// One line that says what happened, or success; no panic and no signal.
fn told(outcome: &Outcome, what: &str) -> Result<()> {
    ensure!(!outcome.stderr.contains("panicked"), "{what}: {outcome:?}");
    // The system's loader could not open a library: there was no lockgate yet.
    if outcome.code == Some(127) && outcome.stderr.contains("shared libraries") {
        return Ok(());
    }
    ensure!(outcome.code.is_some_and(|code| TOLD.contains(&code)), "{what}: {outcome:?}");
    let is_told = outcome.code == Some(0) || outcome.error_line().len() > 20;
    ensure!(is_told, "{what}: nothing was said: {outcome:?}");
    Ok(())
}
