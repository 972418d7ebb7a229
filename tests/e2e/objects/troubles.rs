//! What becomes of backups that are not completed, and of who comes too early.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::folder::fill;
use rustix::process::{Pid, Signal, kill_process};

use super::{Place, messages, text};

#[test]
fn a_failed_backup_is_in_error_and_says_why() -> Result<()> {
    let place = Place::open()?;
    fail(&place)
}

/// A database that is none.
pub fn fail(place: &Place) -> Result<()> {
    fs::write(
        place.site.path("app/broken.db"),
        "this is no database at all, whatever it is called",
    )?;
    let failed = place.lockgate.run(&["--json", "backup", "-l", "nightly", "shop"])?;
    ensure!(failed.code.is_some_and(|code| code > 1), "{failed:?}");
    let told = messages(&failed, "exit_error")?;
    let told = told.first().context("no exit_error")?;
    ensure!(text(told, "message")?.contains("broken.db"), "{told}");
    let listed = messages(&place.lockgate.ok(&["--json", "list"])?, "backup")?;
    let backup = listed.first().context("it is not listed")?;
    ensure!(backup["state"] == "ERROR" && backup["snapshot"].is_null(), "{backup}");
    ensure!(text(&backup["error"], "detail")?.contains("broken.db"), "{backup}");
    ensure!(backup["component_status"]["pictures"]["state"] == "ERROR", "{backup}");
    let id = text(backup, "id")?;
    let shown = place.lockgate.ok(&["show", id])?.stdout;
    ensure!(shown.contains("state    ERROR") && shown.contains("error    "), "{shown}");
    let restore = place.lockgate.run(&["restore", id])?;
    ensure!(
        restore.code == Some(20) && restore.error_line().contains("not completed"),
        "{restore:?}"
    );
    place.lockgate.ok(&["delete", id])?;
    ensure!(place.lockgate.ok(&["list"])?.stdout.is_empty());
    Ok(())
}

/// A backup that takes its time, and has begun.
fn begun(place: &Place) -> Result<Child> {
    fill(&place.site.path("pictures"), 3000, 60 << 20, 7)?;
    let mut command = place.lockgate.command(&["--json", "backup", "--label", "nightly", "shop"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    let mut line = String::new();
    while !line.contains("\"RUNNING\"") {
        line.clear();
        ensure!(output.read_line(&mut line)? > 0, "it ended before it ran");
    }
    // What it prints from now on is read, so that it does not wait.
    std::thread::spawn(move || output.lines().map_while(std::result::Result::ok).last());
    Ok(child)
}

fn signal(child: &Child, signal: Signal) -> Result<()> {
    let id = Pid::from_raw(i32::try_from(child.id())?).context("no process")?;
    Ok(kill_process(id, signal)?)
}

#[test]
fn one_process_works_with_the_state_and_the_second_hears_of_it() -> Result<()> {
    let place = Place::open()?;
    let mut first = begun(&place)?;
    signal(&first, Signal::STOP)?;
    let second = place.lockgate.run(&["list"]);
    signal(&first, Signal::CONT)?;
    let second = second?;
    ensure!(second.code == Some(11), "{second:?}");
    ensure!(second.error_line().contains("--server"), "no next step: {second:?}");
    ensure!(first.wait()?.success(), "the first one failed");
    ensure!(place.lockgate.ok(&["list"])?.stdout.contains("READY"));
    Ok(())
}

#[test]
fn a_backup_whose_process_was_killed_is_in_error() -> Result<()> {
    let place = Place::open()?;
    let mut killed = begun(&place)?;
    killed.kill()?;
    killed.wait()?;
    // The workers let go of nothing that counts; the state is free at once.
    let listed = messages(&place.lockgate.ok(&["--json", "list"])?, "backup")?;
    let backup = listed.first().context("it is not listed")?;
    ensure!(backup["state"] == "ERROR", "{backup}");
    ensure!(text(&backup["error"], "detail")?.contains("ended before"), "{backup}");
    let again = place.back_up("nightly")?;
    ensure!(again["state"] == "READY", "{again}");
    Ok(())
}

#[test]
fn who_stops_a_backup_finds_it_in_error_and_nothing_half_done() -> Result<()> {
    let place = Place::open()?;
    let mut first = begun(&place)?;
    signal(&first, Signal::INT)?;
    let ended = first.wait()?;
    ensure!(ended.code() == Some(130), "{ended}");
    let jobs = messages(&place.lockgate.ok(&["--json", "jobs"])?, "job")?;
    ensure!(jobs.first().is_some_and(|job| job["state"] == "CANCELLED"), "{jobs:?}");
    ensure!(place.lockgate.ok(&["list"])?.stdout.contains("ERROR"));
    ensure!(place.snapshots()? == 0, "half a backup was kept");
    Ok(())
}

#[test]
fn plain_snapshots_stay_what_they_are() -> Result<()> {
    let place = Place::open()?;
    let plain = place.lockgate.summary(&["backup", "shop"])?;
    ensure!(plain["snapshot_id"].is_string() && plain["id"].is_null(), "{plain}");
    ensure!(place.lockgate.ok(&["list"])?.stdout.is_empty(), "a plain snapshot has an id");
    place.write("second")?;
    let several =
        ["restore", "latest", "--source", "pictures", "--source", "database", "--overwrite"];
    place.lockgate.ok(&several)?;
    ensure!(place.words()? == [super::FIRST; 2], "{:?}", place.words()?);
    let target = place.site.text("elsewhere");
    for (wrong, expected) in [
        (&["backup", "--maintenance", "shop"][..], "--label"),
        (&["backup", "--label", "abc", "--part", "x", "shop"], "--part is of plain snapshots"),
        (&["backup", "--label", "abc", "--detach", "shop"], "--server"),
        (&["restore", "latest", "--without-stability"], "--without-stability"),
        (
            &["restore", "latest", "--source", "pictures,database", "--target", &target],
            "--target is of",
        ),
        (&["prune", "--server", "https://127.0.0.1:1"], "--server"),
        (&["list", "--server", "http://10.0.0.1"], "TLS"),
    ] {
        let refused = place.lockgate.run(wrong)?;
        ensure!(refused.code == Some(2) && refused.error_line().contains(expected), "{refused:?}");
    }
    let nobody = place.lockgate.run(&["list", "--server", "http://127.0.0.1:1"])?;
    ensure!(nobody.code == Some(13), "{nobody:?}");
    Ok(())
}
