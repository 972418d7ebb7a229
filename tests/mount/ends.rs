//! How a mount ends, or does not begin.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::Command;

use anyhow::{Result, ensure};
use lockgate_tests::Site;
use rustix::io::Errno;
use rustix::process::Signal;

use crate::bed::{Mounted, backed_up, can_mount, is_mounted, names};

fn site() -> Result<Site> {
    backed_up(|data| Ok(fs::write(data.join("plain"), vec![7; 5 << 20])?))
}

#[test]
fn a_signal_takes_it_away_whoever_has_files_open() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = site()?;
    for signal in [Signal::TERM, Signal::INT] {
        let mut mounted = Mounted::new(&site, &[])?;
        let mut open = File::open(mounted.latest().join("plain"))?;
        mounted.signal(signal)?;
        let summary = mounted.ended()?;
        ensure!(summary["was_busy"] == true, "{summary}");
        let mut all = Vec::new();
        ensure!(open.read_to_end(&mut all).is_err(), "{} bytes were read", all.len());
    }
    ensure!(names(&site.path("repository/locks"))?.is_empty(), "a lock is left");
    Ok(())
}

#[test]
fn whoever_unmounts_it_ends_the_command() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = site()?;
    let mut mounted = Mounted::new(&site, &[])?;
    ensure!(Command::new("umount").arg(&mounted.point).status()?.success());
    let summary = mounted.ended()?;
    ensure!(summary["was_busy"] == false, "{summary}");
    ensure!(names(&site.path("repository/locks"))?.is_empty(), "a lock is left");
    Ok(())
}

#[test]
fn the_next_mount_clears_up_after_one_that_was_killed() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = site()?;
    let mut killed = Mounted::new(&site, &[])?;
    killed.kill()?;
    let gone = fs::metadata(&killed.point).map_err(|error| error.raw_os_error());
    ensure!(gone.err() == Some(Some(Errno::NOTCONN.raw_os_error())));
    let next = Mounted::new(&site, &[])?;
    ensure!(fs::read(next.latest().join("plain"))?.len() == 5 << 20);
    next.end()?;
    ensure!(!is_mounted(&killed.point)?);
    // The lock of the killed process counted for nothing.
    ensure!(names(&site.path("repository/locks"))?.is_empty(), "a lock is left");
    Ok(())
}

#[test]
fn a_mount_begins_in_an_empty_folder_only() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = site()?;
    let missing = site.lockgate.run(&["mount", &site.text("missing")])?;
    ensure!(missing.code == Some(16) && missing.stderr.contains("empty folder"), "{missing:?}");
    for taken in ["data", "data/plain"] {
        let refused = site.lockgate.run(&["mount", &site.text(taken)])?;
        ensure!(refused.code == Some(20) && refused.stderr.contains("mount point"), "{refused:?}");
    }
    ensure!(names(&site.path("repository/locks"))?.is_empty(), "a lock is left");
    Ok(())
}

#[test]
fn a_repository_that_cannot_be_written_to_is_mounted_without_a_lock() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = site()?;
    let mounted = Mounted::new(&site, &["--no-lock"])?;
    ensure!(names(&site.path("repository/locks"))?.is_empty(), "there is a lock");
    mounted.end()?;
    let mounted = Mounted::new(&site, &[])?;
    ensure!(names(&site.path("repository/locks"))?.len() == 1, "there is no lock");
    mounted.end()?;
    Ok(())
}
