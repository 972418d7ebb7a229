//! Disks of every size between what the first backup needs and what the second one needs.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::random::Random;
use lockgate_tests::{Lockgate, Site, folder, tree};

use crate::bed::every;

/// What the sizes are apart, in KiB.
const STEP_KIB: usize = 64;
/// The second backup stores about this much, in KiB.
const FRESH_KIB: usize = 1024;

#[test]
fn a_disk_of_any_size_that_is_too_small_is_told_and_loses_nothing() -> Result<()> {
    let site = Site::local()?;
    let disk = site.path("disk");
    std::fs::create_dir(&disk)?;
    folder::fill(&site.path("data"), 8, 256 << 10, 43)?;
    folder::fill(&site.path("more"), 8, 256 << 10, 43)?;
    std::fs::write(site.path("more/fresh"), Random::new(44).bytes(FRESH_KIB << 10))?;
    let place = format!("fs:{}/repository", disk.display());
    let lockgate = site.lockgate.clone().with("LOCKGATE_REPOSITORY", place);
    let (mut full, mut tried) = (0, 0);
    // Empty folders take room too; from nothing on, so that `init` and the first backup run out of it as well.
    for kib in (STEP_KIB..3 * FRESH_KIB).step_by(STEP_KIB * every(12)) {
        let size = format!("size={kib}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(&disk)
            .status()?;
        if !mounted.success() {
            println!("skipped: this machine lets nobody mount");
            return Ok(());
        }
        let result =
            on_a_small_disk(&site, &lockgate).with_context(|| format!("a disk of {kib} KiB"));
        Command::new("umount").arg(&disk).status()?;
        full += u32::from(result?);
        tried += 1;
    }
    println!("disk sizes: {tried}, too small: {full}, lost: 0");
    ensure!(full > 0 && full < tried, "{full} of {tried} were too small");
    Ok(())
}

/// Whether the disk was too small for anything.
fn on_a_small_disk(site: &Site, lockgate: &Lockgate) -> Result<bool> {
    let init = lockgate.run(&["init"])?;
    if init.code != Some(0) {
        ensure!(init.code == Some(14), "{init:?}");
        return Ok(true);
    }
    let first = lockgate.run(&["backup", "--folder", &site.text("data")])?;
    if first.code != Some(0) {
        ensure!(first.code == Some(14), "{first:?}");
        lockgate.ok(&["check", "--read-data", "--no-lock"])?;
        return Ok(true);
    }
    let second = lockgate.run(&["backup", "--folder", &site.text("more")])?;
    ensure!(matches!(second.code, Some(0 | 14)), "{second:?}");
    lockgate.ok(&["check", "--read-data", "--no-lock"])?;
    let target = site.path("restored");
    if target.exists() {
        std::fs::remove_dir_all(&target)?;
    }
    let snapshots = lockgate.ok(&["snapshots"])?.stdout;
    ensure!(snapshots.lines().count() == if second.code == Some(0) { 2 } else { 1 }, "{snapshots}");
    let oldest = if second.code == Some(0) { "latest~1" } else { "latest" };
    lockgate.ok(&["restore", oldest, "--target", &site.text("restored")])?;
    tree::equal(&site.path("data"), &target.join("data"))?;
    Ok(second.code != Some(0))
}
