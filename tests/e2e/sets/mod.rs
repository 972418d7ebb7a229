//! Several datastores of one application, saved as of one moment.

mod shop;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::Site;

use shop::Shop;

const SET: &str =
    "[sets.shop]\nsources = [\"database\", \"sessions\", \"settings\", \"pictures\"]\n";
/// A program that changed less while it was backed up proves nothing.
const CHANGES_MIN: u64 = 20;

fn snapshots(site: &Site) -> Result<u64> {
    let listed = site.lockgate.summary(&["snapshots"])?;
    listed["snapshots"].as_u64().context("snapshots")
}

#[test]
fn four_datastores_are_saved_at_one_moment() -> Result<()> {
    let site = Site::local()?;
    let shop = Shop::open(200_000)?;
    let lockgate = shop.configure(&site, SET)?;
    lockgate.ok(&["init"])?;

    let program = shop.write_numbers()?;
    program.wait_for(CHANGES_MIN)?;
    let before = program.number();
    let summary = lockgate.summary(&["backup", "shop"])?;
    let after = program.number();
    program.stop()?;
    ensure!(after - before >= CHANGES_MIN, "only {} changes", after - before);
    ensure!(summary["sources"].as_array().is_some_and(|sources| sources.len() == 4), "{summary}");
    let held = summary["held_seconds"].as_f64().context("held_seconds")?;
    println!("held for {held} s of {} s; {before} to {after}", summary["seconds"]);

    // Every source has lost everything, and comes back into a new server of the same name.
    let fresh = Shop::empty()?;
    let lockgate = fresh.configure(&site, SET)?;
    let plan = lockgate.ok(&["restore", "latest", "--dry-run"])?;
    ensure!(plan.stdout.matches("nothing was changed").count() == 4, "{plan:?}");
    // The third has something in the way: the first is not begun.
    fresh.etcd.ctl(&["put", "number", "9"])?;
    let refused = lockgate.run(&["restore", "latest"])?;
    ensure!(refused.error_line().contains("settings"), "{refused:?}");
    let begun = fresh.bank.server.sql("SHOW DATABASES LIKE 'bank'")?;
    ensure!(begun.trim().is_empty(), "{begun}");
    fresh.etcd.ctl(&["del", "number"])?;
    lockgate.ok(&["restore", "latest"])?;
    let numbers = fresh.numbers()?;
    println!("restored: {numbers:?}");
    let (least, most) = (numbers.iter().min(), numbers.iter().max());
    let (least, most) = (*least.context("numbers")?, *most.context("numbers")?);
    ensure!(before <= least && most <= after, "{numbers:?} are not between {before} and {after}");
    // The program was at its next number at most, and waited for the database.
    ensure!(most - least <= 1, "the sources are not of one moment: {numbers:?}");
    site.restic_check()
}

#[test]
fn one_source_of_a_set_comes_back_alone() -> Result<()> {
    let site = Site::local()?;
    let shop = Shop::open(10)?;
    let lockgate = shop.configure(&site, SET)?;
    lockgate.ok(&["init"])?;
    // Without names: all sets, and the sources that are in none.
    lockgate.ok(&["backup"])?;
    ensure!(snapshots(&site)? == 1, "a set makes one snapshot");
    let second = lockgate.summary(&["backup", "shop"])?;
    ensure!(second["parent"].is_string(), "the set does not follow itself: {second}");
    let shown = lockgate.ok(&["show"])?.stdout;
    ensure!(shown.contains("set      shop"), "{shown}");

    let part = lockgate.run(&["restore", "latest", "--part", "bank/number"])?;
    ensure!(part.error_line().contains("several"), "{part:?}");
    let none = lockgate.run(&["restore", "latest", "--source", "nobody", "--into", "database"])?;
    ensure!(none.error_line().contains("holds no source nobody"), "{none:?}");
    shop.bank.server.sql("UPDATE bank.number SET n = 7")?;
    let restored = ["restore", "latest", "--source", "database", "--part", "bank/number"];
    lockgate.ok(&[&restored[..], &["--overwrite"]].concat())?;
    ensure!(shop.numbers()? == [0; 4], "the table did not come back");

    let files = site.text("files");
    lockgate.ok(&["restore", "latest", "--source", "pictures", "--target", &files])?;
    let number = std::fs::read_to_string(site.path("files/pictures/number"))?;
    ensure!(number == "0", "{number}");
    lockgate.ok(&["restore", "latest", "--target", &site.text("all")])?;
    ensure!(site.path("all/pictures/pictures/number").exists(), "the tree is not whole");
    ensure!(site.path("all/database/bank").is_dir(), "the tree is not whole");
    Ok(())
}

#[test]
fn a_set_is_saved_whole_or_not_at_all() -> Result<()> {
    let site = Site::local()?;
    let mut shop = Shop::open(1000)?;
    let lockgate = shop.configure(&site, SET)?;
    lockgate.ok(&["init"])?;
    shop.etcd.kill();
    let failed = lockgate.run(&["backup", "shop"])?;
    ensure!(failed.code.is_some_and(|code| code != 0), "{failed:?}");
    ensure!(failed.error_line().contains("settings"), "{failed:?}");
    ensure!(snapshots(&site)? == 0, "half a set was saved");
    // Nobody holds the database any more.
    shop.bank.server.sql("SET lock_wait_timeout = 1; UPDATE bank.number SET n = 1")?;
    Ok(())
}

#[test]
fn nobody_is_held_off_for_longer_than_was_said() -> Result<()> {
    let site = Site::local()?;
    let shop = Shop::open(1000)?;
    let lockgate = shop.configure(&site, &format!("{SET}hold-seconds = 2\n"))?;
    lockgate.ok(&["init"])?;

    // A transaction without end keeps the database from its moment.
    let mut busy = shop.bank.server.client();
    busy.args(["--batch", "--skip-column-names", "--unbuffered"]);
    let mut busy = busy.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = busy.stdin.take().context("the client has no input")?;
    input.write_all(b"LOCK TABLES bank.number WRITE; SELECT 1;\n")?;
    BufReader::new(busy.stdout.take().context("the client has no output")?)
        .read_line(&mut String::new())?;

    let started = Instant::now();
    let failed = lockgate.run(&["backup", "shop"])?;
    drop(input);
    busy.wait()?;
    ensure!(failed.error_line().contains("within 2 s"), "{failed:?}");
    // Long enough for a slow machine to start four plugins, and far from what a hold may take if nothing is said.
    ensure!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
    ensure!(snapshots(&site)? == 0, "half a set was saved");
    // It goes on as soon as it can.
    let lockgate = shop.configure(&site, SET)?;
    lockgate.ok(&["backup", "shop"])?;
    let listed = lockgate.ok(&["snapshots"])?.stdout;
    ensure!(listed.contains("  /database /sessions /settings /pictures  "), "{listed}");
    Ok(())
}
