//! A backup is found again when its snapshot has another id.

use anyhow::{Context as _, Result, ensure};

use super::{FIRST, Place, text};

#[test]
fn a_backup_survives_other_tags_of_its_snapshot() -> Result<()> {
    let place = Place::open()?;
    let summary = place.back_up("nightly")?;
    let (id, snapshot) = (text(&summary, "id")?, text(&summary, "snapshot")?);
    // The second change takes also the tag away by which the snapshot says whose it is.
    place.lockgate.ok(&["tag", "--add", "checked", snapshot])?;
    place.lockgate.ok(&["tag", "--set", "mine", "latest"])?;
    let listed = place.lockgate.ok(&["snapshots"])?.stdout;
    ensure!(!listed.contains(snapshot.get(..8).context("an id")?), "{listed}");

    place.write("later")?;
    place.lockgate.ok(&["restore", id, "--overwrite"])?;
    ensure!(place.words()? == [FIRST, FIRST], "{:?}", place.words()?);
    place.lockgate.ok(&["pin", "latest"])?;
    let pinned = place.lockgate.run(&["delete", id])?;
    ensure!(pinned.code == Some(20) && pinned.stderr.contains("unpin"), "{pinned:?}");
    place.lockgate.ok(&["unpin", "latest"])?;
    place.lockgate.ok(&["delete", id])?;
    ensure!(place.snapshots()? == 0, "the snapshot went with its backup");
    Ok(())
}
