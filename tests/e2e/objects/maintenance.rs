//! What an operator takes out of service by hand stays out until the operator puts it back.

use anyhow::{Context as _, Result, ensure};

use super::{Place, messages, text};

/// Is there while `pictures` is out of service.
pub const FLAG: &str = "out-of-service";

#[test]
fn what_is_taken_out_by_hand_is_remembered_and_shown() -> Result<()> {
    let place = Place::open()?;
    take_out_and_back(&place)
}

/// The same commands, whoever does what they ask for.
pub fn take_out_and_back(place: &Place) -> Result<()> {
    let is_out = || place.site.path(FLAG).exists();
    let maintenance = |step: &str| place.lockgate.run(&["maintenance", "shop", step]);
    ensure!(place.lockgate.ok(&["maintenance"])?.stdout.is_empty());
    for _ in 0..2 {
        let entered = maintenance("enter")?;
        ensure!(entered.stdout == "pictures is out of service\n" && is_out(), "{entered:?}");
    }
    let listed = place.lockgate.ok(&["maintenance"])?.stdout;
    ensure!(
        listed.starts_with("pictures  out of service since ")
            && listed.ends_with("until `lockgate maintenance pictures leave`\n"),
        "{listed}"
    );
    let told = place.lockgate.ok(&["--json", "maintenance"])?;
    let held = messages(&told, "maintenance")?.pop().context("nothing is listed")?;
    ensure!(held["name"] == "pictures" && held["job"].is_null(), "{held}");
    ensure!(told.summary()?["out_of_service"] == 1, "{told:?}");

    // Neither a job that takes it out itself, nor one that fails, puts it back.
    let saved = place.lockgate.summary(&["backup", "--maintenance", "-l", "nightly", "shop"])?;
    ensure!(is_out(), "a backup put it back");
    let id = text(&saved, "id")?;
    ensure!(place.lockgate.run(&["restore", id])?.code == Some(20) && is_out());
    place.lockgate.ok(&["restore", id, "--overwrite"])?;
    ensure!(is_out(), "a restore put it back");
    ensure!(place.lockgate.ok(&["maintenance"])?.stdout == listed);

    for _ in 0..2 {
        let left = maintenance("leave")?;
        ensure!(left.stdout.contains("pictures is in service") && !is_out(), "{left:?}");
    }
    ensure!(place.lockgate.ok(&["maintenance"])?.stdout.is_empty());
    let jobs = messages(&place.lockgate.ok(&["--json", "jobs"])?, "job")?;
    ensure!(jobs.iter().filter(|job| job["kind"] == "maintenance").count() == 4, "{jobs:?}");
    let nothing = place.lockgate.run(&["maintenance", "database", "enter"])?;
    ensure!(nothing.code == Some(19), "{nothing:?}");
    ensure!(place.lockgate.run(&["maintenance", "shop"])?.code == Some(2));
    Ok(())
}
