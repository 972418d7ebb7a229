//! What a restore does, and what it leaves alone.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::contents::difference;
use crate::datastore::{Content, Role};
use crate::report::Verdict;
use crate::trial::{RESTORED, Trial, expect_told, number};

/// "The target is not empty, or exists already."
const CONFLICT: i32 = 20;
/// How long a program changes the source, so that it differs from the target.
const WRITING_TIME: Duration = Duration::from_millis(300);

pub(super) fn fingerprint(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Usual)?;
    trial.backup()?;
    let summary = trial.restore(&[])?.outcome.summary()?;
    let equal = number(&summary, "fingerprints_equal")?;
    let compared = number(&summary, "fingerprints_compared")?;
    trial.figure("fingerprints", equal as f64);
    ensure!(equal > 0, "no fingerprint was compared");
    ensure!(equal == compared, "{equal} of {compared} fingerprints are equal");
    trial.expect_equal()?;
    Ok(Verdict::Passed)
}

pub(super) fn restore_twice(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Usual)?;
    trial.backup()?;
    trial.restore(&[])?;
    trial.expect_equal()?;
    trial.restore(&["--overwrite"])?;
    trial.expect_equal().context("after the second restore")?;
    trial.expect_no_leftovers(Role::Target)?;
    Ok(Verdict::Passed)
}

pub(super) fn restore_non_empty(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Usual)?;
    let writer = trial.source.write()?;
    sleep(WRITING_TIME);
    writer.stop()?;
    trial.backup()?;
    trial.target.fill(Content::Usual)?;
    let before = trial.target.contents()?;
    let refused = trial.try_restore(&[])?;
    expect_told(&refused.outcome, &[CONFLICT], RESTORED)?;
    let changed = difference(&before, &trial.target.contents()?);
    ensure!(
        changed.is_none(),
        "the refused restore changed the target: {}",
        changed.unwrap_or_default()
    );
    trial.expect_no_leftovers(Role::Target)?;
    trial.restore(&["--overwrite"])?;
    trial.expect_equal()?;
    Ok(Verdict::Passed)
}

pub(super) fn rename(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Usual)?;
    trial.backup()?;
    let renaming = trial.source.renaming();
    ensure!(
        !renaming.names.is_empty() && !renaming.objects.is_empty(),
        "the driver renames nothing"
    );
    let names: Vec<String> =
        renaming.names.iter().map(|(old, new)| format!("{old}={new}")).collect();
    let mut options = Vec::new();
    options.extend(renaming.parts.iter().flat_map(|part| ["--part", part.as_str()]));
    options.extend(names.iter().flat_map(|name| ["--rename", name.as_str()]));
    trial.restore(&options)?;
    let (source, target) = (trial.source.contents()?, trial.target.contents()?);
    for (old, new) in &renaming.objects {
        let was = source.get(old).with_context(|| format!("the source has no {old}"))?;
        let is = target.get(new).with_context(|| format!("the restored has no {new}"))?;
        ensure!(was == is, "{new} is {is:?} and was {was:?}");
        ensure!(old == new || !target.contains_key(old), "{old} came back under its old name");
    }
    Ok(Verdict::Passed)
}

pub(super) fn selective_restore(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Usual)?;
    trial.backup()?;
    let selection = trial.source.selection();
    ensure!(!selection.parts.is_empty(), "the driver selects no part");
    let all = parts(trial)?;
    ensure!(selection.parts.len() < all.len(), "the driver selects all {} parts", all.len());
    let options: Vec<&str> =
        selection.parts.iter().flat_map(|part| ["--part", part.as_str()]).collect();
    let before = trial.target.contents()?;
    trial.restore(&options)?;
    let mut wanted = trial.source.contents()?;
    for name in &selection.objects {
        ensure!(wanted.contains_key(name), "the source has no {name}");
    }
    wanted.retain(|name, _| selection.objects.contains(name));
    let mut found = trial.target.contents()?;
    found.retain(|name, value| before.get(name) != Some(value) || wanted.contains_key(name));
    let difference = difference(&wanted, &found);
    ensure!(difference.is_none(), "{}", difference.unwrap_or_default());
    Ok(Verdict::Passed)
}

pub(super) fn dry_run(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Usual)?;
    trial.backup()?;
    let before = trial.target.contents()?;
    let plan = trial.restore(&["--dry-run"])?.outcome.stdout;
    let planned: Vec<String> = plan
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.get("message_type").and_then(Value::as_str) == Some("step"))
        .filter_map(|step| step.get("part").and_then(Value::as_str).map(str::to_owned))
        .collect();
    for part in parts(trial)? {
        ensure!(planned.contains(&part), "the plan does not name the part {part}");
    }
    trial.figure("steps", planned.len() as f64);
    let changed = difference(&before, &trial.target.contents()?);
    ensure!(changed.is_none(), "the dry run changed the target: {}", changed.unwrap_or_default());
    trial.expect_no_leftovers(Role::Target)?;
    // A plan is no restore: there is still nothing in the way of one.
    trial.restore(&[])?;
    trial.expect_equal()?;
    Ok(Verdict::Passed)
}

/// Ids of the parts of the newest snapshot.
fn parts(trial: &Trial<'_>) -> Result<Vec<String>> {
    let shown = trial.succeed(&["--json", "show", "latest"])?.outcome.summary()?;
    let parts = shown.pointer("/manifests/0/parts").and_then(Value::as_array);
    let parts = parts.context("the snapshot names no parts")?;
    let id = |part: &Value| part.get("id").and_then(Value::as_str).map(str::to_owned);
    Ok(parts.iter().filter_map(id).collect())
}
