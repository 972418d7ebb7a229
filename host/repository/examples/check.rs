//! Measures what checking costs: `check URL PASSWORD [all]` checks a repository, reading all packs with `all`, and prints
//! what it found, MB per second, CPU time and the peak of resident memory.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lockgate_repository::{CheckOptions, ReadData, Repository};
use lockgate_storage::{Storage, StorageOptions, StorageUrl};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url: StorageUrl = arguments.next().context("URL")?.parse()?;
    let password = arguments.next().context("PASSWORD")?;
    let storage = Storage::open(&url, &StorageOptions::default())?;
    let repository = Repository::open(storage, &password).await?;
    let mut options = CheckOptions::default();
    options.read_data = arguments.next().map_or(Ok(ReadData::None), |text| text.parse())?;
    let begin = Instant::now();
    let report = repository.check(options).await?;
    let wall = begin.elapsed();
    for finding in &report.findings {
        println!("{finding}");
    }
    println!(
        "{} snapshots, {} trees, {} packs, {} blobs: {} damages; read {} MB in {:.2} s ({:.0} MB/s), {:.2} s CPU, peak {} MiB",
        report.snapshots,
        report.trees,
        report.packs,
        report.blobs,
        report.critical,
        report.bytes_read / 1_000_000,
        wall.as_secs_f64(),
        report.bytes_read as f64 / 1e6 / wall.as_secs_f64(),
        cpu_time()?.as_secs_f64(),
        peak_mib()?,
    );
    Ok(())
}

fn cpu_time() -> Result<Duration> {
    // Fields 14 and 15 of proc(5) are user and system time in ticks of 10 ms, counted behind the name in parentheses.
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("stat")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(Duration::from_millis(10 * ticks.sum::<Result<u64, _>>()?))
}

fn peak_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    let kib = line.trim().trim_end_matches("kB").trim();
    Ok(kib.parse::<u64>()? / 1024)
}
