//! A process can end before or after any call to the storage, and any call can fail or lose its answer: what was there stays
//! whole, and what was being made is either there whole or not at all.
//!
//! With `LOCKGATE_TEST_SCALE=full` every end of every call is tried; else all calls once and the other ends at some.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use lockgate_repository::{
    CheckOptions, ErrorKind, ForgetOptions, InitOptions, Policy, PruneLimit, PruneOptions,
    ReadData, Repository, Result,
};
use lockgate_storage::fault::{Fault, Faults, Operation};
use lockgate_storage::{StorageOptions, StorageUrl};

use crate::referee::{Bench, PASSWORD, copy, noise, read, storage, unlock, write};

/// Ends that are tried at the same time; each waits for locks most of its time.
const AT_A_TIME: usize = 24;

fn old() -> Vec<(&'static str, Vec<u8>)> {
    vec![("first", noise(1, 600_000)), ("shared", noise(2, 600_000)), ("below/c", noise(3, 1000))]
}

/// More than fits into two packs that stay in memory.
fn new() -> Vec<(&'static str, Vec<u8>)> {
    vec![("shared", noise(2, 600_000)), ("new", noise(4, 3_200_000)), ("below/d/e", noise(5, 1000))]
}

fn pruning() -> PruneOptions {
    let mut options = PruneOptions::default();
    (options.keep_marked, options.check) = (Duration::ZERO, false);
    (options.max_unused, options.max_repack) = (PruneLimit::Bytes(0), PruneLimit::Unlimited);
    options
}

/// What is done while it ends. A new way to change a repository gets its line here, and a test below.
#[derive(Clone, Copy, Debug)]
enum Action {
    Backup,
    /// Two backups at the same time, in one process.
    TwoBackups,
    /// Two backups at the same time, in two processes of which one ends.
    BesideAnother,
    Prune,
    Forget,
}

impl Action {
    async fn run(self, repository: &Repository, path: &Path) -> Result<()> {
        match self {
            Self::Backup => write(repository, &new()).await.map(drop),
            Self::TwoBackups => two_backups(repository.clone(), repository.clone()).await.0,
            Self::BesideAnother => {
                let other = Repository::open(storage(path), PASSWORD).await?;
                let (outcome, of_other) = two_backups(repository.clone(), other).await;
                of_other.expect("a run that has no trouble of its own succeeds");
                outcome
            }
            Self::Prune => repository.prune(&pruning()).await.map(drop),
            Self::Forget => forget(repository).await,
        }
    }
}

/// Each writes the same new files, so that each may rely on nothing of the other.
async fn two_backups(one: Repository, two: Repository) -> (Result<()>, Result<()>) {
    let run = |repository: Repository| {
        tokio::spawn(async move { write(&repository, &new()).await.map(drop) })
    };
    let (one, two) = futures::join!(run(one), run(two));
    let (one, two) = (one.unwrap(), two.unwrap());
    (one, two)
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

/// So many calls have all their ends tried in every run.
const CALLS_TRIED_IN_FULL: u64 = 14;

/// The ends that are tried at each of so many calls.
fn ends(calls: u64) -> Vec<(u64, Fault)> {
    let is_full = calls <= CALLS_TRIED_IN_FULL
        || std::env::var("LOCKGATE_TEST_SCALE").is_ok_and(|scale| scale == "full");
    let at = |fault, step| {
        (1..=calls).step_by(if is_full { 1 } else { step }).map(move |call| (call, fault))
    };
    // To end after one of many calls is nearly to end before the next one: a few of these are enough.
    let others = at(Fault::DieAfter, 5).chain(at(Fault::Fail, 9)).chain(at(Fault::LoseAnswer, 7));
    at(Fault::DieBefore, 1).chain(others).collect()
}

/// Runs `action` on copies of `repository`, with each end at each call to the storage, and looks at what is left.
async fn end_everywhere(repository: &Path, action: Action) {
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    copy(repository, &whole);
    let faults = Faults::new();
    let opened = open(&whole, &faults).await;
    let start = faults.calls(None);
    action.run(&opened, &whole).await.unwrap();
    let calls = faults.calls(None) - start;
    assert!(calls > 5, "{action:?} makes {calls} calls");

    let try_one = |(call, fault): (u64, Fault)| {
        let path = scratch.path().join(format!("{call}-{fault:?}"));
        async move {
            copy(repository, &path);
            let before = snapshots(&path).await;
            let faults = Faults::new();
            let opened = open(&path, &faults).await;
            faults.plan(None, faults.calls(None) + call, fault);
            let outcome = action.run(&opened, &path).await;
            // The last call takes the lock away, which is no loss when it fails. Which one is the last differs between runs that
            // meet another's lock and runs that do not, and with the packs that chance fills.
            let is_last = match action {
                Action::Backup | Action::BesideAnother => {
                    faults.died_at() == Some(Operation::Delete)
                }
                _ => call >= calls,
            };
            if faults.is_dead()
                && fault == Fault::DieBefore
                && !is_last
                && !matches!(action, Action::TwoBackups)
            {
                assert!(outcome.is_err(), "{action:?} hides that call {call} failed");
            }
            drop(opened);
            unlock(&path);
            let what = format!("{action:?} with {fault:?} at call {call}");
            if !matches!(action, Action::Forget) {
                let after = snapshots(&path).await;
                assert!(before.iter().all(|id| after.contains(id)), "{what}: a snapshot is gone");
            }
            judge(&path, &what).await;
            std::fs::remove_dir_all(&path).unwrap();
        }
    };
    let ends = ends(calls);
    let tried = ends.len();
    futures::stream::iter(ends).map(try_one).buffer_unordered(AT_A_TIME).collect::<Vec<()>>().await;
    println!("{action:?}: {calls} calls, {tried} ends, lost: 0");
}

/// The names of the snapshots that are there.
async fn snapshots(path: &Path) -> Vec<lockgate_types::Digest> {
    let repository = Repository::open(storage(path), PASSWORD).await.unwrap();
    repository.snapshots().await.unwrap().into_iter().map(|snapshot| snapshot.id).collect()
}

/// The repository is clean, all that is in it can be read, and a next run works.
async fn judge(path: &Path, what: &str) {
    let repository = Repository::open(storage(path), PASSWORD).await.unwrap();
    assert_clean(&repository, what).await;
    write(&repository, &old()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let snapshots = repository.snapshots().await.unwrap();
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
async fn a_first_backup_that_ends_at_any_call_leaves_a_repository_for_the_next() {
    let bench = Bench::new();
    bench.init().await;
    end_everywhere(&bench.repository_path(), Action::Backup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_backups_the_end_of_one_is_no_harm_to_the_other() {
    let bench = Bench::new();
    write(&bench.init().await, &old()).await.unwrap();
    end_everywhere(&bench.repository_path(), Action::TwoBackups).await;
    end_everywhere(&bench.repository_path(), Action::BesideAnother).await;
}

/// Either there is no repository yet, and the next `init` makes it, or there is one that opens with its password.
#[tokio::test(flavor = "multi_thread")]
async fn an_init_that_ends_at_any_call_can_be_done_again() {
    let mut options = InitOptions::default();
    options.scrypt_n = 2;
    let scratch = tempfile::tempdir().unwrap();
    let url = |path: &Path| format!("fs:{}", path.display()).parse::<StorageUrl>().unwrap();
    let whole = Faults::new();
    let plain = StorageOptions::new().with("retries", "0");
    let storage_of_whole = whole.open(&url(&scratch.path().join("whole")), &plain).unwrap();
    Repository::init(storage_of_whole, PASSWORD, options.clone()).await.unwrap();
    let calls = whole.calls(None);
    // Nearly all calls make one of the folders, and those are all alike.
    let tried: Vec<_> = ends(calls)
        .into_iter()
        .filter(|(call, _)| *call < 4 || *call + 5 > calls || call % 50 == 0)
        .collect();
    for (call, fault) in tried.iter().copied() {
        let path = scratch.path().join(format!("{call}-{fault:?}"));
        let faults = Faults::new();
        faults.plan(None, call, fault);
        let first =
            Repository::init(faults.open(&url(&path), &plain).unwrap(), PASSWORD, options.clone())
                .await;
        let what = format!("init with {fault:?} at call {call}");
        let repository = match Repository::init(storage(&path), PASSWORD, options.clone()).await {
            Ok(repository) => {
                assert!(first.is_err(), "{what}: there was one already");
                repository
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::RepositoryExists, "{what}: {error}");
                Repository::open(storage(&path), PASSWORD)
                    .await
                    .unwrap_or_else(|error| panic!("{what}: {error}"))
            }
        };
        write(&repository, &[("file", b"content".to_vec())])
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_clean(&repository, &what).await;
        std::fs::remove_dir_all(&path).unwrap();
    }
    println!("Init: {calls} calls, {} ends, lost: 0", tried.len());
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
