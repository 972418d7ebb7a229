//! Killed at random moments and at each system call, on disks that fail or are full: whatever was committed before stays,
//! and the repository is clean.

mod bed;
mod calls;
mod disks;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::random::Random;
use lockgate_tests::{Site, folder, tree};
use rustix::process::{Pid, Signal, kill_process};

/// Kills of each kind; a run of all of them with checks takes a few minutes.
const KILLS: u64 = 25;

/// The worker processes of a running host.
fn workers(host: u32) -> Result<Vec<u32>> {
    let children = std::fs::read_to_string(format!("/proc/{host}/task/{host}/children"))?;
    Ok(children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

fn kill(pid: u32) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a process id")?;
    // It may have ended by itself just now.
    kill_process(pid, Signal::KILL).ok();
    Ok(())
}

/// One killed run of `arguments`, at a random moment of the time that it takes when nobody disturbs it.
fn kill_once(
    site: &Site,
    arguments: &[&str],
    usual: Duration,
    random: &mut Random,
    worker: bool,
) -> Result<()> {
    let mut running = site.lockgate.start(arguments)?;
    let moment = usual.mul_f64(f64::from(u32::try_from(random.below(1000))?) / 1000.0);
    sleep(moment);
    if worker {
        for pid in workers(running.id()).unwrap_or_default() {
            kill(pid)?;
        }
    } else {
        kill(running.id())?;
    }
    running.wait()?;
    Ok(())
}

#[test]
fn kills_during_backup_and_prune_lose_nothing() -> Result<()> {
    let site = Site::local()?;
    let mut random = Random::new(u64::from(std::process::id()));
    let data = site.path("data");
    folder::fill(&data, 200, 24 << 20, 21)?;
    let data_text = site.text("data");
    let backup = ["backup", "--folder", &data_text, "--force"];
    site.lockgate.ok(&["init"])?;
    let started = Instant::now();
    site.lockgate.ok(&backup)?;
    let usual = started.elapsed();
    site.lockgate.ok(&["backup", "--folder", &data_text, "--tag", "pinned"])?;

    for number in 0..KILLS {
        // New data, so that there is something to write; then something that prune can remove.
        let fresh = data.join(format!("fresh-{number}"));
        std::fs::write(&fresh, random.bytes(8 << 20))?;
        kill_once(&site, &backup, usual, &mut random, number % 3 == 2)?;
        std::fs::remove_file(&fresh)?;
        unlock(&site)?;
        if number % 5 == 0 {
            site.lockgate.ok(&["check", "--read-data"])?;
        } else {
            site.lockgate.ok(&["check"])?;
        }
    }
    for number in 0..KILLS {
        let prune = ["prune", "--keep-delete", "0s"];
        kill_once(&site, &prune, usual, &mut random, false)?;
        unlock(&site)?;
        site.lockgate.ok(&["check"])?;
        if number % 5 == 0 {
            std::fs::write(data.join("more"), random.bytes(4 << 20))?;
            site.lockgate.ok(&["backup", "--folder", &data_text])?;
            site.lockgate.ok(&["forget", "--keep-last", "1"])?;
        }
    }
    std::fs::remove_file(data.join("more"))?;
    site.lockgate.ok(&["check", "--read-data"])?;
    site.restic_check()?;
    let listed = site.lockgate.ok(&["snapshots", "--tag", "pinned"])?.stdout;
    let pinned =
        listed.split_whitespace().next().context("the pinned snapshot is gone")?.to_owned();
    let target = site.text("restored");
    site.lockgate.ok(&["restore", &pinned, "--target", &target])?;
    ensure!(tree::equal(&data, &site.path("restored/data"))? > 200, "too few names");
    Ok(())
}

/// A killed process leaves its lock; restic removes locks of processes that are gone, and so do we.
fn unlock(site: &Site) -> Result<()> {
    site.restic(&["unlock"])?;
    Ok(())
}
