//! Resident memory of host and worker together, sampled while they run.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::running::Running;
use lockgate_tests::{Lockgate, Site, command};
use serde_json::Value;

use crate::scaled;

/// Host and worker together, in MiB.
const RESIDENT_MIB_MAX: u64 = 512;
/// Time for one command at full size.
const TIME_MAX: Duration = Duration::from_secs(3600);

/// Runs to the end and gives the highest memory that was seen, in MiB.
pub fn peak_mib(lockgate: &Lockgate, arguments: &[&str]) -> Result<u64> {
    let ended = Running::start(lockgate, arguments)?.wait(TIME_MAX)?;
    ensure!(ended.outcome.code == Some(0), "lockgate {}: {:?}", arguments.join(" "), ended.outcome);
    Ok(ended.peak_memory >> 20)
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
    let parts = summary.pointer("/manifests/0/parts").and_then(Value::as_array).context("parts")?;
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
