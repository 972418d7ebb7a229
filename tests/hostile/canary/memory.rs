//! Memory of processes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::measure;

/// The worker of the session, once it has run code for a while without using the processor: its plugin sleeps.
pub fn sleeping_worker(host: u32) -> Result<u32> {
    let started = Instant::now();
    let mut before = BTreeMap::new();
    while started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(500));
        for worker in measure::workers(host) {
            let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
            let time: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
            let used =
                (time.get(12).map(|it| (*it).to_owned()), time.get(13).map(|it| (*it).to_owned()));
            let tasks = fs::read_dir(format!("/proc/{worker}/task")).into_iter().flatten();
            let lanes = tasks
                .flatten()
                .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
                .filter(|name| name.trim() == "lane")
                .count();
            if lanes >= 2 && before.insert(worker, used.clone()) == Some(used) {
                return Ok(worker);
            }
        }
    }
    anyhow::bail!("no worker sleeps")
}

/// Of memory, in bytes.
const PAGE: u64 = 4096;

/// All pages of a process that are there and can be read (`proc_pid_mem(5)`).
pub fn memory(process: u32) -> Result<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let file = fs::File::open(format!("/proc/{process}/mem"))?;
    let pages = fs::File::open(format!("/proc/{process}/pagemap"))?;
    let mut memory = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) =
            (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let Some((start, end)) = range.split_once('-') else { continue };
        // The program file is the same for everybody.
        if !rights.starts_with('r')
            || line.contains("[v")
            || (line.contains("/lockgate") && !rights.contains('w'))
        {
            continue;
        }
        let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
        let mut present = vec![0; usize::try_from((end - start) / PAGE * 8)?];
        pages.read_exact_at(&mut present, start / PAGE * 8)?;
        for (page, entry) in (0..).zip(present.chunks(8)) {
            // Bits 63 and 62 of a page's entry: it is in memory, or swapped out (`proc_pid_pagemap(5)`).
            if entry.last().is_some_and(|bits| bits & 0xc0 != 0) {
                let mut bytes = [0; PAGE as usize];
                if file.read_exact_at(&mut bytes, start + page * PAGE).is_ok() {
                    memory.extend_from_slice(&bytes);
                }
            }
        }
    }
    Ok(memory)
}
