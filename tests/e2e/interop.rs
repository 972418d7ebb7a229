//! The same repository in the hands of restic.

use anyhow::{Result, ensure};
use lockgate_tests::{Site, folder, tree};

#[test]
fn a_snapshot_that_restic_wrote_is_restored() -> Result<()> {
    let site = Site::local()?;
    let data = site.path("data");
    folder::fill(&data.join("many"), 120, 4 << 20, 5)?;
    folder::oddities(&data)?;
    site.restic(&["init"])?;
    let data_text = site.text("data");
    site.restic(&["backup", &data_text])?;

    let listed = site.lockgate.ok(&["snapshots"])?;
    ensure!(listed.stdout.contains(&data_text), "{listed:?}");
    let target = site.text("restored");
    site.lockgate.ok(&["restore", "latest", "--target", &target])?;
    let below = data_text.trim_start_matches('/');
    tree::equal(&data, &site.path("restored").join(below))?;
    site.lockgate.ok(&["check", "--read-data"])?;
    Ok(())
}

#[test]
fn both_write_into_one_repository_in_turn() -> Result<()> {
    let site = Site::local()?;
    let data = site.path("data");
    folder::fill(&data, 60, 3 << 20, 6)?;
    let data_text = site.text("data");
    site.lockgate.ok(&["init"])?;
    site.lockgate.ok(&["backup", "--folder", &data_text])?;
    site.restic(&["backup", &data_text])?;
    site.lockgate.ok(&["backup", "--folder", &data_text])?;
    site.restic(&["forget", "--keep-last", "1", "--prune"])?;
    site.lockgate.ok(&["check", "--read-data"])?;
    site.lockgate.ok(&["forget", "--keep-last", "1"])?;
    site.lockgate.ok(&["prune"])?;
    site.restic_check()?;
    let target = site.text("restored");
    site.lockgate.ok(&["restore", "latest", "--target", &target])?;
    tree::equal(&data, &site.path("restored/data"))?;
    Ok(())
}
