//! A repository that has become old.

use std::fs;
use std::time::Instant;

use anyhow::{Result, ensure};
use lockgate_tests::random::Random;
use lockgate_tests::{Site, folder};

use crate::memory::peak_mib;
use crate::scaled;

const FILES: u64 = 2_000;
/// One of so many files is another one in each snapshot.
const CHANGED: u64 = 20;
/// What many snapshots may take more than two, in MiB: their index files and themselves are read.
const GROWTH_MIB_MAX: u64 = 16;

#[test]
fn the_hundredth_snapshot_needs_what_the_second_needed() -> Result<()> {
    let site = Site::local()?;
    let data = site.path("data");
    folder::fill(&data, FILES, FILES << 12, 51)?;
    site.lockgate.ok(&["init"])?;
    let (count, mut random, mut seen) = (scaled(100), Random::new(52), Vec::new());
    for number in 1..=count {
        let start = Instant::now();
        let peak = peak_mib(&site.lockgate, &["backup", "--folder", &site.text("data")])?;
        seen.push((start.elapsed(), peak));
        for file in (number % CHANGED..FILES).step_by(CHANGED as usize) {
            fs::write(folder::file(&data, file), random.bytes(4 << 10))?;
        }
    }
    for number in [2, count / 2, count] {
        let (time, peak) = seen[number as usize - 1];
        println!("snapshot {number} of {count}: {time:.2?}, {peak} MiB");
    }
    let (second, last) = (seen[1].1, seen[count as usize - 1].1);
    ensure!(last <= second + GROWTH_MIB_MAX, "{second} MiB for the second, {last} for the last");
    site.restic_check()
}
