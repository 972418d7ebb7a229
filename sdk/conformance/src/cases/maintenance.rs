//! Out of service, and back.

use anyhow::{Context as _, Result, ensure};

use crate::datastore::{Attempt, Content, Role};
use crate::report::Verdict;
use crate::trial::{ORIGINAL, RESTORED, Trial};

/// What plugins with a maintenance mode list among their features.
const MODE: &str = "maintenance";

pub(super) fn maintenance(trial: &mut Trial<'_>) -> Result<Verdict> {
    if !trial.features.iter().any(|feature| feature == MODE) {
        return Ok(Verdict::Skipped("the plugin has no maintenance mode".to_owned()));
    }
    trial.source.fill(Content::Usual)?;
    expect_done(trial, "before anything")?;
    let before = trial.source.contents()?;
    for time in ["at first", "the second time"] {
        trial.succeed(&["maintenance", ORIGINAL, "enter"])?;
        expect_held_off(trial).with_context(|| format!("entered {time}"))?;
    }
    let listed = trial.succeed(&["maintenance"])?.outcome.stdout;
    ensure!(listed.starts_with(ORIGINAL), "it is not listed as out of service: {listed:?}");
    trial.backup().context("in maintenance")?;
    expect_held_off(trial).context("after a backup")?;
    for time in ["at first", "the second time"] {
        trial.succeed(&["maintenance", ORIGINAL, "leave"])?;
        ensure!(trial.source.contents()? == before, "left {time}: it is not as it was");
    }
    expect_done(trial, "after it was left")?;
    // One that was never entered.
    trial.succeed(&["maintenance", RESTORED, "leave"])?;
    trial.restore(&[])?;
    trial.expect_no_leftovers(Role::Source)?;
    Ok(Verdict::Passed)
}

fn expect_done(trial: &mut Trial<'_>, when: &str) -> Result<()> {
    match trial.source.attempt()? {
        Attempt::Done => Ok(()),
        Attempt::HeldOff(said) => anyhow::bail!("a client could not write {when}: {said}"),
    }
}

fn expect_held_off(trial: &mut Trial<'_>) -> Result<()> {
    let attempt = trial.source.attempt()?;
    ensure!(matches!(attempt, Attempt::HeldOff(_)), "a client was not held off");
    Ok(())
}
