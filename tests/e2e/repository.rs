//! The commands of a repository's life, one behind the other on what restic and lockgate wrote.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Outcome, Site, folder};
use serde_json::Value;

fn messages(outcome: &Outcome, kind: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for line in outcome.stdout.lines() {
        let message: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        if message["message_type"] == kind {
            found.push(message);
        }
    }
    Ok(found)
}

/// Two snapshots by restic: a file more in the second, and another content of one.
fn site() -> Result<Site> {
    let site = Site::local()?;
    let data = site.path("data");
    folder::fill(&data, 40, 2 << 20, 5)?;
    fs::write(data.join("changing"), "before")?;
    site.lockgate.ok(&["init"])?;
    site.restic(&["backup", "--tag", "first", &site.text("data")])?;
    fs::write(data.join("changing"), "after")?;
    fs::write(data.join("more.sql"), "select 1;")?;
    site.restic(&["backup", "--tag", "second", &site.text("data")])?;
    Ok(site)
}

#[test]
fn a_repository_is_looked_into() -> Result<()> {
    let site = site()?;
    let root = site.text("data");
    let stats = site.lockgate.summary(&["stats"])?;
    let by_restic: Value =
        serde_json::from_str(&site.restic(&["stats", "--json", "--mode", "restore-size"])?)?;
    ensure!(stats["restore_bytes"] == by_restic["total_size"], "{stats} {by_restic}");
    ensure!(stats["snapshots_count"] == 2, "{stats}");
    let shown = site.lockgate.ok(&["stats", "--tag", "first"])?.stdout;
    ensure!(shown.contains("1 snapshot") && shown.contains("before compression"), "{shown}");

    let diff = site.lockgate.ok(&["diff", "latest~1", &format!("latest:{root}/..")]);
    ensure!(diff.is_err(), "a path may not lead up");
    let diff = site.lockgate.ok(&["diff", "latest~1", "latest"])?.stdout;
    ensure!(diff.contains(&format!("M    {root}/changing\n")), "{diff}");
    ensure!(diff.contains(&format!("+    {root}/more.sql\n")), "{diff}");
    let below = format!("latest:{root}");
    let none = site.lockgate.summary(&["diff", &below, &below])?;
    ensure!(none["changed_files"] == 0 && none["added"]["bytes"] == 0, "{none}");

    let found = site.lockgate.ok(&["--json", "find", "*.sql", "--size", "-1k", "--newer", "1d"])?;
    let matches = messages(&found, "match")?;
    ensure!(matches.len() == 1 && found.summary()?["found"] == 1, "{found:?}");
    ensure!(matches[0]["path"] == format!("{root}/more.sql"), "{found:?}");
    let nothing = site.lockgate.run(&["find"])?;
    ensure!(nothing.code == Some(2) && nothing.stderr.contains("hint"), "{nothing:?}");
    let wrong = site.lockgate.run(&["find", "["])?;
    ensure!(wrong.code == Some(2), "{wrong:?}");

    for kind in ["snapshot", "index", "key", "pack", "blob", "tree"] {
        let ids = site.lockgate.ok(&["cat", kind])?.stdout;
        let id = ids.lines().next().context("there is one of each")?;
        let summary = site.lockgate.summary(&["cat", kind, id])?;
        ensure!(summary["id"] == id, "{summary}");
    }
    let snapshot = site.lockgate.ok(&["cat", "snapshot", "latest"])?.stdout;
    let snapshot: Value = serde_json::from_str(&snapshot)?;
    ensure!(snapshot["tags"][0] == "second", "{snapshot}");
    let missing = site.lockgate.run(&["cat", "pack", "zz"])?;
    ensure!(missing.code == Some(2), "{missing:?}");
    Ok(())
}

#[test]
fn tags_pins_and_passwords_change() -> Result<()> {
    let site = site()?;
    let all = site.lockgate.run(&["tag", "--add", "x"])?;
    ensure!(all.code == Some(2) && all.stderr.contains("which snapshots"), "{all:?}");
    let tagged = site.lockgate.summary(&["tag", "--tag", "first", "--add", "checked"])?;
    ensure!(tagged["changed"] == 1, "{tagged}");
    site.lockgate.ok(&["pin", "latest~1"])?;
    let forgotten = site.lockgate.summary(&["forget", "--keep-last", "1"])?;
    ensure!(forgotten["removed"] == 0, "{forgotten}");
    site.lockgate.ok(&["unpin", "latest~1"])?;
    let forgotten = site.lockgate.summary(&["forget", "--keep-last", "1"])?;
    ensure!(forgotten["removed"] == 1, "{forgotten}");

    let which = site.lockgate.run(&["key", "add"])?;
    ensure!(which.code == Some(2) && which.stderr.contains("new password"), "{which:?}");
    fs::write(site.path("new"), "another\n")?;
    let new = site.text("new");
    let added = site.lockgate.summary(&["key", "add", "--new-password-file", &new])?;
    let added = added["added"].as_str().context("the id of the key")?.to_owned();
    let other = site.lockgate.clone().with("LOCKGATE_PASSWORD", "another");
    ensure!(other.ok(&["key", "list"])?.stdout.lines().count() == 2);
    let in_use = other.run(&["key", "remove", &added])?;
    ensure!(in_use.code != Some(0) && in_use.stderr.contains("in use"), "{in_use:?}");
    site.lockgate.ok(&["key", "remove", &added])?;
    ensure!(other.run(&["snapshots"])?.code == Some(12));
    let changed = site.lockgate.clone().with("LOCKGATE_NEW_PASSWORD", "another");
    changed.ok(&["key", "passwd"])?;
    ensure!(site.lockgate.run(&["snapshots"])?.code == Some(12));
    other.ok(&["check", "--read-data-subset", "1G"])?;
    Ok(())
}

#[test]
fn damage_is_repaired() -> Result<()> {
    let site = site()?;
    let folder = site.repository_folder().context("a local repository")?.to_owned();
    let packs = site.lockgate.ok(&["find", "changing", "--json"])?;
    ensure!(packs.summary()?["found"] == 2, "{packs:?}");
    let index = fs::read_dir(folder.join("index"))?.next().context("an index")??.path();
    fs::remove_file(index)?;
    ensure!(site.lockgate.run(&["check"])?.code == Some(15));
    let planned = site.lockgate.summary(&["repair", "index", "--dry-run"])?;
    let done = site.lockgate.summary(&["repair", "index"])?;
    ensure!(planned["packs_found"] == done["packs_found"], "{planned} {done}");
    site.lockgate.ok(&["check", "--read-data"])?;

    // The pack of the file that only the second snapshot has.
    let found = site.lockgate.ok(&["--json", "cat", "pack"])?;
    let mut lost = None;
    for pack in messages(&found, "object")? {
        let id = pack["id"].as_str().context("an id")?.to_owned();
        let needs = site.lockgate.ok(&["--json", "find", "*.sql", "--pack", &id])?;
        if needs.summary()?["found"] == 1 {
            lost = Some(id);
        }
    }
    let lost = lost.context("some pack holds the file")?;
    fs::remove_file(folder.join("data").join(lost.get(..2).unwrap_or_default()).join(&lost))?;
    let early = site.lockgate.run(&["repair", "snapshots"])?;
    ensure!(early.code != Some(0) && early.stderr.contains("repair index"), "{early:?}");
    site.lockgate.ok(&["repair", "index"])?;
    let repaired = site.lockgate.summary(&["repair", "snapshots"])?;
    ensure!(repaired["damaged"] == 1 && repaired["whole"] == 1, "{repaired}");
    ensure!(site.lockgate.run(&["check"])?.code == Some(15), "the damaged one is still there");
    site.lockgate.ok(&["repair", "snapshots", "--forget"])?;
    site.lockgate.ok(&["check", "--read-data"])?;
    site.restic_check()?;

    let unlocked = site.lockgate.summary(&["unlock"])?;
    ensure!(unlocked["removed"] == 0 && unlocked["kept"] == 0, "{unlocked}");
    fs::write(folder.join("locks").join("ab".repeat(32)), "")?;
    let unlocked = site.lockgate.run(&["unlock", "--remove-all"])?;
    ensure!(unlocked.code == Some(0) && unlocked.stderr.contains("Removing all"), "{unlocked:?}");
    Ok(())
}
