//! Every wrong answer of an S3 server, at every kind of call, in every phase: what was there stays whole, nothing wrong is given,
//! and the next run works. What one call makes of it is in the table of `host/storage/tests/unreliable.txt`.
//!
//! With `LOCKGATE_TEST_SCALE=full` all cells, else one of thirteen.

use futures::StreamExt;
use lockgate_repository::{
    CheckOptions, Error, ForgetOptions, InitOptions, Policy, ReadData, Repository,
};
use lockgate_servers::{Call, Plan, Trouble, UnreliableS3};
use lockgate_storage::{Storage, StorageOptions};

use crate::history::{Files, restored};
use crate::referee::{PASSWORD, noise, write};

/// Cells that are tried at the same time: they wait for locks and time limits.
const AT_A_TIME: usize = 48;
/// One of so many cells is tried in an ordinary run; no divisor of their number for a wrong answer, so that all kinds of calls
/// are among them.
const SHARE: usize = 13;

#[derive(Clone, Copy, Debug)]
enum Phase {
    Init,
    Backup,
    Restore,
    Check,
    Forget,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    phase: Phase,
    plan: Plan,
}

fn cells() -> Vec<Cell> {
    let phases = [Phase::Init, Phase::Backup, Phase::Restore, Phase::Check, Phase::Forget];
    let mut cells = Vec::new();
    for (phase, trouble) in
        phases.into_iter().flat_map(|phase| Trouble::ALL.map(|trouble| (phase, trouble)))
    {
        for (call, times) in Call::ALL.into_iter().flat_map(|call| [(call, 1), (call, u32::MAX)]) {
            // What passes does not always happen at the first call of its kind.
            let after = if times == 1 { cells.len() as u32 / 12 % 3 } else { 0 };
            // Nobody can tell a storage that has stored from one that lies; `PROMISES.md` says so.
            if matches!((call, trouble), (Call::Put, Trouble::ErrorInOk(_))) {
                continue;
            }
            cells.push(Cell { phase, plan: Plan { call: Some(call), trouble, after, times } });
        }
    }
    cells
}

fn storage(server: &UnreliableS3) -> Storage {
    let options = [
        ("access-key-id", "x"),
        ("secret-access-key", "y"),
        ("region", "us-east-1"),
        ("retries", "1"),
    ];
    let limits = ["timeout", "io-timeout", "write-timeout"].map(|name| (name, "5"));
    let options = StorageOptions::from_iter(options.into_iter().chain(limits));
    Storage::open(&server.location().parse().unwrap(), &options).unwrap()
}

async fn init(server: &UnreliableS3) -> Result<Repository, Error> {
    let mut options = InitOptions::default();
    options.scrypt_n = 2;
    Repository::init(storage(server), PASSWORD, options).await
}

async fn open(server: &UnreliableS3) -> Result<Repository, Error> {
    Repository::open(storage(server), PASSWORD).await
}

fn content(seed: u64) -> Vec<(&'static str, Vec<u8>)> {
    vec![("same", noise(1, 5000)), ("own", noise(seed, 9000)), ("below/small", noise(seed + 1, 10))]
}

fn files(seed: u64) -> Files {
    content(seed).into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect()
}

fn keeping_last() -> ForgetOptions {
    let mut options = ForgetOptions::default();
    options.policy = Policy { last: 1, ..Policy::default() };
    options
}

fn checking() -> CheckOptions {
    let mut options = CheckOptions::default();
    options.read_data = ReadData::All;
    options
}

/// Whether the phase succeeded.
async fn run(phase: Phase, server: &UnreliableS3) -> Result<(), Error> {
    if matches!(phase, Phase::Init) {
        return init(server).await.map(drop);
    }
    let repository = open(server).await?;
    match phase {
        Phase::Init => Ok(()),
        Phase::Backup => write(&repository, &content(20)).await.map(drop),
        Phase::Check => repository.check(checking()).await.map(drop),
        Phase::Forget => repository.forget(&keeping_last()).await.map(drop),
        Phase::Restore => {
            for (snapshot, seed) in repository.snapshots().await?.iter().zip([10, 15]) {
                let given = restored(&repository, snapshot).await?;
                assert!(given == files(seed), "a restore gave something else");
            }
            Ok(())
        }
    }
}

/// With the server well again and the locks gone.
async fn judge(cell: Cell, server: &UnreliableS3, is_done: bool) {
    server.plan(None);
    let what = format!("{cell:?}");
    if matches!(cell.phase, Phase::Init) {
        assert!(init(server).await.is_ok() != is_done, "{what}: it can be done once");
    } else {
        let plain = storage(server);
        for lock in plain.list("locks").await.unwrap() {
            plain.delete(&lock.name).await.unwrap();
        }
    }
    let repository = open(server).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    write(&repository, &content(30)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let report = repository.check(checking()).await.unwrap();
    assert!(report.is_clean(), "{what}: {:?}", report.findings);
    let mut held = Vec::new();
    for snapshot in repository.snapshots().await.unwrap() {
        held.push(restored(&repository, &snapshot).await.unwrap());
    }
    let must_be_there: &[u64] = match cell.phase {
        Phase::Init => &[30],
        Phase::Backup if is_done => &[10, 15, 20, 30],
        Phase::Backup | Phase::Restore | Phase::Check => &[10, 15, 30],
        Phase::Forget => &[15, 30],
    };
    assert!(
        must_be_there.iter().all(|seed| held.contains(&files(*seed))),
        "{what}: a snapshot is lost"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_s3_server_answers_nothing_is_lost() {
    let ready = UnreliableS3::start().unwrap();
    let repository = init(&ready).await.unwrap();
    for seed in [10, 15] {
        write(&repository, &content(seed)).await.unwrap();
    }
    let share = if std::env::var("LOCKGATE_TEST_SCALE").is_ok_and(|scale| scale == "full") {
        1
    } else {
        SHARE
    };
    let ready = &ready;
    let ended: Vec<(bool, bool)> = futures::stream::iter(
        cells().into_iter().enumerate().filter(|(number, _)| number % share == share / 2),
    )
    .map(|(_, cell)| async move {
        let server = match cell.phase {
            Phase::Init => UnreliableS3::start().unwrap(),
            _ => ready.copy().unwrap(),
        };
        server.plan(Some(cell.plan));
        let outcome = run(cell.phase, &server).await;
        let was_met = server.seen() > cell.plan.after;
        judge(cell, &server, outcome.is_ok()).await;
        (outcome.is_ok(), was_met)
    })
    .buffer_unordered(AT_A_TIME)
    .collect()
    .await;
    let count = |wanted: (bool, bool)| ended.iter().filter(|cell| **cell == wanted).count();
    println!(
        "cells of phases: {}; not met {}, survived {}, failed {}, lost 0",
        ended.len(),
        count((true, false)),
        count((true, true)),
        count((false, true)),
    );
    assert_eq!(count((false, false)), 0, "a phase failed without a wrong answer");
}
