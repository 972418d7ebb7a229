//! A mount of a repository, made by the real command.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lockgate_tests::Site;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest time that anything here may take.
const WAIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Whether this machine lets us mount; says so loudly when it does not.
pub fn can_mount() -> bool {
    let device = File::options().read(true).write(true).open("/dev/fuse");
    let why = match device {
        Ok(_) if rustix::process::geteuid().is_root() => return true,
        Ok(_) => "only root can be sure that it may mount".to_owned(),
        Err(error) => format!("/dev/fuse: {error}"),
    };
    println!("skipped: this machine lets us have no FUSE: {why}");
    false
}

/// A repository with one snapshot of the folder `data`, which has a part of the same name.
pub fn backed_up(fill: impl FnOnce(&Path) -> Result<()>) -> Result<Site> {
    let site = Site::local()?;
    let data = site.path("data");
    fs::create_dir(&data)?;
    fill(&data)?;
    site.lockgate.ok(&["init"])?;
    backup(&site)?;
    Ok(site)
}

/// Backs the folder up once more.
pub fn backup(site: &Site) -> Result<()> {
    let data = site.text("data");
    site.lockgate.ok(&["backup", "--folder", &data, "--name", "data", "--allow-shrink"])?;
    Ok(())
}

/// Where the folder is in a snapshot.
pub const BELOW: &str = "data/data";

/// A running `lockgate mount`. What is left of it goes away with the value.
pub struct Mounted {
    pub point: PathBuf,
    process: Child,
    output: PathBuf,
    log: PathBuf,
}

impl Mounted {
    pub fn new(site: &Site, options: &[&str]) -> Result<Self> {
        let point = site.path("mount point");
        // One that a killed process left behind exists, and cannot be looked at.
        if let Err(error) = fs::create_dir(&point) {
            ensure!(error.kind() == ErrorKind::AlreadyExists, "{error}");
        }
        let (output, log) = (site.path("mount.out"), site.path("mount.log"));
        let text = point.display().to_string();
        let arguments = [&["--json", "mount", &text], options].concat();
        let mut command = site.lockgate.command(&arguments);
        command.stdout(File::create(&output)?).stderr(File::create(&log)?);
        let mut mounted = Self { point, process: command.spawn()?, output, log };
        mounted.wait_until("it is mounted", |mounted| {
            if let Some(status) = mounted.process.try_wait()? {
                bail!("lockgate mount: {status}: {}", mounted.log()?);
            }
            Ok(fs::read_to_string(&mounted.output)?.contains("\"mounted\""))
        })?;
        Ok(mounted)
    }

    /// The newest snapshot's copy of the folder.
    pub fn latest(&self) -> PathBuf {
        self.point.join("snapshots/latest").join(BELOW)
    }

    pub fn names(&self, folder: &str) -> Result<Vec<String>> {
        names(&self.point.join(folder))
    }

    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    pub fn wait_until(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let begin = Instant::now();
        while !is_so(self)? {
            ensure!(begin.elapsed() < WAIT, "{what}: not after {WAIT:?}: {}", self.log()?);
            sleep(PAUSE);
        }
        Ok(())
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.process), signal)?)
    }

    /// The command has ended well and left an empty folder; its last message.
    pub fn ended(&mut self) -> Result<Value> {
        self.wait_until("it has ended", |mounted| Ok(mounted.process.try_wait()?.is_some()))?;
        let status = self.process.wait()?;
        ensure!(status.code() == Some(0), "{status}: {}", self.log()?);
        let left = names(&self.point)?;
        ensure!(left.is_empty(), "the mount point holds {left:?}");
        ensure!(!is_mounted(&self.point)?, "it is still mounted");
        let output = fs::read_to_string(&self.output)?;
        let last: Value = serde_json::from_str(output.lines().last().context("a last line")?)?;
        ensure!(last["message_type"] == "summary", "{last}");
        Ok(last)
    }

    /// Ends it as an operator does.
    pub fn end(mut self) -> Result<Value> {
        self.signal(Signal::TERM)?;
        self.ended()
    }

    /// Ends it as nobody should.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        // Otherwise the folder could not be removed.
        Command::new("umount").args(["-q", "-l"]).arg(&self.point).status().ok();
    }
}

pub fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry?.file_name().to_string_lossy().into_owned())
    };
    let mut names = entries.map(name).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

pub fn is_mounted(point: &Path) -> Result<bool> {
    Ok(!mount_line(point)?.is_empty())
}

/// What the system says of the mount; empty when there is none.
pub fn mount_line(point: &Path) -> Result<String> {
    let wanted = point.display().to_string().replace(' ', "\\040");
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let line = mounts.lines().find(|line| line.split(' ').nth(4) == Some(&wanted));
    Ok(line.unwrap_or_default().to_owned())
}
