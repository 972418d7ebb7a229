//! A repository with one snapshot, and one more backup of it that comes to grief at a chosen system call.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::random::Random;
use lockgate_tests::{Outcome, Site, folder, tree};

/// Backups that are judged by restic too: every so many of them.
const REFEREE_EVERY: usize = 20;

/// What a troubled run starts from.
pub struct Bed {
    pub site: Site,
    /// The repository as it was before the trouble.
    before: PathBuf,
    /// The folder as the snapshot has it.
    saved: PathBuf,
    snapshot: String,
    judged: usize,
}

/// What happens to a system call.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The process is killed when it makes the call.
    Kill,
    /// The call fails with this error, once for each thread.
    Fails(&'static str),
}

impl Trouble {
    fn injection(self, call: &str, number: u32) -> String {
        match self {
            Self::Kill => format!("inject={call}:signal=KILL:when={number}"),
            Self::Fails(error) => format!("inject={call}:error={error}:when={number}"),
        }
    }
}

/// How many of the cases a run tries: all with `LOCKGATE_TEST_SCALE=full`, else about this share of them.
pub fn every(share: usize) -> usize {
    match std::env::var("LOCKGATE_TEST_SCALE").as_deref() {
        Ok("full") => 1,
        _ => share,
    }
}

/// Whether system calls can be made to fail on this machine.
pub fn can_inject() -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        println!("skipped: strace is not installed or may not trace here");
    }
    can
}

impl Bed {
    pub fn new() -> Result<Self> {
        let site = Site::local()?;
        let data = site.path("data");
        folder::fill(&data, 12, 600 << 10, 41)?;
        site.lockgate.ok(&["init"])?;
        let summary = site.lockgate.summary(&["backup", "--folder", &site.text("data")])?;
        let snapshot = summary["snapshot_id"].as_str().context("no snapshot")?.to_owned();
        let (before, saved) = (site.path("before"), site.path("saved"));
        copy(site.repository_folder().context("a local repository")?, &before)?;
        copy(&data, &saved)?;
        // Something for the next backup to write, more than two packs hold in memory, and something that it has.
        std::fs::write(data.join("fresh"), Random::new(42).bytes(4 << 20))?;
        Ok(Self { site, before, saved, snapshot, judged: 0 })
    }

    /// Puts the repository back, and backs the folder up while `trouble` happens at the `number`-th `call` of each thread.
    pub fn backup(&self, trouble: Trouble, call: &str, number: u32) -> Result<Outcome> {
        let repository = self.site.repository_folder().context("a local repository")?;
        std::fs::remove_dir_all(repository)?;
        copy(&self.before, repository)?;
        let data = self.site.text("data");
        let plain = self.site.lockgate.command(&["backup", "--folder", &data]);
        let mut command = Command::new("strace");
        let injection = trouble.injection(call, number);
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        command.args(["-e", &injection, "--"]).arg(plain.get_program()).args(plain.get_args());
        command.env_clear().stdin(std::process::Stdio::null());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Ok(Outcome::from(command.output().context("strace cannot be started")?))
    }

    /// The repository is clean, the earlier snapshot is whole, and the next backup works.
    pub fn judge(&mut self, what: &str) -> Result<()> {
        let lockgate = &self.site.lockgate;
        lockgate.ok(&["check", "--read-data"]).with_context(|| what.to_owned())?;
        let target = self.site.path("restored");
        if target.exists() {
            std::fs::remove_dir_all(&target)?;
        }
        let text = self.site.text("restored");
        lockgate.ok(&["restore", &self.snapshot, "--target", &text]).context(what.to_owned())?;
        let names = tree::equal(&self.saved, &target.join("data"))?;
        ensure!(names >= 12, "{what}: {names} names were restored");
        lockgate.ok(&["backup", "--folder", &self.site.text("data")]).context(what.to_owned())?;
        self.judged += 1;
        if self.judged % REFEREE_EVERY == 1 {
            self.site.restic(&["unlock"])?;
            self.site.restic_check().context(what.to_owned())?;
        }
        Ok(())
    }
}

/// Copies a folder with its modes and times.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(status.success(), "{} could not be copied", from.display());
    Ok(())
}
