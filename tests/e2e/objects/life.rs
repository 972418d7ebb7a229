//! The life of a backup, from its label to its end.

use anyhow::{Context as _, Result, ensure};

use super::{FIRST, Place, messages, text};

#[test]
fn a_backup_lives_under_its_id_until_it_is_deleted() -> Result<()> {
    let place = Place::open()?;
    live(&place)
}

/// The same commands, whoever does what they ask for.
pub fn live(place: &Place) -> Result<()> {
    let id = made(place)?;
    looked_at(place, &id)?;
    restored(place, &id)?;
    deleted(place, &id)
}

fn made(place: &Place) -> Result<String> {
    for bad in ["ab", "..up", "with space", "twenty-six-characters-long"] {
        let refused = place.lockgate.run(&["backup", "--label", bad, "shop"])?;
        ensure!(
            refused.code == Some(2) && refused.stderr.contains("is not a label"),
            "{refused:?}"
        );
    }
    let unknown = place.lockgate.run(&["backup", "--label", "nightly", "nobody"])?;
    ensure!(unknown.code == Some(2) && unknown.error_line().contains("nobody"), "{unknown:?}");
    let summary = place.back_up("nightly")?;
    ensure!(summary["state"] == "READY" && summary["set"] == "shop", "{summary}");
    ensure!(summary["partial"] == false && summary["label"] == "nightly", "{summary}");
    for source in ["pictures", "database"] {
        let status = &summary["component_status"][source];
        ensure!(status["state"] == "READY" && status["items"].as_u64() > Some(0), "{summary}");
    }
    let id = text(&summary, "id")?.to_owned();
    let uuid = id.strip_prefix("nightly-").context("the id does not begin with the label")?;
    ensure!(uuid.len() == 36, "{id}");
    ensure!(place.snapshots()? == 1, "one backup of a set is one snapshot");
    Ok(id)
}

fn looked_at(place: &Place, id: &str) -> Result<()> {
    let second = place.lockgate.ok(&["backup", "--label", "by-hand", "pictures"])?;
    ensure!(second.stdout.starts_with("backup by-hand-"), "{second:?}");
    let listed = place.lockgate.ok(&["list"])?.stdout;
    let lines: Vec<&str> = listed.lines().collect();
    ensure!(lines.len() == 2 && lines[0].contains("by-hand-"), "not the newest first: {listed}");
    ensure!(lines[1].contains(id) && lines[1].contains("READY"), "{listed}");
    let of_label = place.lockgate.ok(&["--json", "list", "nightly"])?;
    let found = messages(&of_label, "backup")?;
    ensure!(found.len() == 1 && found[0]["id"] == id, "{of_label:?}");
    ensure!(of_label.summary()?["backups"] == 1, "{of_label:?}");
    ensure!(place.lockgate.ok(&["list", "other"])?.stdout.is_empty());

    let shown = place.lockgate.ok(&["show", id])?.stdout;
    for expected in ["state    READY", "set      shop", "  pictures\n", "  database\n"] {
        ensure!(shown.contains(expected), "no {expected:?} in {shown}");
    }
    let details = place.lockgate.summary(&["show", id])?;
    ensure!(details["component_status"]["database"]["state"] == "READY", "{details}");
    // The snapshot is one as any other, and says whose it is.
    let snapshot = place.site.lockgate.ok(&["show", text(&details, "snapshot")?])?.stdout;
    ensure!(snapshot.contains(&format!("backup:{id}")), "{snapshot}");

    let jobs = place.lockgate.ok(&["--json", "jobs"])?;
    let job = messages(&jobs, "job")?.into_iter().find(|job| job["backup"] == id);
    let job = job.with_context(|| format!("no job of {id}: {jobs:?}"))?;
    ensure!(job["kind"] == "backup" && job["state"] == "DONE", "{job}");
    let followed = place.lockgate.ok(&["--json", "jobs", "follow", text(&job, "id")?])?;
    let numbers: Vec<u64> =
        messages(&followed, "event")?.iter().filter_map(|event| event["number"].as_u64()).collect();
    let stored: Vec<u64> = numbers.into_iter().filter(|number| *number > 0).collect();
    ensure!(stored.len() > 3 && stored.iter().copied().eq(1..=stored.len() as u64), "{stored:?}");
    let unknown = place.lockgate.run(&["jobs", "show", "0190a2f6-0000-7000-8000-000000000000"])?;
    ensure!(unknown.code == Some(16), "{unknown:?}");
    Ok(())
}

fn restored(place: &Place, id: &str) -> Result<()> {
    place.write("second")?;
    let plan = place.lockgate.ok(&["restore", id, "--dry-run", "--overwrite"])?;
    ensure!(plan.stdout.contains("source database, saved by sqlite "), "{plan:?}");
    ensure!(plan.stdout.contains("nothing was changed"), "{plan:?}");
    let refused = place.lockgate.run(&["restore", id])?;
    ensure!(refused.code == Some(20), "{refused:?}");
    ensure!(place.words()? == ["second", "second"], "something was changed");

    let all = place.lockgate.summary(&["restore", id, "--overwrite"])?;
    ensure!(place.words()? == [FIRST, FIRST], "{:?}", place.words()?);
    ensure!(all["component_status"]["pictures"]["state"] == "READY", "{all}");
    ensure!(all["warnings"].as_array().is_some_and(Vec::is_empty), "{all}");

    place.write("third")?;
    let one = place.lockgate.ok(&["restore", id, "--source", "pictures", "--overwrite"])?;
    ensure!(one.stderr.contains("may disagree afterwards"), "no warning: {one:?}");
    ensure!(place.words()? == [FIRST, "third"], "{:?}", place.words()?);
    let both =
        ["restore", id, "--source", "pictures,database", "--overwrite", "--disaster-recovery"];
    let both = place.lockgate.ok(&both)?;
    ensure!(!both.stderr.contains("disagree"), "{both:?}");
    ensure!(place.words()? == [FIRST, FIRST], "{:?}", place.words()?);
    let unknown = place.lockgate.run(&["restore", id, "--source", "nobody"])?;
    ensure!(unknown.code == Some(16), "{unknown:?}");
    let shown = place.lockgate.ok(&["show", id])?.stdout;
    ensure!(shown.contains("state    READY") && shown.contains("restored from "), "{shown}");
    Ok(())
}

fn deleted(place: &Place, id: &str) -> Result<()> {
    let deleted = place.lockgate.summary(&["delete", id])?;
    ensure!(deleted["deleted"] == id, "{deleted}");
    ensure!(place.snapshots()? == 1, "the snapshot of the other backup alone is left");
    ensure!(!place.lockgate.ok(&["list"])?.stdout.contains(id));
    for gone in [&["show", id][..], &["delete", id], &["restore", id]] {
        let outcome = place.lockgate.run(gone)?;
        ensure!(outcome.code == Some(16), "{gone:?}: {outcome:?}");
        ensure!(outcome.error_line().contains("`lockgate list`"), "no next step: {outcome:?}");
    }
    Ok(())
}
