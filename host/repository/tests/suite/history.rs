//! Random histories of a repository beside a model that is a map: whatever a snapshot was reported with, it gives back.

mod prunes;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures::StreamExt;
use lockgate_repository::{
    CheckOptions, Error, ErrorKind, ForgetOptions, InitOptions, NodeKind, Policy, ReadData,
    Repository, Snapshot, SnapshotDraft, Time, WriteOptions,
};
use lockgate_storage::fault::{Fault, Faults};
use lockgate_storage::{Storage, StorageOptions};
use lockgate_types::EntryPath;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

use self::steps::{Step, files, steps};
use crate::referee::{PASSWORD, storage, write_as};

/// What a snapshot holds, by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Everything that a snapshot gives, read as a restore reads it.
///
/// # Errors
/// What the repository says.
pub async fn restored(repository: &Repository, snapshot: &Snapshot) -> Result<Files, Error> {
    let reader = repository.reader().await?;
    let mut walk = reader.walk(snapshot.tree, EntryPath::root(), None);
    let mut files = Files::new();
    while let Some((path, node)) = walk.next().await? {
        if node.kind != NodeKind::File {
            continue;
        }
        let (mut content, mut bytes) = (reader.content(&node), Vec::new());
        loop {
            let piece = content.read(1 << 20).await?;
            if piece.is_empty() {
                break;
            }
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() as u64 != node.size {
            return Err(Error::new(ErrorKind::Corrupt, "the size is wrong"));
        }
        files.insert(path.to_string(), bytes);
    }
    Ok(files)
}

/// A repository and what it must hold.
struct World {
    folder: TempDir,
    storage: Storage,
    /// By identifier: the time that it was given, and what it holds.
    model: BTreeMap<String, (Time, Files)>,
    /// Makes every time another one.
    clock: i64,
}

type Judged = std::result::Result<(), String>;

impl World {
    async fn new() -> Self {
        // Nothing is to outlive the machine, and so many histories need not wait for a disk.
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
        let storage = storage(folder.path());
        let mut options = InitOptions::default();
        options.scrypt_n = 2;
        Repository::init(storage.clone(), PASSWORD, options).await.unwrap();
        Self { folder, storage, model: BTreeMap::new(), clock: 0 }
    }

    async fn open(&self) -> Repository {
        Repository::open(self.storage.clone(), PASSWORD).await.unwrap()
    }

    /// The repository as a process sees it to which that happens at its `call`-th call from now on.
    async fn troubled(&self, call: u64, fault: Fault) -> (Repository, Faults) {
        let faults = Faults::new();
        let url = format!("fs:{}", self.folder.path().display()).parse().unwrap();
        let storage = faults.open(&url, &StorageOptions::new().with("retries", "0")).unwrap();
        let repository = Repository::open(storage, PASSWORD).await.unwrap();
        faults.plan(None, faults.calls(None) + call + 1, fault);
        (repository, faults)
    }

    fn time(&mut self, years: i64) -> Time {
        self.clock += 1;
        let mut time = Time::now();
        time.timestamp.seconds += years * 365 * 86_400 + self.clock;
        time
    }

    async fn run(&mut self, steps: &[Step]) -> Judged {
        for (number, step) in steps.iter().enumerate() {
            self.step(step).await.map_err(|text| format!("step {number}: {text}"))?;
            self.judge().await.map_err(|text| format!("after step {number}: {text}"))?;
        }
        self.check().await?;
        self.tidy().await
    }

    /// All data is read, and nothing is found.
    async fn check(&self) -> Judged {
        let mut options = CheckOptions::default();
        (options.read_data, options.lock) = (ReadData::All, false);
        let report = self.open().await.check(options).await.map_err(|error| error.to_string())?;
        if report.is_clean() { Ok(()) } else { Err(format!("{:?}", report.findings)) }
    }

    async fn step(&mut self, step: &Step) -> Judged {
        match step {
            Step::Backup(content, years) => {
                let time = self.time(*years);
                let files = files(content);
                let snapshot = back_up(self.open().await, files.clone(), time)
                    .await
                    .map_err(|it| it.to_string())?;
                self.model.insert(snapshot.id.to_string(), (time, files));
            }
            Step::Beside(one, two) => {
                let mut runs = Vec::new();
                for files in [files(one), files(two)] {
                    let time = self.time(0);
                    runs.push((
                        time,
                        files.clone(),
                        tokio::spawn(back_up(self.open().await, files, time)),
                    ));
                }
                for (time, files, run) in runs {
                    let snapshot = run.await.unwrap().map_err(|error| error.to_string())?;
                    self.model.insert(snapshot.id.to_string(), (time, files));
                }
            }
            Step::Troubled(content, call, fault) => {
                self.troubled_backup(files(content), *call, *fault).await?
            }
            Step::KeepLast(last) => {
                keep_last(&self.open().await, *last).await.map_err(|error| error.to_string())?;
                self.forget_all_but(*last as usize);
            }
            Step::Forget(number) => {
                let Some(id) = self.model.keys().nth(*number).cloned() else { return Ok(()) };
                let mut options = ForgetOptions::default();
                (options.snapshots, options.allow_empty_group) = (vec![id.clone()], true);
                self.open().await.forget(&options).await.map_err(|error| error.to_string())?;
                self.model.remove(&id);
            }
            Step::TroubledForget(call, fault) => self.troubled_forget(*call, *fault).await?,
            Step::Prune(how) => self.prune(how).await?,
            Step::PruneBeside(how, content) => self.prune_beside(how, content).await?,
            Step::TroubledPrune(how, call, fault) => {
                self.troubled_prune(how, *call, *fault).await?
            }
            Step::Wait(hours) => self.wait(*hours),
        }
        Ok(())
    }

    async fn troubled_backup(&mut self, files: Files, call: u64, fault: Fault) -> Judged {
        let time = self.time(0);
        let (repository, faults) = self.troubled(call, fault).await;
        let outcome = back_up(repository, files.clone(), time).await;
        self.unlock().await;
        let new: Vec<String> =
            self.stored().await.into_iter().filter(|id| !self.model.contains_key(id)).collect();
        match (outcome, new.as_slice()) {
            (Ok(snapshot), [id]) if snapshot.id.to_string() == *id => {}
            // It was killed between the snapshot and the report of it.
            (Err(_), [_]) if faults.is_dead() => {}
            (Err(_), []) => return Ok(()),
            (outcome, new) => return Err(format!("{outcome:?} and there is {new:?}")),
        }
        self.model.extend(new.into_iter().map(|id| (id, (time, files.clone()))));
        Ok(())
    }

    async fn troubled_forget(&mut self, call: u64, fault: Fault) -> Judged {
        let (repository, _) = self.troubled(call, fault).await;
        let outcome = keep_last(&repository, 1).await;
        self.unlock().await;
        let stored = self.stored().await;
        let all = self.model.clone();
        self.forget_all_but(1);
        if outcome.is_err() {
            // What had to go may still be there; what had to stay is looked for by the judge.
            self.model.extend(all.into_iter().filter(|(id, _)| stored.contains(id)));
        }
        Ok(())
    }

    fn forget_all_but(&mut self, last: usize) {
        let mut times: Vec<Time> = self.model.values().map(|(time, _)| *time).collect();
        times.sort_by_key(|time| std::cmp::Reverse(time.timestamp));
        times.truncate(last);
        self.model.retain(|_, (time, _)| times.contains(time));
    }

    /// A lock of this process, which still lives, is removed as an operator would.
    async fn unlock(&self) {
        for lock in self.storage.list("locks").await.unwrap() {
            self.storage.delete(&lock.name).await.unwrap();
        }
    }

    async fn stored(&self) -> Vec<String> {
        let snapshots = self.open().await.snapshots().await.unwrap();
        snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect()
    }

    /// Exactly the snapshots of the model are there, each with exactly its bytes.
    async fn judge(&self) -> Judged {
        let repository = self.open().await;
        let snapshots = repository.snapshots().await.map_err(|error| error.to_string())?;
        let there: BTreeSet<String> =
            snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect();
        if there != self.model.keys().cloned().collect() {
            return Err(format!("{there:?} instead of {:?}", self.model.keys()));
        }
        for snapshot in &snapshots {
            let given = restored(&repository, snapshot).await.map_err(|error| error.to_string())?;
            let (time, files) = &self.model[&snapshot.id.to_string()];
            if given != *files || snapshot.time.timestamp != time.timestamp {
                return Err(format!("snapshot {} is not what was saved", snapshot.id));
            }
        }
        Ok(())
    }
}

async fn back_up(repository: Repository, files: Files, time: Time) -> Result<Snapshot, Error> {
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let draft = SnapshotDraft { time, ..SnapshotDraft::default() };
    let mut options = WriteOptions::default();
    options.cpu_threads = 1;
    write_as(&repository, &files, options, draft).await
}

async fn keep_last(repository: &Repository, last: u32) -> Result<(), Error> {
    let mut options = ForgetOptions::default();
    options.policy = Policy { last, ..Policy::default() };
    repository.forget(&options).await.map(drop)
}

/// Histories that run at the same time: they wait for locks most of the time.
const AT_A_TIME: usize = 48;

#[tokio::test(flavor = "multi_thread")]
async fn random_histories_end_as_the_model_says() {
    let is_full = std::env::var("LOCKGATE_TEST_SCALE").is_ok_and(|scale| scale == "full");
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let usual = if is_full { 10_000 } else { 60 };
    let histories = number("LOCKGATE_TEST_HISTORIES").unwrap_or(usual);
    let seed =
        std::env::var("LOCKGATE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u8);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let strategy = steps();
    let trees: Vec<_> = (0..histories).map(|_| strategy.new_tree(&mut runner).unwrap()).collect();
    let all: Vec<Vec<Step>> = trees.iter().map(ValueTree::current).collect();
    let count: usize = all.iter().map(Vec::len).sum();
    let mut runs = futures::stream::iter(all.into_iter().enumerate())
        .map(|(number, steps)| {
            tokio::spawn(async move { (number, World::new().await.run(&steps).await) })
        })
        .buffer_unordered(AT_A_TIME);
    let mut failed = None;
    while let Some(ended) = runs.next().await {
        let (number, judged) = ended.unwrap();
        if let Err(text) = judged {
            failed = Some((number, text));
            break;
        }
    }
    drop(runs);
    if let Some((number, first)) = failed {
        let (steps, text) = smallest(trees.into_iter().nth(number).unwrap()).await;
        panic!("history {number} of seed {seed}: {first}; of the shortest, {text}: {steps:?}");
    }
    println!("histories: {histories} of {count} steps, differences: 0");
}

/// The shortest history like this one that still fails.
async fn smallest(mut tree: impl ValueTree<Value = Vec<Step>>) -> (Vec<Step>, String) {
    const TRIES: usize = 100;
    let mut found = (tree.current(), "it did not fail again".to_owned());
    for _ in 0..TRIES {
        let steps = tree.current();
        let judged = World::new().await.run(&steps).await;
        let goes_on = if judged.is_err() { tree.simplify() } else { tree.complicate() };
        if let Err(text) = judged {
            found = (steps, text);
        }
        if !goes_on {
            break;
        }
    }
    found
}
