//! Many at once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use futures::future::try_join_all;
use serde_json::json;

use crate::client::{Client, id};
use crate::events::check_whole;
use crate::stage::{Stage, files};
use crate::wait;

const JOBS: usize = 20;
const CLIENTS: usize = 200;
/// More would mean that what is told to listeners is kept for each of them.
const MEMORY_KIB_MAX: u64 = 1 << 20;

#[test]
fn two_hundred_clients_hear_every_event_of_twenty_jobs() -> Result<()> {
    wait(async {
        let settings = "jobs = 20\nrequests-per-minute = 1000000";
        let folders = tempfile::tempdir()?;
        let mut sources = String::new();
        for number in 0..JOBS {
            let folder = folders.path().join(number.to_string());
            lockgate_tests::folder::fill(&folder, 200, 4 << 20, number as u64)?;
            sources.push_str(&files(&folder.display().to_string(), &format!("s{number}")));
        }
        let stage = Stage::open(settings, &sources)?;
        let boss = stage.client("boss");
        let begin = |number: usize| {
            let (boss, request) = (boss.clone(), json!({ "name": format!("s{number}") }));
            async move { id(&boss.post("/backups", &request).await?) }
        };
        let jobs: Vec<String> = try_join_all((0..JOBS).map(begin)).await?;
        // Every listener reads all jobs, one behind the other: those that have ended meanwhile from the store.
        let listen = |number: usize| hear_all(stage.client("viola"), &jobs, number);
        let heard = try_join_all((0..CLIENTS).map(listen)).await?;
        let counts: Vec<usize> = heard.iter().map(|heard| heard.events).collect();
        ensure!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
        let mut latencies: Vec<Duration> = heard.into_iter().flat_map(|it| it.answers).collect();
        latencies.sort();
        let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
        println!(
            "{CLIENTS} clients, {JOBS} jobs: {} events each; first byte of {} streams: p50 {:?}, p99 {:?}, most {:?}",
            counts[0],
            latencies.len(),
            at(50),
            at(99),
            at(100)
        );
        let memory = peak_kib(stage.process()?)?;
        println!("memory of the service at its peak: {} MiB", memory >> 10);
        ensure!(memory < MEMORY_KIB_MAX, "{memory} KiB");
        Ok(())
    })
}

struct Heard {
    events: usize,
    answers: Vec<Duration>,
}

/// Begins with the job of that number, so that all are listened to at once.
async fn hear_all(client: Client, jobs: &[String], first: usize) -> Result<Heard> {
    let mut heard = Heard { events: 0, answers: Vec::new() };
    for at in 0..jobs.len() {
        let job = &jobs[(first + at) % jobs.len()];
        let asked = Instant::now();
        let events = client.events(&format!("/jobs/{job}/events"), None).await?;
        heard.answers.push(asked.elapsed());
        let told: Vec<_> = events.collect().await;
        let told: Vec<_> = told.into_iter().collect::<Result<_>>()?;
        let told: Vec<_> = told.into_iter().filter(|told| told.id.is_some()).collect();
        check_whole(&told).with_context(|| format!("job {job}"))?;
        heard.events += told.len();
    }
    Ok(heard)
}

/// The most memory that a process had, in KiB.
fn peak_kib(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
