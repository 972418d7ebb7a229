//! Resident memory of host and worker together, sampled while they run.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Site, command};
use serde_json::Value;

use crate::scaled;

/// Host and worker together, in MiB.
const RESIDENT_MIB_MAX: u64 = 512;

/// Resident memory of a process and its children, in KiB. A page that both map, as those of the program itself, is counted
/// once (`Pss` in `proc(5)`).
fn resident_kib(pid: u32) -> u64 {
    let own = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = own.lines().find(|line| line.starts_with("Pss:"));
    let kib = line
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    let children =
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below = children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .map(resident_kib)
        .sum::<u64>();
    kib + below
}

/// Runs to the end and gives the highest memory that was seen, in MiB.
fn peak_mib(lockgate: &lockgate_tests::Lockgate, arguments: &[&str]) -> Result<u64> {
    let mut running = lockgate.start(arguments)?;
    let mut peak = 0;
    let status = loop {
        if let Some(status) = running.try_wait()? {
            break status;
        }
        peak = peak.max(resident_kib(running.id()));
        sleep(Duration::from_millis(100));
    };
    ensure!(status.success(), "lockgate {}: {status}", arguments.join(" "));
    Ok(peak / 1024)
}

fn bulk(site: &Site, count: u64, bytes: u64) -> Result<()> {
    let plugin = command::plugins()?.with_file_name("plugins-hostile").join("hostile.wasm");
    let lockgate = site.configured(&format!(
        "[sources.bulk]\nplugin = \"{}\"\nconfig = {{ behaviour = \"bulk\", count = {count}, bytes = {bytes} }}\n",
        plugin.display()
    ))?;
    lockgate.ok(&["init"])?;
    let saving = peak_mib(&lockgate, &["backup", "bulk"])?;
    let restoring = peak_mib(&lockgate, &["restore", "latest"])?;
    println!("{count} entries of {bytes} bytes: {saving} MiB to save, {restoring} MiB to restore");
    ensure!(
        saving < RESIDENT_MIB_MAX && restoring < RESIDENT_MIB_MAX,
        "{saving} and {restoring} MiB"
    );
    let summary = lockgate.summary(&["show", "latest"])?;
    let parts = summary.pointer("/manifest/parts").and_then(Value::as_array).context("parts")?;
    let entries: u64 = parts.iter().filter_map(|part| part.get("entries")?.as_u64()).sum();
    // Each of the two parts has one small entry more.
    ensure!(entries == count + 2, "{entries} entries");
    Ok(())
}

#[test]
fn one_entry_of_ten_gibibytes_needs_little_memory() -> Result<()> {
    bulk(&Site::local()?, 1, scaled(10 << 30))
}

#[test]
fn a_million_small_entries_need_little_memory() -> Result<()> {
    bulk(&Site::local()?, scaled(1_000_000), 100)
}
