//! Prunes beside backups: none stops the other, and nothing is lost.
//!
//! `four_processes_lose_nothing` runs for some seconds; `LOCKGATE_TEST_MINUTES=60` makes it an hour. With `faketime` on the
//! machine the clocks of the processes are ten years apart on disk; S3 refuses requests whose clock is wrong, so that
//! there they are as far apart as it lets them be.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lockgate_repository::{
    CheckOptions, ErrorKind, ForgetOptions, PruneLimit, PruneOptions, ReadData, Repository,
    Snapshot, SnapshotDraft, WriteOptions,
};
use lockgate_servers::S3Server;
use lockgate_storage::{Storage, StorageOptions, StorageUrl};
use lockgate_types::EntryPath;

use crate::referee::{Bench, PASSWORD, noise, read_from, write};

/// Contents that backups are made of; few, so that backups rely on what others stored.
const CONTENTS: u64 = 24;
const CONTENT_BYTES: usize = 60_000;
const FILES: u64 = 6;
/// Snapshots that a process keeps: with more of them, reading all of them back would take longer than the run.
const KEPT_MAX: usize = 40;

fn at_once() -> PruneOptions {
    let mut options = PruneOptions::default();
    (options.keep_marked, options.check) = (Duration::ZERO, false);
    (options.max_unused, options.max_repack) = (PruneLimit::Bytes(0), PruneLimit::Unlimited);
    options
}

fn content(seed: u64) -> Vec<u8> {
    noise(seed + 1, CONTENT_BYTES)
}

fn name(seed: u64) -> String {
    format!("seed-{seed}")
}

async fn forget(repository: &Repository, snapshot: &Snapshot) {
    let mut options = ForgetOptions::default();
    options.snapshots = vec![snapshot.id.to_string()];
    repository.forget(&options).await.unwrap();
}

async fn assert_clean(repository: &Repository) {
    let mut options = CheckOptions::default();
    options.read_data = ReadData::All;
    let report = repository.check(options).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
}

/// A run that takes in what `seeds` say and waits to be committed.
async fn begin(repository: &Repository, seeds: &[u64]) -> lockgate_repository::Writer {
    let writer = repository.writer(WriteOptions::default()).await.unwrap();
    for seed in seeds {
        let bytes = content(*seed);
        let mut stream = writer.stream();
        stream.write(&mut &*bytes, bytes.len() as u64).unwrap();
        let path = EntryPath::try_from(name(*seed).as_str()).unwrap();
        stream.finish(path, lockgate_repository::Node::default()).unwrap();
    }
    writer
}

/// All files of each snapshot are what their names say; how many each has.
async fn verify(repository: &Repository, snapshots: &[&Snapshot]) -> Vec<u64> {
    // Marks do not wait a day here, so that whoever reads has to say so.
    let lock = repository.lock_shared().await.unwrap();
    let reader = repository.reader().await.unwrap();
    let mut counts = Vec::with_capacity(snapshots.len());
    for snapshot in snapshots {
        let mut found = 0;
        for seed in 0..CONTENTS {
            if let Some(bytes) = read_from(&reader, snapshot, &name(seed)).await {
                assert!(bytes == content(seed), "{} of {}", name(seed), snapshot.id);
                found += 1;
            }
        }
        counts.push(found);
    }
    lock.release().await.unwrap();
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_backup_relies_on_is_marked_and_comes_back() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let first = content(1);
    let old = write(&repository, &[("seed-1", first)]).await.unwrap();
    write(&repository, &[("seed-2", content(2))]).await.unwrap();

    // What is as young as a running backup is left alone.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let writer = begin(&repository, &[1, 3]).await;
    forget(&repository, &old).await;
    let marked = repository.prune(&at_once()).await.unwrap();
    assert!(marked.packs_marked > 0 && marked.waits_for.len() == 1, "{marked:?}");
    // Storages may count whole seconds, and the next prune is the one that could delete.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let waiting = repository.prune(&at_once()).await.unwrap();
    assert!(waiting.packs_removed == 0 && waiting.packs_waiting > 0, "{waiting:?}");

    let snapshot = writer.commit(SnapshotDraft::default()).await.unwrap();
    bench.restic_checks_clean();
    crate::rustic::check(&bench.repository_path()).unwrap();
    repository.prune(&at_once()).await.unwrap();
    repository.prune(&at_once()).await.unwrap();
    assert_eq!(verify(&repository, &[&snapshot]).await, [2]);
    assert_clean(&repository).await;
    bench.restic_checks_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_began_after_a_mark_keeps_nobody_from_deleting() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let old = write(&repository, &[("seed-1", content(1))]).await.unwrap();
    write(&repository, &[("seed-2", content(2))]).await.unwrap();
    forget(&repository, &old).await;
    assert!(repository.prune(&at_once()).await.unwrap().packs_marked > 0);
    tokio::time::sleep(Duration::from_secs(4)).await;

    // It does not rely on what is marked, and stores it again.
    let writer = begin(&repository, &[1]).await;
    let report = repository.prune(&at_once()).await.unwrap();
    assert!(report.packs_removed > 0, "{report:?}");
    let snapshot = writer.commit(SnapshotDraft::default()).await.unwrap();
    assert_eq!(verify(&repository, &[&snapshot]).await, [1]);
    bench.restic_checks_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_other_programs_nothing_is_marked_or_deleted() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let old = write(&repository, &[("seed-1", content(1))]).await.unwrap();
    write(&repository, &[("seed-2", content(2))]).await.unwrap();
    forget(&repository, &old).await;
    // restic reads from a pipe that stays open, and holds its lock meanwhile.
    let mut restic = bench.start(["backup", "--stdin", "--stdin-filename", "pipe"]);
    let until = Instant::now() + Duration::from_secs(60);
    while std::fs::read_dir(bench.repository_path().join("locks")).unwrap().count() == 0 {
        assert!(Instant::now() < until, "restic takes no lock");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let report = repository.prune(&at_once()).await.unwrap();
    let done = report.packs_marked + report.packs_repacked + report.packs_removed;
    assert_eq!((done, report.waits_for.len()), (0, 1), "{report:?}");
    std::io::Write::write_all(&mut restic.stdin.take().unwrap(), b"something").unwrap();
    assert!(restic.wait().unwrap().success());
    assert!(repository.prune(&at_once()).await.unwrap().packs_marked > 0);
    bench.restic_checks_clean();
}

/// Where the repository of the processes is, as they are told.
#[derive(Clone)]
struct Place {
    url: String,
    options: Vec<(&'static str, String)>,
}

impl Place {
    fn storage(&self) -> Storage {
        let add =
            |options: StorageOptions, (key, value): &(&str, String)| options.with(*key, value);
        let options = self.options.iter().fold(StorageOptions::new(), add);
        let url: StorageUrl = self.url.parse().unwrap();
        Storage::open(&url, &options).unwrap()
    }

    /// This program again, as one of the processes, with a clock that is off by `offset`.
    fn start(&self, number: u64, seconds: u64, offset: &str) -> Child {
        let program = std::env::current_exe().unwrap();
        let has_faketime = Command::new("faketime").arg("--version").output().is_ok();
        let mut command = match has_faketime {
            true => Command::new("faketime"),
            false => Command::new(&program),
        };
        if has_faketime {
            // The time that passes is measured by a clock that nobody sets.
            command.args(["--exclude-monotonic", "-m", "-f", offset]).arg(&program);
        }
        command
            .args(["--exact", "beside::one_process", "--ignored", "--nocapture"])
            .env("LOCKGATE_BESIDE_URL", &self.url)
            .env("LOCKGATE_BESIDE_SEED", number.to_string())
            .env("LOCKGATE_BESIDE_SECONDS", seconds.to_string())
            .envs(self.options.iter().map(|(key, value)| (variable(key), value.clone())))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

const S3_OPTIONS: [&str; 3] = ["access-key-id", "secret-access-key", "region"];

fn variable(option: &str) -> String {
    format!("LOCKGATE_BESIDE_{}", option.replace('-', "_").to_uppercase())
}

/// Random numbers that a seed says (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % limit
    }
}

#[derive(Debug, Default)]
struct Tally {
    backups: u64,
    prunes: u64,
    prunes_refused: u64,
    marked: u64,
    repacked: u64,
    removed: u64,
    recovered: u64,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is one of four processes"]
async fn one_process() {
    let Ok(url) = std::env::var("LOCKGATE_BESIDE_URL") else { return };
    let option = |key: &'static str| Some((key, std::env::var(variable(key)).ok()?));
    let place = Place { url, options: S3_OPTIONS.into_iter().filter_map(option).collect() };
    let number = |key: &str| std::env::var(key).unwrap().parse::<u64>().unwrap();
    let mut dice = Dice(number("LOCKGATE_BESIDE_SEED").wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let until = Instant::now() + Duration::from_secs(number("LOCKGATE_BESIDE_SECONDS"));
    let repository = Repository::open(place.storage(), PASSWORD).await.unwrap();
    let (mut tally, mut mine) = (Tally::default(), Vec::new());
    while Instant::now() < until {
        match dice.below(10) {
            0..6 if mine.len() < KEPT_MAX => {
                let seeds: std::collections::BTreeSet<u64> =
                    (0..FILES).map(|_| dice.below(CONTENTS)).collect();
                let seeds: Vec<u64> = seeds.into_iter().collect();
                let writer = begin(&repository, &seeds).await;
                tokio::time::sleep(Duration::from_millis(dice.below(4000))).await;
                let snapshot = writer.commit(SnapshotDraft::default()).await.unwrap();
                assert_eq!(verify(&repository, &[&snapshot]).await, [seeds.len() as u64]);
                tally.backups += 1;
                mine.push((snapshot, seeds.len() as u64));
            }
            0..8 if mine.len() > 2 => {
                let (snapshot, _) = mine.remove(dice.below(mine.len() as u64) as usize);
                forget(&repository, &snapshot).await;
            }
            _ => match repository.prune(&at_once()).await {
                Ok(report) => {
                    tally.prunes += 1;
                    tally.marked += report.packs_marked;
                    tally.repacked += report.packs_repacked;
                    tally.removed += report.packs_removed;
                    tally.recovered += report.packs_recovered;
                }
                Err(error) if error.kind() == ErrorKind::Locked => tally.prunes_refused += 1,
                Err(error) => panic!("{error:?}"),
            },
        }
    }
    let (snapshots, files): (Vec<&Snapshot>, Vec<u64>) =
        mine.iter().map(|(snapshot, files)| (snapshot, *files)).unzip();
    assert_eq!(verify(&repository, &snapshots).await, files);
    println!("\n{tally:?}, kept {}", mine.len());
}

/// Lets four processes work at `place`, and judges what they leave.
async fn four_processes(place: &Place, offsets: [&str; 4]) {
    let minutes = std::env::var("LOCKGATE_TEST_MINUTES").ok().and_then(|text| text.parse().ok());
    let seconds = minutes.map_or(12, |minutes: u64| minutes * 60);
    let seed = u64::from(std::process::id());
    let start = |(number, offset): (u64, &str)| place.start(seed * 4 + number, seconds, offset);
    let children: Vec<Child> = (0..4).zip(offsets).map(start).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{}", told.lines().find(|line| line.starts_with("Tally")).unwrap_or_default());
        assert!(output.status.success(), "seed {seed}: {told}");
    }
    let repository = Repository::open(place.storage(), PASSWORD).await.unwrap();
    assert_clean(&repository).await;
    for _ in 0..2 {
        repository.prune(&at_once()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert_clean(&repository).await;
    let snapshots = repository.snapshots().await.unwrap();
    let counts = verify(&repository, &snapshots.iter().collect::<Vec<_>>()).await;
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_lose_nothing() {
    let bench = Bench::new();
    write(&bench.init().await, &[("seed-0", content(0))]).await.unwrap();
    let url = format!("fs:{}", bench.repository_path().display());
    let place = Place { url, options: Vec::new() };
    four_processes(&place, ["+0", "+3650d", "-3650d", "+1d"]).await;
    bench.restic_checks_clean();
    crate::rustic::check(&bench.repository_path()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_lose_nothing_on_s3() {
    let server = S3Server::start().unwrap();
    let options = vec![
        ("access-key-id", server.access_key.clone()),
        ("secret-access-key", server.secret_key.clone()),
        ("region", "us-east-1".to_owned()),
    ];
    let place = Place { url: server.location("beside"), options };
    let mut init = lockgate_repository::InitOptions::default();
    init.scrypt_n = 1 << 10;
    let repository = Repository::init(place.storage(), PASSWORD, init).await.unwrap();
    write(&repository, &[("seed-0", content(0))]).await.unwrap();
    four_processes(&place, ["+0", "+10m", "-10m", "+5m"]).await;
}
