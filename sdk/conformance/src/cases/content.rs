//! What a datastore may hold.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::datastore::{Content, Role};
use crate::report::Verdict;
use crate::trial::{ORIGINAL, Trial, number};

/// Most memory of host and worker together for a content of any size, in bytes: the 64 MiB that the configuration gives to
/// data on its way, what compiled code and buffers of all stages need, and what a plugin may ask for.
pub(crate) const MEMORY_BYTES_MAX: u64 = 192 << 20;
/// Backups of `concurrent-writes`; each is another chance to catch two moments in one backup.
const ROUNDS: usize = 2;
/// How long the program writes before each of them.
const WRITING_TIME: Duration = Duration::from_millis(300);
/// A second backup of unchanged data may store this part of the first one's bytes.
const UNCHANGED_SHARE_MAX: f64 = 0.01;

/// Fills the source, backs it up, restores it, compares both.
fn round_trip(trial: &mut Trial<'_>, content: Content) -> Result<()> {
    trial.source.fill(content)?;
    let saved = trial.backup()?;
    let restored = trial.restore(&[])?;
    let summary = saved.outcome.summary()?;
    trial.figure("archived-bytes", number(&summary, "bytes")? as f64);
    trial.figure("stored-bytes", number(&summary, "bytes_stored")? as f64);
    trial.figure("backup-seconds", saved.duration.as_secs_f64());
    trial.figure("restore-seconds", restored.duration.as_secs_f64());
    let peak = saved.peak_memory.max(restored.peak_memory);
    trial.figure("peak-memory-bytes", peak as f64);
    ensure!(peak <= MEMORY_BYTES_MAX, "it took {} MiB of memory", peak >> 20);
    trial.expect_equal()
}

pub(super) fn empty(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.backup()?;
    trial.restore(&[])?;
    trial.expect_equal()?;
    Ok(Verdict::Passed)
}

pub(super) fn huge_value(trial: &mut Trial<'_>) -> Result<Verdict> {
    round_trip(trial, Content::Huge { bytes: trial.scale.huge })?;
    Ok(Verdict::Passed)
}

pub(super) fn many_values(trial: &mut Trial<'_>) -> Result<Verdict> {
    let count = trial.scale.many;
    trial.figure("values", count as f64);
    round_trip(trial, Content::Many { count })?;
    let second = trial.backup()?.outcome.summary()?;
    trial.figure("stored-second-bytes", number(&second, "bytes_stored")? as f64);
    Ok(Verdict::Passed)
}

pub(super) fn odd_names(trial: &mut Trial<'_>) -> Result<Verdict> {
    round_trip(trial, Content::Odd)?;
    ensure!(!trial.source.contents()?.is_empty(), "there was no odd content to save");
    let listed = trial.succeed(&["ls", "latest"])?.outcome.stdout;
    let drives = |character: &char| character.is_control() && *character != '\n';
    let found = listed.chars().find(drives);
    ensure!(found.is_none(), "the listing holds the control character {found:?}");
    Ok(Verdict::Passed)
}

pub(super) fn concurrent_writes(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Usual)?;
    let mut changes = 0;
    for round in 0..ROUNDS {
        let writer = trial.source.write()?;
        sleep(WRITING_TIME);
        let saved = trial.backup();
        let made = writer.stop()?;
        ensure!(made > 0, "the program that writes changed nothing");
        saved?;
        changes += made;
        if round > 0 {
            trial.target.clear()?;
        }
        trial.restore(&[])?;
        trial.target.check_invariant()?;
    }
    trial.expect_no_leftovers(Role::Source)?;
    trial.figure("changes", changes as f64);
    Ok(Verdict::Passed)
}

pub(super) fn unchanged(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Bulk { bytes: trial.scale.unchanged })?;
    let first = number(&trial.backup()?.outcome.summary()?, "bytes_stored")? as f64;
    let second = number(&trial.backup()?.outcome.summary()?, "bytes_stored")? as f64;
    trial.figure("first-bytes", first);
    trial.figure("second-bytes", second);
    trial.figure("second-percent", 100.0 * second / first);
    let least = trial.scale.unchanged as f64 / 2.0;
    ensure!(first > least, "the first backup of {ORIGINAL} stored only {first} bytes");
    let share = second / first;
    ensure!(
        share < UNCHANGED_SHARE_MAX,
        "the second backup stored {:.2} % of the first",
        share * 100.0
    );
    Ok(Verdict::Passed)
}
