//! A repository in a bucket with S3 Object Lock: backups work as ever, and what forget and prune cannot get rid of they say.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::{Bucket, S3Server};
use lockgate_tests::random::Random;
use lockgate_tests::{Site, tree};
use serde_json::Value;

const FILE_BYTES: usize = 2 << 20;
const PRUNE: [&str; 5] = ["prune", "--keep-delete", "0s", "--max-unused", "0%"];

/// Two snapshots, of which the first has something that the second has not.
fn site(bucket: Bucket) -> Result<Site> {
    let mut site = Site::on(S3Server::start_locked(bucket)?)?;
    // AWS takes objects under a default retention with a checksum only.
    let configuration = format!(
        "[repositories.main]\nurl = \"{}\"\npassword-variable = \"LOCKGATE_PASSWORD\"\noptions = {{ checksum-algorithm = \"crc32c\" }}\n\
         [sources.data]\nplugin = \"files\"\nfolders.data = {{ path = \"{}\" }}\n",
        site.repository,
        site.text("data")
    );
    site.lockgate = site.configured(&configuration)?.with("LOCKGATE_REPOSITORY", "main");
    let (data, text) = (site.path("data"), site.text("data"));
    fs::create_dir(&data)?;
    site.lockgate.ok(&["init"])?;
    for (number, seed) in [("one", 1), ("two", 2)] {
        fs::write(data.join("changing"), Random::new(seed).bytes(FILE_BYTES))?;
        fs::write(data.join(number), number)?;
        site.lockgate.ok(&["backup", "--folder", &text, "--name", "data"])?;
    }
    Ok(site)
}

fn number(summary: &Value, name: &str) -> Result<u64> {
    summary[name].as_u64().with_context(|| format!("no {name}: {summary}"))
}

fn is_whole(site: &Site, round: &str) -> Result<()> {
    site.lockgate.ok(&["check", "--read-data"])?;
    let target = format!("restored {round}");
    site.lockgate.ok(&["restore", "latest", "--target", &site.text(&target)])?;
    tree::equal(&site.path("data"), &site.path(&target).join("data"))?;
    Ok(())
}

#[test]
fn what_is_under_retention_stays_until_it_has_ended() -> Result<()> {
    let site = site(Bucket::Refusing)?;
    let server = site.server().context("there is a server")?;
    let forgotten = site.lockgate.summary(&["forget", "--keep-last", "1"])?;
    ensure!(number(&forgotten, "removed")? == 0, "{forgotten}");
    ensure!(number(&forgotten, "retained")? == 1, "{forgotten}");
    let said = site.lockgate.ok(&["forget", "--keep-last", "1"])?.stdout;
    ensure!(said.contains("under retention in the storage"), "{said}");
    site.lockgate.ok(&PRUNE)?;
    is_whole(&site, "at first")?;

    server.set_retention(false)?;
    let forgotten = site.lockgate.summary(&["forget", "--keep-last", "1"])?;
    ensure!(number(&forgotten, "removed")? == 1, "{forgotten}");
    let marked = site.lockgate.summary(&PRUNE)?;
    ensure!(number(&marked, "bytes_marked")? > FILE_BYTES as u64, "{marked}");
    server.set_retention(true)?;
    // Of what was marked nothing goes, as often as it is tried, and it stays marked.
    for _ in 0..2 {
        let retained = site.lockgate.summary(&PRUNE)?;
        ensure!(number(&retained, "packs_removed")? == 0, "{retained}");
        ensure!(number(&retained, "bytes_retained")? > FILE_BYTES as u64, "{retained}");
    }
    let said = site.lockgate.ok(&PRUNE)?.stdout;
    ensure!(said.contains("when their retention in the storage has ended"), "{said}");
    is_whole(&site, "under retention")?;

    server.set_retention(false)?;
    let removed = site.lockgate.summary(&PRUNE)?;
    ensure!(number(&removed, "bytes_removed")? > FILE_BYTES as u64, "{removed}");
    ensure!(number(&removed, "packs_retained")? == 0, "{removed}");
    is_whole(&site, "afterwards")
}

#[test]
fn what_a_versioned_bucket_keeps_is_told() -> Result<()> {
    let site = site(Bucket::Versioned)?;
    let server = site.server().context("there is a server")?;
    let forgotten = site.lockgate.summary(&["forget", "--keep-last", "1"])?;
    ensure!(number(&forgotten, "removed")? == 1, "{forgotten}");
    ensure!(number(&forgotten, "hidden")? == 1, "{forgotten}");
    let marked = site.lockgate.summary(&PRUNE)?;
    ensure!(number(&marked, "bytes_marked")? > FILE_BYTES as u64, "{marked}");
    let hidden = site.lockgate.summary(&PRUNE)?;
    ensure!(number(&hidden, "packs_removed")? == 0, "{hidden}");
    ensure!(number(&hidden, "bytes_hidden")? > FILE_BYTES as u64, "{hidden}");
    ensure!(fs::read_dir(server.versions())?.next().is_some(), "no version was kept");
    let again = site.lockgate.summary(&PRUNE)?;
    ensure!(number(&again, "packs_hidden")? == 0, "{again}");
    is_whole(&site, "afterwards")?;
    site.restic_check()
}

#[test]
fn a_bucket_without_versions_keeps_nothing() -> Result<()> {
    let site = site(Bucket::Refusing)?;
    site.server().context("there is a server")?.set_retention(false)?;
    let forgotten = site.lockgate.summary(&["forget", "--keep-last", "1"])?;
    ensure!(number(&forgotten, "hidden")? == 0, "{forgotten}");
    site.lockgate.ok(&PRUNE)?;
    let removed = site.lockgate.summary(&PRUNE)?;
    ensure!(number(&removed, "packs_hidden")? == 0, "{removed}");
    ensure!(number(&removed, "packs_removed")? > 0, "{removed}");
    Ok(())
}

#[test]
fn a_backup_under_retention_is_deleted_when_it_has_ended() -> Result<()> {
    let site = site(Bucket::Refusing)?;
    let made = site.lockgate.summary(&["backup", "--label", "nightly", "data"])?;
    let id = made["id"].as_str().context("the id of the backup")?;
    let refused = site.lockgate.run(&["delete", id])?;
    ensure!(refused.code == Some(20) && refused.stderr.contains("retention"), "{refused:?}");
    site.lockgate.ok(&["show", id])?;
    site.server().context("there is a server")?.set_retention(false)?;
    site.lockgate.ok(&["delete", id])?;
    ensure!(site.lockgate.run(&["show", id])?.code == Some(16));
    Ok(())
}
