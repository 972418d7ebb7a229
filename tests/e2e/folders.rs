//! A folder with everything a file system can hold, backed up and restored, on disk and on a real S3 server.

use std::fs;

use anyhow::{Result, ensure};
use lockgate_tests::{Site, folder, tree};
use serde_json::Value;

fn number(summary: &Value, key: &str) -> u64 {
    summary.get(key).and_then(Value::as_u64).unwrap_or(u64::MAX)
}

fn round_trip(site: &Site) -> Result<()> {
    let data = site.path("data");
    folder::fill(&data.join("many"), 300, 6 << 20, 1)?;
    folder::oddities(&data)?;
    let data_text = site.text("data");
    let backup = ["backup", "--folder", &data_text, "--name", "data"];

    site.lockgate.ok(&["init"])?;
    let first = site.lockgate.summary(&backup)?;
    ensure!(number(&first, "bytes_new") > 6 << 20, "{first}");
    let second = site.lockgate.summary(&backup)?;
    ensure!(number(&second, "bytes_read") < 64 << 10, "unchanged files were read again: {second}");
    ensure!(number(&second, "bytes_stored") < 64 << 10, "{second}");

    let target = site.text("restored");
    site.lockgate.ok(&["restore", "latest", "--target", &target])?;
    tree::equal(&data, &site.path("restored/data"))?;
    site.lockgate.ok(&["check", "--read-data"])?;
    site.restic_check()?;

    let by_restic = site.text("by-restic");
    site.restic(&["restore", "latest", "--target", &by_restic])?;
    tree::equal(&data, &site.path("by-restic/data/data"))?;
    Ok(())
}

#[test]
fn an_odd_folder_survives_on_the_local_disk() -> Result<()> {
    round_trip(&Site::local()?)
}

#[test]
fn an_odd_folder_survives_on_a_real_s3_server() -> Result<()> {
    round_trip(&Site::s3()?)
}

#[test]
fn only_what_changed_is_read_and_stored_again() -> Result<()> {
    let site = Site::local()?;
    let data = site.path("data");
    folder::fill(&data, 200, 20 << 20, 2)?;
    let data_text = site.text("data");
    let backup = ["backup", "--folder", &data_text];
    site.lockgate.ok(&["init"])?;
    site.lockgate.ok(&backup)?;

    fs::write(data.join("000/000/file-000007"), b"changed")?;
    fs::remove_file(data.join("000/000/file-000008"))?;
    fs::write(data.join("new"), b"new")?;
    let summary = site.lockgate.summary(&backup)?;
    ensure!(number(&summary, "bytes_read") < 64 << 10, "{summary}");

    let target = site.text("restored");
    site.lockgate.ok(&["restore", "latest", "--target", &target])?;
    tree::equal(&data, &site.path("restored/data"))?;
    let before = site.text("before");
    site.lockgate.ok(&["restore", "latest~1", "--target", &before])?;
    ensure!(
        site.path("before/data/000/000/file-000008").exists(),
        "the older snapshot lost a file"
    );
    Ok(())
}

#[test]
fn excluded_files_stay_out_and_fingerprints_are_compared() -> Result<()> {
    let site = Site::local()?;
    let data = site.path("data");
    folder::fill(&data, 20, 1 << 20, 3)?;
    fs::write(data.join("scratch.tmp"), b"scratch")?;
    let lockgate = site.configured(&format!(
        "[sources.home]\nplugin = \"files\"\nconfig = {{ exclude = [\"*.tmp\"], fingerprint = true }}\nfolders.home = {{ path = \"{}\" }}\n",
        data.display()
    ))?;
    lockgate.ok(&["init"])?;
    lockgate.ok(&["backup", "home"])?;
    let target = site.text("restored");
    let summary = lockgate.summary(&["restore", "latest", "--target", &target])?;
    ensure!(number(&summary, "fingerprints_equal") == 1, "{summary}");
    ensure!(!site.path("restored/home/scratch.tmp").exists(), "an excluded file came back");
    fs::remove_file(data.join("scratch.tmp"))?;
    tree::equal(&data, &site.path("restored/home"))?;
    Ok(())
}

#[test]
fn a_restore_shows_its_plan_and_replaces_nothing_unasked() -> Result<()> {
    let site = Site::local()?;
    fs::create_dir(site.path("data"))?;
    fs::write(site.path("data/one"), b"archived")?;
    let data = site.text("data");
    site.lockgate.ok(&["init"])?;
    site.lockgate.ok(&["backup", "--folder", &data])?;

    let target = site.text("target");
    let plan = site.lockgate.ok(&["restore", "latest", "--target", &target, "--dry-run"])?;
    ensure!(plan.stdout.contains("nothing was changed"), "{plan:?}");
    ensure!(!site.path("target").exists(), "a dry run made the target");

    fs::create_dir_all(site.path("target/data"))?;
    fs::write(site.path("target/data/one"), b"mine")?;
    let refused = site.lockgate.run(&["restore", "latest", "--target", &target])?;
    ensure!(refused.code == Some(20), "{refused:?}");
    ensure!(fs::read(site.path("target/data/one"))? == b"mine", "the file was replaced");
    site.lockgate.ok(&["restore", "latest", "--target", &target, "--overwrite"])?;
    ensure!(fs::read(site.path("target/data/one"))? == b"archived", "the file was not replaced");
    Ok(())
}

#[test]
fn an_emptied_source_is_not_taken_for_a_backup() -> Result<()> {
    let site = Site::local()?;
    let data = site.path("data");
    folder::fill(&data, 50, 1 << 20, 4)?;
    let data_text = site.text("data");
    site.lockgate.ok(&["init"])?;
    site.lockgate.ok(&["backup", "--folder", &data_text])?;
    fs::remove_dir_all(data.join("000"))?;
    let refused = site.lockgate.run(&["backup", "--folder", &data_text])?;
    ensure!(refused.code == Some(1) && refused.error_line().contains("shrank"), "{refused:?}");
    site.lockgate.ok(&["backup", "--folder", &data_text, "--allow-shrink"])?;
    Ok(())
}
