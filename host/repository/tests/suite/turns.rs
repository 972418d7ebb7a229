//! A backup and a prune that take turns: each stands still before any of its calls while the other goes on to any of its own,
//! or to its end.
//!
//! What they find is years older than themselves, so that no time of a file protects it, and the backup wants what is in
//! use, what is marked already, what is about to be marked or stored again, and something new. A run of all tests tries some
//! of the ways; `LOCKGATE_TEST_SCALE=full` all of them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use lockgate_repository::{
    CheckOptions, ForgetOptions, InitOptions, PruneLimit, PruneOptions, ReadData, Repository,
    Snapshot, SnapshotDraft, WriteOptions,
};
use lockgate_storage::StorageOptions;
use lockgate_storage::fault::Faults;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::history::{Files, restored};
use crate::referee::{PASSWORD, copy, noise, storage, write_as};

/// Ways that are tried at the same time.
const AT_A_TIME: usize = 8;
/// Ways that a usual run of all tests tries.
const USUAL: usize = 400;
const AGE: Duration = Duration::from_secs(3 * 365 * 86_400);

/// Who goes first and comes how far before the other begins, and how far that one then comes. The first then goes to its
/// end, and then the second.
#[derive(Clone, Copy, Debug)]
struct Way {
    is_backup_first: bool,
    backup_calls: u64,
    prune_calls: u64,
}

fn prune_options() -> PruneOptions {
    let mut options = PruneOptions::default();
    options.keep_marked = Duration::ZERO;
    (options.max_unused, options.max_repack) = (PruneLimit::Bytes(0), PruneLimit::Unlimited);
    options
}

async fn back_up(repository: &Repository, files: &[(&str, u64)]) -> Result<Snapshot, String> {
    let mut options = WriteOptions::default();
    options.cpu_threads = 1;
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(path, seed)| (*path, noise(*seed, 3_000))).collect();
    let written = write_as(repository, &files, options, SnapshotDraft::default()).await;
    written.map_err(|error| format!("backup: {error}"))
}

async fn prune(repository: &Repository) -> Result<(), String> {
    let pruned = repository.prune(&prune_options()).await;
    pruned.map(drop).map_err(|error| format!("prune: {error}"))
}

const WANTED: [(&str, u64); 5] = [("marked", 1), ("thin", 2), ("used", 3), ("new", 9), ("b/1", 1)];

/// A repository with a marked pack, packs of which only some is needed, and one that no index names; all are old.
async fn old_repository(folder: &Path) {
    let mut init = InitOptions::default();
    init.scrypt_n = 2;
    let repository = Repository::init(storage(folder), PASSWORD, init).await.unwrap();
    let forget = async |snapshot: &Snapshot| {
        let mut options = ForgetOptions::default();
        options.snapshots = vec![snapshot.id.to_string()];
        options.allow_empty_group = true;
        repository.forget(&options).await.unwrap();
    };
    back_up(&repository, &[("stays", 7)]).await.unwrap();
    let marked = back_up(&repository, &[("a", 1), ("b/1", 1)]).await.unwrap();
    forget(&marked).await;
    prune(&repository).await.unwrap();
    let thin = back_up(&repository, &[("a", 2), ("b/2", 3), ("c", 4)]).await.unwrap();
    back_up(&repository, &[("b/2", 3), ("own", 5)]).await.unwrap();
    forget(&thin).await;
    let unnamed = "ab".repeat(32);
    std::fs::write(folder.join("data/ab").join(unnamed), noise(8, 500)).unwrap();
}

fn make_old(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            make_old(&path);
        } else {
            let file = std::fs::File::open(&path).unwrap();
            file.set_modified(SystemTime::now() - AGE).unwrap();
        }
    }
}

/// A run with a storage of its own, which stands still before the call after so many.
struct Run<T> {
    task: JoinHandle<T>,
    pause: lockgate_storage::fault::Pause,
    faults: Faults,
    before: u64,
}

impl<T: Send + 'static> Run<T> {
    async fn begin<F: Future<Output = T> + Send + 'static>(
        folder: &Path,
        calls: u64,
        work: impl FnOnce(Repository) -> F,
    ) -> Self {
        let faults = Faults::new();
        let url = format!("fs:{}", folder.display()).parse().unwrap();
        let storage = faults.open(&url, &StorageOptions::new()).unwrap();
        let repository = Repository::open(storage, PASSWORD).await.unwrap();
        let before = faults.calls(None);
        let pause = faults.pause_before(before.saturating_add(calls).saturating_add(1));
        let mut task = tokio::spawn(work(repository));
        tokio::select! {
            () = pause.reached() => {}
            ended = &mut task => task = tokio::spawn(std::future::ready(ended.unwrap())),
        }
        Self { task, pause, faults, before }
    }

    /// What became of it, and how many calls it made.
    async fn end(self) -> (T, u64) {
        self.pause.end();
        let outcome = self.task.await.unwrap();
        (outcome, self.faults.calls(None) - self.before)
    }
}

/// Takes one way; how many calls backup and prune made.
async fn take(template: &Path, way: Way) -> Result<(u64, u64), String> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
    let folder = folder.path();
    copy(template, folder);
    make_old(folder);
    let backup = || {
        Run::begin(folder, way.backup_calls, |repository| async move {
            back_up(&repository, &WANTED).await
        })
    };
    let pruning = || {
        Run::begin(folder, way.prune_calls, |repository| async move { prune(&repository).await })
    };
    let (saved, pruned) = if way.is_backup_first {
        let (backup, pruning) = (backup().await, pruning().await);
        (backup.end().await, pruning.end().await)
    } else {
        let (pruning, backup) = (pruning().await, backup().await);
        let pruned = pruning.end().await;
        (backup.end().await, pruned)
    };
    let calls = (saved.1, pruned.1);
    let snapshot = saved.0?;
    pruned.0?;
    judge(folder, &snapshot).await?;
    Ok(calls)
}

/// All that was saved is whole, and stays so when what is left over is pruned.
async fn judge(folder: &Path, snapshot: &Snapshot) -> Result<(), String> {
    let repository = Repository::open(storage(folder), PASSWORD).await.unwrap();
    let expected: Files =
        WANTED.iter().map(|(path, seed)| ((*path).to_owned(), noise(*seed, 3_000))).collect();
    for round in 0..3 {
        let text = |error: lockgate_repository::Error| format!("after {round} prunes: {error}");
        if restored(&repository, snapshot).await.map_err(text)? != expected {
            return Err(format!("after {round} prunes the snapshot is another"));
        }
        let mut options = CheckOptions::default();
        (options.read_data, options.lock) = (ReadData::All, false);
        let report = repository.check(options).await.map_err(text)?;
        if !report.is_clean() || report.snapshots != 3 {
            return Err(format!("after {round} prunes: {:?}", report.findings));
        }
        prune(&repository).await.map_err(|error| format!("after {round} prunes: {error}"))?;
    }
    Ok(())
}

/// Every way, or so many of them at random.
fn ways(backup_calls: u64, prune_calls: u64) -> Vec<Way> {
    let way = |number: u64| Way {
        is_backup_first: number.is_multiple_of(2),
        backup_calls: number / 2 % (backup_calls + 1),
        prune_calls: number / 2 / (backup_calls + 1),
    };
    let count = 2 * (backup_calls + 1) * (prune_calls + 1);
    if std::env::var("LOCKGATE_TEST_SCALE").is_ok_and(|scale| scale == "full") {
        return (0..count).map(way).collect();
    }
    let seed = std::env::var("LOCKGATE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let random = noise(seed.unwrap_or(1), USUAL * 8);
    let (numbers, _) = random.as_chunks::<8>();
    numbers.iter().map(|bytes| way(u64::from_le_bytes(*bytes) % count)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn a_backup_and_a_prune_that_take_turns_lose_nothing() {
    let template = TempDir::new().unwrap();
    old_repository(template.path()).await;
    let alone = Way { is_backup_first: true, backup_calls: u64::MAX, prune_calls: u64::MAX };
    let (backup_calls, prune_calls) = take(template.path(), alone).await.unwrap();
    let ways = ways(backup_calls, prune_calls);
    let count = ways.len();
    let mut runs = futures::stream::iter(ways)
        .map(|way| {
            let template = template.path().to_owned();
            tokio::spawn(async move { (way, take(&template, way).await) })
        })
        .buffer_unordered(AT_A_TIME);
    let mut lost = Vec::new();
    while let Some(taken) = runs.next().await {
        let (way, outcome) = taken.unwrap();
        lost.extend(outcome.err().map(|text| format!("{way:?}: {text}")));
    }
    assert!(lost.is_empty(), "{} of {count}: {:#?}", lost.len(), lost.get(..9).unwrap_or(&lost));
    println!("ways to take turns: {count} of {backup_calls} and {prune_calls} calls, lost: 0");
}
