//! What other users of the machine see of a mount, and what is seen of snapshots that others wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use lockgate_tests::{Site, folder, tree};

use crate::bed::{Mounted, backed_up, can_mount};

/// One that owns nothing here.
const NOBODY: u32 = 65_534;

/// Whether another user can list the folder.
fn is_listed_by_others(folder: &Path) -> Result<bool> {
    let mut command = Command::new("ls");
    let output = command.arg(folder).uid(NOBODY).gid(NOBODY).output()?;
    Ok(output.status.success())
}

#[test]
fn others_see_nothing_unless_they_are_let_and_then_what_modes_let_them() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = backed_up(|data| Ok(fs::write(data.join("plain"), "plain")?))?;
    fs::set_permissions(site.path(""), fs::Permissions::from_mode(0o755))?;
    let mounted = Mounted::new(&site, &[])?;
    ensure!(!is_listed_by_others(&mounted.point)?);
    mounted.end()?;
    let mounted = Mounted::new(&site, &["--allow-other"])?;
    ensure!(is_listed_by_others(&mounted.point.join("snapshots/latest"))?);
    // The folder of the source was made up, and is root's alone.
    ensure!(!is_listed_by_others(&mounted.point.join("snapshots/latest/data"))?);
    ensure!(fs::read(mounted.latest().join("plain"))? == b"plain");
    mounted.end()?;
    Ok(())
}

#[test]
fn a_snapshot_of_restic_is_seen_as_it_was_saved() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = Site::local()?;
    let data = site.path("data");
    fs::create_dir(&data)?;
    folder::oddities(&data)?;
    site.lockgate.ok(&["init"])?;
    site.restic(&["backup", "--tag", "by/restic", &site.text("data")])?;
    let mounted = Mounted::new(&site, &[])?;
    let latest = mounted.point.join("tags/by_restic/latest");
    tree::equal(&data, &latest.join(site.text("data").trim_start_matches('/')))?;
    mounted.end()?;
    Ok(())
}
