//! A storage that is slow, or full.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::content::MEMORY_BYTES_MAX;
use crate::datastore::{Content, Role};
use crate::report::Verdict;
use crate::running::Running;
use crate::trial::{ORIGINAL, Trial, expect_told, told};

/// "No space left."
const NO_SPACE: i32 = 14;
/// Seconds that a slow storage needs for a content of medium size.
const SLOW_SECONDS: u64 = 2;
/// Seconds that `back-pressure` takes.
const PRESSED_SECONDS: u64 = 4;
/// What may be on its way between server and storage: the 64 MiB that the configuration gives, and what lies in the buffers
/// of sockets, of the plugin and of the proxy, in bytes.
const ON_THE_WAY_BYTES_MAX: u64 = 128 << 20;
/// The disk of `disk-full`, in MiB, and the content that does not fit, in bytes.
const DISK_MIB: u64 = 12;
const TOO_MUCH_BYTES: u64 = 32 << 20;

pub(super) fn slow_storage(trial: &mut Trial<'_>) -> Result<Verdict> {
    let bytes = trial.scale.medium;
    trial.source.fill(Content::Bulk { bytes })?;
    trial.setup.limit_upload_kib = Some(bytes / 1024 / SLOW_SECONDS);
    trial.setup.limit_download_kib = Some(bytes / 1024 / SLOW_SECONDS);
    trial.configure()?;
    let saved = trial.backup()?;
    let restored = trial.restore(&[])?;
    for (what, ended) in [("backup", &saved), ("restore", &restored)] {
        trial.figure(&format!("{what}-seconds"), ended.duration.as_secs_f64());
        let least = Duration::from_secs(SLOW_SECONDS) / 2;
        ensure!(
            ended.duration > least,
            "the {what} took only {:?}: the storage was not slow",
            ended.duration
        );
        let peak = ended.peak_memory;
        ensure!(peak <= MEMORY_BYTES_MAX, "the {what} took {} MiB of memory", peak >> 20);
    }
    trial.expect_equal()?;
    Ok(Verdict::Passed)
}

pub(super) fn back_pressure(trial: &mut Trial<'_>) -> Result<Verdict> {
    let bytes = trial.scale.bulk;
    trial.source.fill(Content::Bulk { bytes })?;
    trial.setup.limit_upload_kib = Some(bytes / 1024 / PRESSED_SECONDS);
    let proxy = trial.proxy(Role::Source, Vec::new())?;
    trial.configure()?;
    let mut running: Running = trial.start(&["--json", "backup", ORIGINAL])?;
    let before = trial.repository_bytes();
    let mut most = 0;
    if let Some(proxy) = &proxy {
        // What the server has given and the repository does not hold yet is somewhere in between.
        while !running.has_ended()? {
            let stored = trial.repository_bytes().saturating_sub(before);
            most = most.max(proxy.traffic().to_client.saturating_sub(stored));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let ended = running.wait(trial.scale.deadline)?;
    ensure!(ended.outcome.code == Some(0), "{}", told(&ended.outcome));
    trial.figure("peak-memory-bytes", ended.peak_memory as f64);
    trial.figure("backup-seconds", ended.duration.as_secs_f64());
    if proxy.is_some() {
        trial.figure("on-the-way-bytes", most as f64);
        ensure!(
            most <= ON_THE_WAY_BYTES_MAX,
            "{} MiB were read from the server and not stored",
            most >> 20
        );
    }
    let least = Duration::from_secs(PRESSED_SECONDS) / 2;
    ensure!(ended.duration > least, "it took only {:?}: the storage was not slow", ended.duration);
    let peak = ended.peak_memory;
    ensure!(peak <= MEMORY_BYTES_MAX, "it took {} MiB of memory", peak >> 20);
    Ok(Verdict::Passed)
}

pub(super) fn disk_full(trial: &mut Trial<'_>) -> Result<Verdict> {
    let Some(disk) = Disk::mount(trial.path("disk"))? else {
        return Ok(Verdict::Skipped("this machine lets nobody mount a small disk".to_owned()));
    };
    trial.setup.repository = disk.0.join("repository");
    trial.configure()?;
    trial.succeed(&["init"])?;
    trial.source.fill(Content::Usual)?;
    trial.backup()?;
    let small = trial.source.contents()?;
    trial.source.clear()?;
    trial.source.fill(Content::Bulk { bytes: TOO_MUCH_BYTES })?;
    // Fewer entries than before are no reason to refuse it.
    let refused = trial.run(&["backup", ORIGINAL, "--allow-shrink"])?;
    expect_told(&refused.outcome, &[NO_SPACE], "repository")?;
    trial.expect_no_leftovers(Role::Source)?;
    trial.expect_snapshots(1)?;
    trial.succeed(&["check", "--read-data", "--no-lock"])?;
    trial.restore(&[])?;
    let difference = crate::contents::difference(&small, &trial.target.contents()?);
    ensure!(
        difference.is_none(),
        "what was saved before came back otherwise: {}",
        difference.unwrap_or_default()
    );
    Ok(Verdict::Passed)
}

/// A small file system in memory; unmounted when it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where nobody may mount.
    fn mount(folder: PathBuf) -> Result<Option<Self>> {
        fs::create_dir(&folder)?;
        let size = format!("size={DISK_MIB}m");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder);
        let mounted = command.output().is_ok_and(|output| output.status.success());
        Ok(mounted.then_some(Self(folder)))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open does not keep the folder from going.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
