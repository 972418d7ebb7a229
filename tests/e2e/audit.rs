//! The record of what plugins were allowed, tried and did not get.

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::Site;

#[test]
fn the_audit_log_tells_what_happened_and_shows_a_change() -> Result<()> {
    let site = Site::local()?;
    std::fs::create_dir(site.path("data"))?;
    std::fs::write(site.path("data/file"), "a file")?;
    let lockgate = site.lockgate.clone().with("LOCKGATE_AUDIT", site.path("audit.jsonl"));
    ensure!(
        lockgate.run(&["audit", "show"])?.code == Some(16),
        "there is no log before the first run"
    );
    lockgate.ok(&["init"])?;
    lockgate.ok(&["backup", "--folder", &site.text("data")])?;
    let failed = lockgate.run(&["restore", "latest", "--target", &site.text("data/file/below")])?;
    ensure!(failed.code == Some(1), "{failed:?}");

    let shown = lockgate.ok(&["audit", "show"])?.stdout;
    let lines: Vec<&str> = shown.lines().collect();
    for (line, words) in
        lines.iter().zip(["backup began", "was let in", "completed", "restore began", "failed"])
    {
        ensure!(line.contains(words), "{line} does not say {words}");
    }
    ensure!(lines.len() == 5, "{shown}");
    let grant = format!("read folder data at {}", site.text("data"));
    ensure!(lines.get(1).is_some_and(|line| line.contains(&grant)), "{shown}");
    let of_other = lockgate.ok(&["audit", "show", "--source", "files"])?.stdout;
    ensure!(of_other.lines().count() == 2, "{of_other}");

    let head = lockgate.summary(&["audit", "verify"])?;
    let head = head["head"].as_str().context("a head")?.to_owned();
    lockgate.ok(&["backup", "--folder", &site.text("data")])?;
    lockgate.ok(&["audit", "verify", "--holds", &head])?;

    let path = site.path("audit.jsonl");
    let whole = std::fs::read_to_string(&path)?;
    std::fs::write(&path, whole.replacen("completed", "Completed", 1))?;
    let changed = lockgate.run(&["audit", "verify"])?;
    ensure!(
        changed.code == Some(15) && changed.error_line().contains("line 4 does not follow"),
        "{changed:?}"
    );
    std::fs::write(
        &path,
        whole.lines().take(3).map(|line| format!("{line}\n")).collect::<String>(),
    )?;
    lockgate.ok(&["audit", "verify"])?;
    let cut = lockgate.run(&["audit", "verify", "--holds", &head])?;
    ensure!(cut.code == Some(15), "{cut:?}");
    Ok(())
}

#[test]
fn what_cannot_be_recorded_does_not_run_where_the_log_was_named() -> Result<()> {
    let site = Site::local()?;
    std::fs::create_dir(site.path("data"))?;
    let lockgate = site.lockgate.clone().with("LOCKGATE_AUDIT", "/dev/full");
    lockgate.ok(&["init"])?;
    let refused = lockgate.run(&["backup", "--folder", &site.text("data"), "--allow-shrink"])?;
    ensure!(
        refused.code == Some(1) && refused.error_line().contains("audit log /dev/full"),
        "{refused:?}"
    );
    ensure!(site.lockgate.ok(&["snapshots"])?.stdout.lines().count() <= 1, "a snapshot was made");
    Ok(())
}
