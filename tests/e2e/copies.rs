//! Two repositories that hold the same: what one misses or loses comes from the other.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::command::plugins;
use lockgate_tests::{Lockgate, folder, tree};
use tempfile::TempDir;

struct Pair {
    folder: TempDir,
    lockgate: Lockgate,
}

impl Pair {
    fn new() -> Result<Self> {
        let folder = TempDir::new()?;
        let lockgate = Lockgate::new(folder.path(), &plugins()?)?;
        folder::fill(&folder.path().join("home"), 40, 6 << 20, 3)?;
        let place = folder.path().display();
        let configuration = format!(
            "[repositories.near]\nurl = \"fs:{place}/near\"\n\n\
             [repositories.far]\nurl = \"fs:{place}/far\"\non-failure = \"catch-up\"\nkeep = {{ last = 3 }}\n\n\
             [sources.home]\nplugin = \"files\"\nrepository = [\"near\", \"far\"]\n\
             folders.home = {{ path = \"{place}/home\", access = \"read-write\" }}\n"
        );
        let path = folder.path().join("config.toml");
        std::fs::write(&path, configuration)?;
        let lockgate = lockgate.with("LOCKGATE_CONFIG", path);
        lockgate.ok(&["plugin", "lock"])?;
        lockgate.ok(&["config", "check"])?;
        for repository in ["near", "far"] {
            lockgate.ok(&["init", "-r", repository])?;
        }
        Ok(Self { folder, lockgate })
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.folder.path().join(below)
    }

    /// Has restic read everything in both.
    fn restic_check(&self) -> Result<()> {
        for repository in ["near", "far"] {
            let output = Command::new(lockgate_servers::restic()?)
                .args(["--no-cache", "check", "--read-data"])
                .env("RESTIC_REPOSITORY", self.path(repository))
                .env("RESTIC_PASSWORD", "correct horse")
                .output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            ensure!(text.contains("no errors were found"), "{repository}: {text}");
        }
        Ok(())
    }

    /// Restores the newest snapshot and compares it; what was said.
    fn restored(&self, to: &str) -> Result<String> {
        let target = self.path(to);
        let target_text = target.display().to_string();
        let said = self.lockgate.ok(&["restore", "latest", "--target", &target_text])?;
        tree::equal(&self.path("home"), &target.join("home"))?;
        Ok(said.stderr)
    }

    fn a_pack_of(&self, repository: &str) -> Result<std::path::PathBuf> {
        let mut largest: Option<(u64, std::path::PathBuf)> = None;
        for folder in std::fs::read_dir(self.path(repository).join("data"))? {
            for pack in std::fs::read_dir(folder?.path())? {
                let pack = pack?;
                let size = pack.metadata()?.len();
                if largest.as_ref().is_none_or(|(known, _)| size > *known) {
                    largest = Some((size, pack.path()));
                }
            }
        }
        largest.map(|(_, pack)| pack).context("no pack")
    }
}

fn away(path: &Path) -> Result<std::path::PathBuf> {
    let other = path.with_extension("away");
    std::fs::rename(path, &other)?;
    Ok(other)
}

#[test]
fn what_one_repository_misses_or_loses_comes_from_the_other() -> Result<()> {
    let pair = Pair::new()?;
    let lockgate = &pair.lockgate;

    // One read, two repositories; a copy has nothing to do.
    let summary = lockgate.summary(&["backup", "home"])?;
    for repository in ["near", "far"] {
        ensure!(summary["copies"][repository]["state"] == "STORED", "{summary}");
    }
    let copied = lockgate.summary(&["copy", "--from", "near", "--to", "far"])?;
    ensure!(copied["present"] == 1 && copied["blobs"] == 0, "{copied}");
    pair.restic_check()?;

    // One is away: the other has the backup, and what was missed is brought later.
    std::fs::write(pair.path("home/new"), "written while far was away")?;
    let gone = away(&pair.path("far"))?;
    let partly = lockgate.run(&["backup", "--label", "nightly", "home"])?;
    ensure!(partly.code == Some(4), "{partly:?}");
    let listed = lockgate.ok(&["list"])?.stdout;
    ensure!(listed.contains("READY") && listed.contains("(not in far)"), "{listed}");
    let still = lockgate.run(&["catch-up"])?;
    ensure!(still.code == Some(4) && still.stdout.contains("still not in far"), "{still:?}");
    std::fs::rename(gone, pair.path("far"))?;
    let caught_up = lockgate.summary(&["catch-up"])?;
    ensure!(caught_up["copied"] == 1 && caught_up["missed"] == 0, "{caught_up}");
    let listed = lockgate.ok(&["list"])?.stdout;
    ensure!(!listed.contains("not in"), "{listed}");
    pair.restic_check()?;

    // The near one is read as long as it can be, and healed.
    std::fs::remove_file(pair.a_pack_of("near")?)?;
    let said = pair.restored("from-both")?;
    ensure!(said.contains("came from far"), "{said}");
    let damaged = lockgate.run(&["check", "-r", "near"])?;
    ensure!(damaged.code == Some(15), "{damaged:?}");
    let healed = lockgate.summary(&["heal", "-r", "near", "--from", "far"])?;
    ensure!(healed["packs_replaced"] == 1 && healed["lost_count"] == 0, "{healed}");
    lockgate.ok(&["check", "-r", "near", "--read-data"])?;
    pair.restic_check()?;
    let said = pair.restored("healed")?;
    ensure!(!said.contains("came from"), "{said}");

    // One is enough.
    let gone = away(&pair.path("near"))?;
    let said = pair.restored("from-far")?;
    ensure!(said.contains("read from far, because near"), "{said}");
    std::fs::rename(gone, pair.path("near"))?;

    // A backup is deleted in both.
    let listed = lockgate.ok(&["--json", "list"])?;
    let id = listed.stdout.split('"').find(|it| it.starts_with("nightly-")).context("no id")?;
    lockgate.ok(&["delete", id])?;
    for repository in ["near", "far"] {
        let left = lockgate.summary(&["snapshots", "-r", repository])?;
        ensure!(left["snapshots"] == 1, "{repository}: {left}");
    }
    Ok(())
}

#[test]
fn a_repository_without_which_nothing_counts_fails_the_backup() -> Result<()> {
    let pair = Pair::new()?;
    let path = pair.path("config.toml");
    let text = std::fs::read_to_string(&path)?.replace("\"catch-up\"", "\"fail\"");
    std::fs::write(&path, text)?;
    let gone = away(&pair.path("far"))?;
    let failed = pair.lockgate.run(&["backup", "home"])?;
    ensure!(failed.code == Some(10), "{failed:?}");
    let near = pair.lockgate.summary(&["snapshots", "-r", "near"])?;
    ensure!(near["snapshots"] == 0, "{near}");
    std::fs::rename(gone, pair.path("far"))?;
    pair.lockgate.ok(&["backup", "home"])?;
    Ok(())
}
