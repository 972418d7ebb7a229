//! Backups whose snapshots are taken out of the repository by other ways, and come back.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Place, messages, text};

#[test]
fn a_backup_whose_snapshot_somebody_forgot_says_so_until_it_is_back() -> Result<()> {
    let place = Place::open()?;
    let first = place.back_up("nightly")?;
    let second = place.back_up("nightly")?;
    let (id, snapshot) = (text(&first, "id")?, text(&first, "snapshot")?);
    let folder = place.site.repository_folder().context("a folder")?;
    let file = folder.join("snapshots").join(snapshot);
    let kept = fs::read(&file)?;
    place.site.restic(&["forget", snapshot])?;

    let listed = messages(&place.lockgate.ok(&["--json", "list"])?, "backup")?;
    let of = |wanted: &str| listed.iter().find(|backup| backup["id"] == wanted).cloned();
    let gone = of(id).context("it is not listed")?;
    check_gone(&gone, snapshot)?;
    ensure!(of(text(&second, "id")?).context("second")?["state"] == "READY", "{listed:?}");
    let restore = place.lockgate.run(&["restore", id, "--overwrite"])?;
    ensure!(restore.code == Some(20), "{restore:?}");
    ensure!(restore.error_line().contains("is no more in repository"), "{restore:?}");

    // What was known of it is known, and it is ready again when its snapshot is.
    fs::write(&file, kept)?;
    let back = place.lockgate.summary(&["show", id])?;
    ensure!(back["state"] == "READY" && back["error"].is_null(), "{back}");
    ensure!(back["bytes"] == first["bytes"], "{back}");
    let items = |of: &Value| of["component_status"]["pictures"]["items"].clone();
    ensure!(items(&back) == items(&first) && items(&back).as_u64() > Some(0), "{back}");

    // Other tags make another snapshot of it, which is the same backup.
    place.site.restic(&["tag", "--add", "audited", snapshot])?;
    ensure!(!file.exists(), "restic kept the snapshot of that id");
    let tagged = place.lockgate.summary(&["show", id])?;
    ensure!(tagged["state"] == "READY" && tagged["snapshot"] != snapshot, "{tagged}");
    place.write("second")?;
    place.lockgate.ok(&["restore", id, "--overwrite"])?;
    ensure!(place.words()? == [super::FIRST; 2], "{:?}", place.words()?);

    // One that is gone can be deleted.
    place.site.restic(&["forget", text(&tagged, "snapshot")?])?;
    check_gone(&place.lockgate.summary(&["show", id])?, text(&tagged, "snapshot")?)?;
    place.lockgate.ok(&["delete", id])?;
    ensure!(place.lockgate.run(&["show", id])?.code == Some(16));
    Ok(())
}

fn check_gone(backup: &Value, snapshot: &str) -> Result<()> {
    ensure!(backup["state"] == "ERROR" && backup["snapshot"] == snapshot, "{backup}");
    let detail = text(&backup["error"], "detail")?;
    let expected = format!("its snapshot {} is no more in repository ", &snapshot[..8]);
    ensure!(detail.starts_with(&expected) && backup["error"]["type"] == "not-found", "{backup}");
    ensure!(backup["component_status"]["database"]["state"] == "ERROR", "{backup}");
    Ok(())
}

#[test]
fn a_repository_that_cannot_be_reached_changes_nothing() -> Result<()> {
    let place = Place::open()?;
    let made = place.back_up("nightly")?;
    let folder = place.site.repository_folder().context("a folder")?.to_owned();
    let away = folder.with_extension("away");
    fs::rename(&folder, &away)?;
    let listed = place.lockgate.ok(&["list"])?;
    ensure!(listed.stdout.contains("READY") && !listed.stdout.contains("ERROR"), "{listed:?}");
    ensure!(listed.stderr.contains("shown as they were when last seen"), "{listed:?}");
    // Nor does one that is somebody else's, or that has another password.
    place.lockgate.clone().with("LOCKGATE_PASSWORD", "another one").ok(&["init"])?;
    ensure!(place.lockgate.summary(&["show", text(&made, "id")?])?["state"] == "READY");
    fs::remove_dir_all(&folder)?;
    fs::rename(&away, &folder)?;
    let shown = place.lockgate.ok(&["show", text(&made, "id")?])?;
    ensure!(shown.stdout.contains("state    READY") && shown.stderr.is_empty(), "{shown:?}");
    Ok(())
}
