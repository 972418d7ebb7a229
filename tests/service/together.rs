//! Twenty jobs that run at the same time, of real datastores among them: what that needs, and what others notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use lockgate_conformance::random::Random;
use lockgate_conformance::running::resident_kib;
use lockgate_servers::{Etcd, EtcdRelease, Redis, Sqlite};
use lockgate_tests::bank::{self, Bank};
use serde_json::json;
use tempfile::TempDir;

use crate::client::{Client, id};
use crate::events::{all, check_whole};
use crate::stage::{Stage, files};
use crate::wait;

const JOBS: usize = 20;
/// Sources that are no folders.
const SERVERS: usize = 6;
/// What each job stores in a second, so that all are in the middle of their work at the same time.
const UPLOAD_KIB: u64 = 256;
const MEMORY_PERIOD: Duration = Duration::from_millis(200);
const LATENCY_PERIOD: Duration = Duration::from_millis(50);
/// Each job may hold `write.memory-mib`, which is set to this, and has a worker.
const JOB_MEMORY_MIB: u64 = 64;
const MEMORY_MIB_MAX: u64 = 2 * (JOB_MEMORY_MIB + 32) * JOBS as u64;

/// Bytes in each datastore: 3 MiB, or 64 MiB at the full size.
fn bytes() -> u64 {
    match std::env::var("LOCKGATE_TEST_SCALE").as_deref() {
        Ok("full") => 64 << 20,
        _ => 3 << 20,
    }
}

/// What is backed up, as long as it lives.
struct Datastores {
    folders: TempDir,
    bank: Bank,
    caches: [Redis; 2],
    settings: Etcd,
    databases: [Sqlite; 2],
}

impl Datastores {
    fn open() -> Result<Self> {
        let all = Self {
            folders: TempDir::new()?,
            bank: Bank::open(1000)?,
            caches: [Redis::start()?, Redis::start()?],
            settings: Etcd::start(EtcdRelease::V3_4)?,
            databases: [Sqlite::start()?, Sqlite::start()?],
        };
        let count = bytes() >> 10;
        all.bank.server.sql(&format!(
            "CREATE TABLE bank.random (id INT PRIMARY KEY, v BLOB); INSERT INTO bank.random SELECT seq, RANDOM_BYTES(1024) FROM bank.seq_1_to_{count}"
        ))?;
        for database in &all.databases {
            database.sql("shop.db", &format!("CREATE TABLE random (v BLOB); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) INSERT INTO random SELECT randomblob(1024) FROM n;"))?;
        }
        let mut random = Random::new(20);
        for cache in &all.caches {
            let value = |random: &mut Random| hexadecimal(&random.bytes(1024));
            let lines = (0..count).map(|key| format!("SET key:{key} {}\n", value(&mut random)));
            cache.script(&lines.collect::<String>())?;
        }
        for key in 0..30 {
            all.settings.ctl(&[
                "put",
                &format!("/{key}"),
                &hexadecimal(&random.bytes(50 << 10)),
            ])?;
        }
        for number in 0..JOBS - SERVERS {
            let folder = all.folders.path().join(number.to_string());
            lockgate_tests::folder::fill(&folder, 50, bytes(), number as u64)?;
        }
        Ok(all)
    }

    /// As sources of a configuration, named `s0` and so on.
    fn sources(&self, secret: &str) -> String {
        let mut text = bank::source("s0", self.bank.server.port, secret);
        for (number, cache) in (1..).zip(&self.caches) {
            text.push_str(&format!("[sources.s{number}]\nplugin = \"redis\"\nendpoints.server = {{ address = \"127.0.0.1:{}\", encryption = \"off\" }}\n", cache.port));
        }
        text.push_str(&format!("[sources.s3]\nplugin = \"etcd\"\nendpoints.server = {{ address = \"{}\", encryption = \"off\" }}\n", self.settings.address));
        for (number, database) in (4..).zip(&self.databases) {
            text.push_str(&format!("[sources.s{number}]\nplugin = \"sqlite\"\nfolders.data = {{ path = \"{}\", access = \"read-write\", locks = true }}\n", database.data().display()));
        }
        for number in 0..JOBS - SERVERS {
            let folder = self.folders.path().join(number.to_string());
            text.push_str(&files(&folder.display().to_string(), &format!("s{}", number + SERVERS)));
        }
        text
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn twenty_jobs_of_real_datastores_run_at_once() -> Result<()> {
    wait(async {
        let datastores = Datastores::open()?;
        let secret = datastores.folders.path().join("secret");
        std::fs::write(&secret, bank::BACKUP_PASSWORD)?;
        let sources = datastores.sources(&secret.display().to_string());
        let mut stage = Stage::closed("jobs = 20\nrequests-per-minute = 1000000", &sources)?;
        let path = stage.site.path("config.toml");
        let slow = format!(
            "[repositories.main]\nlimit-upload-kib = {UPLOAD_KIB}\nwrite = {{ memory-mib = {JOB_MEMORY_MIB}, pack-mib = 4 }}\n"
        );
        let text = std::fs::read_to_string(&path)?.replace("[repositories.main]\n", &slow);
        std::fs::write(&path, text)?;
        stage.serve()?;
        let memory = Memory::watch(stage.process()?);
        let idle = resident_kib(stage.process()?);
        let boss = stage.client("boss");
        let begun = Instant::now();
        let begin = |number: usize| {
            let (boss, request) = (boss.clone(), json!({ "name": format!("s{number}") }));
            async move { id(&boss.post("/backups", &request).await?) }
        };
        let jobs: Vec<String> = try_join_all((0..JOBS).map(begin)).await?;
        let heard = try_join_all(jobs.iter().map(|job| all(&boss, job, None)));
        let (heard, seen) = tokio::try_join!(heard, look_on(stage.client("viola"), &jobs))?;
        let took = begun.elapsed();
        // Whoever listened from the first event heard all that is stored, in order.
        for (job, told) in jobs.iter().zip(&heard) {
            check_whole(told).with_context(|| format!("job {job}"))?;
            let stored = all(&boss, job, None).await?;
            ensure!(stored.len() == told.len(), "{} events of {}", told.len(), stored.len());
        }
        let peak = memory.peak_mib();
        let events: usize = heard.iter().map(Vec::len).sum();
        println!(
            "{JOBS} jobs in {took:?}, {} at once; {events} events, none lost; answers meanwhile: {}, p50 {:?}, p99 {:?}, most {:?}; \
             memory with workers: {} MiB idle, {peak} MiB at the peak",
            seen.at_once,
            seen.answers.len(),
            seen.at(50),
            seen.at(99),
            seen.at(100),
            idle >> 10
        );
        ensure!(seen.at_once == JOBS, "only {} ran at once", seen.at_once);
        ensure!(peak < MEMORY_MIB_MAX, "{peak} MiB");
        let ready = boss.get("/backups?state=READY").await?;
        ensure!(ready.as_array().is_some_and(|all| all.len() == JOBS), "{ready}");
        stage.terminate()?;
        stage.site.restic_check()
    })
}

/// What somebody saw who asked all the time.
struct Seen {
    at_once: usize,
    answers: Vec<Duration>,
}

impl Seen {
    fn at(&self, percent: usize) -> Duration {
        self.answers[(self.answers.len() - 1) * percent / 100]
    }
}

/// Asks what runs until everything has ended.
async fn look_on(client: Client, jobs: &[String]) -> Result<Seen> {
    let mut seen = Seen { at_once: 0, answers: Vec::new() };
    loop {
        let asked = Instant::now();
        let listed = client.get("/jobs?limit=100").await?;
        seen.answers.push(asked.elapsed());
        let listed = listed.as_array().context("no list")?;
        let of = |state: &str| listed.iter().filter(|job| job["state"] == state).count();
        seen.at_once = seen.at_once.max(of("RUNNING"));
        if of("QUEUED") + of("RUNNING") == 0 {
            ensure!(of("DONE") == jobs.len(), "{listed:?}");
            seen.answers.sort();
            return Ok(seen);
        }
        tokio::time::sleep(LATENCY_PERIOD).await;
    }
}

/// The most memory that a process had together with its children.
struct Memory {
    peak_kib: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Memory {
    fn watch(process: u32) -> Self {
        let memory = Self { peak_kib: Arc::default(), is_over: Arc::default() };
        let (peak_kib, is_over) = (Arc::clone(&memory.peak_kib), Arc::clone(&memory.is_over));
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                peak_kib.fetch_max(resident_kib(process), Ordering::Relaxed);
                std::thread::sleep(MEMORY_PERIOD);
            }
        });
        memory
    }

    fn peak_mib(&self) -> u64 {
        self.peak_kib.load(Ordering::Relaxed) >> 10
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
