//! The main job at the size of real data with `LOCKGATE_TEST_SCALE=full`, else at a tenth of it.

mod history;
mod memory;

use anyhow::{Result, ensure};
use lockgate_tests::bank::{Bank, empty_server};
use lockgate_tests::{Site, folder, tree};
use serde_json::Value;

/// The full size, or a tenth of it.
fn scaled(full: u64) -> u64 {
    match std::env::var("LOCKGATE_TEST_SCALE").as_deref() {
        Ok("full") => full,
        _ => full / 10,
    }
}

fn big_folder(site: &Site) -> Result<()> {
    let data = site.path("data");
    let files = scaled(100_000);
    folder::fill(&data, files, scaled(2 << 30), 31)?;
    let data_text = site.text("data");
    site.lockgate.ok(&["init"])?;
    let first = site.lockgate.summary(&["backup", "--folder", &data_text])?;
    let second = site.lockgate.summary(&["backup", "--folder", &data_text])?;
    let target = site.text("restored");
    let restored = site.lockgate.summary(&["restore", "latest", "--target", &target])?;
    let names = tree::equal(&data, &site.path("restored/data"))?;
    ensure!(names >= files, "{names} names");
    site.restic_check()?;
    for (what, summary) in [("first", first), ("unchanged", second), ("restore", restored)] {
        println!("{}: {what}: {summary}", site.repository);
    }
    Ok(())
}

#[test]
fn a_hundred_thousand_files_on_the_local_disk() -> Result<()> {
    big_folder(&Site::local()?)
}

#[test]
fn a_hundred_thousand_files_on_a_real_s3_server() -> Result<()> {
    big_folder(&Site::s3()?)
}

#[test]
fn five_million_rows_while_money_moves() -> Result<()> {
    let accounts = scaled(5_000_000);
    let bank = Bank::open(accounts)?;
    for site in [Site::local()?, Site::s3()?] {
        let target = empty_server()?;
        let lockgate = bank.configure(&site, Some(&target))?;
        lockgate.ok(&["init"])?;
        let transfers = bank.transfer(accounts)?;
        let saved = lockgate.summary(&["backup", "shop"])?;
        transfers.stop()?;
        let restored = lockgate.summary(&["restore", "latest", "--into", "other"])?;
        let compared =
            restored.get("fingerprints_equal").and_then(Value::as_u64).unwrap_or_default();
        ensure!(compared >= 1, "fingerprints were not compared: {restored}");
        let sum = target.sql("SELECT SUM(balance), COUNT(*) FROM bank.account")?;
        ensure!(sum.trim() == format!("{}\t{accounts}", accounts * 1000), "{sum}");
        site.restic_check()?;
        println!("{}: {saved}\n{restored}", site.repository);
    }
    Ok(())
}
