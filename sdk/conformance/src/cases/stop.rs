//! Runs that end in the middle.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::datastore::{Content, Role};
use crate::middle::Middle;
use crate::report::Verdict;
use crate::trial::{ORIGINAL, RESTORED, Trial, expect_told, told};

/// "Storage or a server cannot be reached."
const UNREACHABLE: i32 = 13;
/// "Stopped by the operator."
const INTERRUPTED: i32 = 130;
/// Time to stop when the operator wants to.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);

pub(super) fn cancel(trial: &mut Trial<'_>) -> Result<Verdict> {
    let all = trial.scale.medium;
    trial.source.fill(Content::Bulk { bytes: all })?;
    let mut slowest = Duration::ZERO;
    for bytes in [1, all / 10, all / 2, all / 4 * 3] {
        let middle = Middle::of_backup(trial, bytes, all)?;
        let taken = interrupt(middle).with_context(|| format!("stopped at byte {bytes}"))?;
        slowest = slowest.max(taken);
        trial.expect_no_leftovers(Role::Source)?;
    }
    trial.undisturbed(Role::Source)?;
    trial.expect_snapshots(0)?;
    trial.expect_sound_repository()?;
    trial.backup()?;
    let middle = Middle::of_restore(trial, all / 2, all)?;
    slowest = slowest.max(interrupt(middle).context("a restore, stopped in the middle")?);
    trial.expect_no_leftovers(Role::Target)?;
    trial.undisturbed(Role::Target)?;
    trial.restore(&["--overwrite"])?;
    trial.expect_equal()?;
    trial.figure("slowest-stop-seconds", slowest.as_secs_f64());
    Ok(Verdict::Passed)
}

/// Presses Ctrl-C; how long it took to end.
fn interrupt(middle: Middle) -> Result<Duration> {
    let start = Instant::now();
    middle.running().signal(Signal::INT)?;
    let (running, proxy) = middle.release();
    let outcome = running.wait(STOP_TIME_MAX * 4)?.outcome;
    drop(proxy);
    let taken = start.elapsed();
    ensure!(
        outcome.code == Some(INTERRUPTED),
        "expected exit code {INTERRUPTED}, but: {}",
        told(&outcome)
    );
    ensure!(taken < STOP_TIME_MAX, "it took {taken:?} to stop");
    Ok(taken)
}

pub(super) fn server_killed(trial: &mut Trial<'_>) -> Result<Verdict> {
    let all = trial.scale.medium;
    trial.source.fill(Content::Bulk { bytes: all })?;
    let middle = Middle::of_backup(trial, all / 3, all)?;
    trial.source.kill()?;
    let (running, proxy) = middle.release();
    let ended = running.wait(trial.scale.deadline)?;
    drop(proxy);
    trial.figure("told-after-seconds", ended.duration.as_secs_f64());
    expect_told(&ended.outcome, &[UNREACHABLE], ORIGINAL)?;
    trial.undisturbed(Role::Source)?;
    trial.expect_snapshots(0)?;
    trial.expect_sound_repository()?;
    trial.source.restart()?;
    trial.undisturbed(Role::Source)?;
    trial.backup()?;
    trial.restore(&[])?;
    trial.expect_equal()?;
    trial.expect_no_leftovers(Role::Source)?;
    Ok(Verdict::Passed)
}

pub(super) fn server_killed_in_restore(trial: &mut Trial<'_>) -> Result<Verdict> {
    let all = trial.scale.medium;
    trial.source.fill(Content::Bulk { bytes: all })?;
    trial.backup()?;
    let middle = Middle::of_restore(trial, all / 3, all)?;
    trial.target.kill()?;
    let (running, proxy) = middle.release();
    let ended = running.wait(trial.scale.deadline)?;
    drop(proxy);
    expect_told(&ended.outcome, &[UNREACHABLE], RESTORED)?;
    trial.target.restart()?;
    trial.undisturbed(Role::Target)?;
    trial.restore(&["--overwrite"])?;
    trial.expect_equal()?;
    trial.expect_no_leftovers(Role::Target)?;
    Ok(Verdict::Passed)
}
