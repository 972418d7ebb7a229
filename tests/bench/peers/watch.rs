//! Memory of a program with everything that it starts.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// The most that the processes below `root` had in memory at the same time, in MiB. Pages of files count once, because the
/// processes of a program share them.
pub fn peak_mib(root: u32, is_over: &AtomicBool) -> f64 {
    let mut peak = 0.0_f64;
    while !is_over.load(Ordering::Relaxed) {
        let mut seen = HashSet::new();
        below(root, &mut seen);
        let parts: Vec<(f64, f64)> = seen.into_iter().map(resident_kib).collect();
        let own: f64 = parts.iter().map(|(own, _)| own).sum();
        let shared = parts.iter().map(|(_, shared)| *shared).fold(0.0, f64::max);
        peak = peak.max(own + shared);
        std::thread::sleep(INTERVAL);
    }
    peak / 1024.0
}

fn below(process: u32, seen: &mut HashSet<u32>) {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return };
    for thread in threads.flatten() {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|text| text.parse().ok()) {
            if seen.insert(child) {
                below(child, seen);
            }
        }
    }
}

/// What a process has of its own, and what it may share.
fn resident_kib(process: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let value = |key: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.unwrap_or(0.0)
    };
    (value("RssAnon:"), value("RssFile:") + value("RssShmem:"))
}
