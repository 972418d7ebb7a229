//! A process can end before or after any call to the storage: what was there stays whole, and what was being made is either
//! there whole or not at all.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use lockgate_repository::{
    CheckOptions, ForgetOptions, Policy, PruneLimit, PruneOptions, ReadData, Repository, Result,
};
use lockgate_storage::fault::{Fault, Faults};
use lockgate_storage::{StorageOptions, StorageUrl};

use crate::referee::{Bench, PASSWORD, copy, noise, read, storage, unlock, write};

/// Ends that are tried at the same time; each waits for locks most of its time.
const AT_A_TIME: usize = 24;

fn old() -> Vec<(&'static str, Vec<u8>)> {
    vec![("first", noise(1, 600_000)), ("shared", noise(2, 600_000)), ("below/c", noise(3, 1000))]
}

fn new() -> Vec<(&'static str, Vec<u8>)> {
    vec![("shared", noise(2, 600_000)), ("new", noise(4, 900_000)), ("below/d/e", noise(5, 1000))]
}

fn pruning() -> PruneOptions {
    let mut options = PruneOptions::default();
    (options.keep_marked, options.check) = (Duration::ZERO, false);
    (options.max_unused, options.max_repack) = (PruneLimit::Bytes(0), PruneLimit::Unlimited);
    options
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Backup,
    Prune,
    Forget,
}

impl Action {
    async fn run(self, repository: &Repository) -> Result<()> {
        match self {
            Self::Backup => write(repository, &new()).await.map(drop),
            Self::Prune => repository.prune(&pruning()).await.map(drop),
            Self::Forget => forget(repository).await,
        }
    }
}

async fn forget(repository: &Repository) -> Result<()> {
    let mut options = ForgetOptions::default();
    options.policy = Policy { last: 1, ..Policy::default() };
    repository.forget(&options).await.map(drop)
}

async fn open(path: &Path, faults: &Faults) -> Repository {
    let url: StorageUrl = format!("fs:{}", path.display()).parse().unwrap();
    let options = StorageOptions::new().with("retries", "0");
    Repository::open(faults.open(&url, &options).unwrap(), PASSWORD).await.unwrap()
}

/// Runs `action` on copies of `repository`, ended before and after each call to the storage, and looks at what is left.
async fn end_everywhere(repository: &Path, action: Action) -> u64 {
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    copy(repository, &whole);
    let faults = Faults::new();
    let opened = open(&whole, &faults).await;
    let start = faults.calls(None);
    action.run(&opened).await.unwrap();
    let calls = faults.calls(None) - start;
    assert!(calls > 5, "{action:?} makes {calls} calls");

    // To end after a call is nearly to end before the next one: a few of these are enough.
    let before = (1..=calls).map(|call| (call, Fault::DieBefore));
    let after = (1..=calls).step_by(5).map(|call| (call, Fault::DieAfter));
    let ends = before.chain(after);
    let try_one = |(call, fault): (u64, Fault)| {
        let path = scratch.path().join(format!("{call}-{fault:?}"));
        async move {
            copy(repository, &path);
            let faults = Faults::new();
            let opened = open(&path, &faults).await;
            faults.plan(None, faults.calls(None) + call, fault);
            let outcome = action.run(&opened).await;
            // Threads run in another order from time to time, so that the last calls may not be reached.
            if faults.is_dead() && fault == Fault::DieBefore && call < calls {
                assert!(outcome.is_err(), "{action:?} hides that call {call} failed");
            }
            drop(opened);
            unlock(&path);
            judge(&path, &format!("{action:?} with {fault:?} at call {call}")).await;
            std::fs::remove_dir_all(&path).unwrap();
        }
    };
    futures::stream::iter(ends).map(try_one).buffer_unordered(AT_A_TIME).collect::<Vec<()>>().await;
    calls
}

/// The repository is clean, all that is in it can be read, and a next run works.
async fn judge(path: &Path, what: &str) {
    let repository = Repository::open(storage(path), PASSWORD).await.unwrap();
    assert_clean(&repository, what).await;
    let snapshots = repository.snapshots().await.unwrap();
    assert!(!snapshots.is_empty(), "{what}: no snapshot is left");
    for snapshot in &snapshots {
        let is_old = read(&repository, snapshot, "first").await.is_some();
        for (name, bytes) in if is_old { old() } else { new() } {
            assert!(read(&repository, snapshot, name).await == Some(bytes), "{what}: {name}");
        }
    }
    repository.prune(&pruning()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_clean(&repository, what).await;
}

async fn assert_clean(repository: &Repository, what: &str) {
    let mut options = CheckOptions::default();
    (options.read_data, options.lock) = (ReadData::All, false);
    let report = repository.check(options).await.unwrap();
    assert!(report.is_clean(), "{what}: {:?}", report.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_ends_at_any_call_leaves_the_earlier_ones_whole() {
    let bench = Bench::new();
    write(&bench.init().await, &old()).await.unwrap();
    end_everywhere(&bench.repository_path(), Action::Backup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_that_ends_at_any_call_leaves_every_snapshot_whole() {
    let bench = Bench::new();
    let repository = bench.init().await;
    write(&repository, &old()).await.unwrap();
    write(&repository, &new()).await.unwrap();
    forget(&repository).await.unwrap();
    // One that marks, and one that deletes what was marked.
    end_everywhere(&bench.repository_path(), Action::Prune).await;
    repository.prune(&pruning()).await.unwrap();
    end_everywhere(&bench.repository_path(), Action::Prune).await;
    bench.restic_checks_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forget_that_ends_at_any_call_leaves_the_rest_whole() {
    let bench = Bench::new();
    let repository = bench.init().await;
    for _ in 0..2 {
        write(&repository, &old()).await.unwrap();
        write(&repository, &new()).await.unwrap();
    }
    end_everywhere(&bench.repository_path(), Action::Forget).await;
}
