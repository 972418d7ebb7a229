//! Prune frees what nobody needs, in two phases, and never anything else.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_repository::{
    CheckOptions, ErrorKind, ForgetOptions, Policy, PruneLimit, PruneOptions, PruneProgress,
    ReadData, Repository, WriteOptions,
};

use crate::referee::{Bench, assert_same, fill, noise, objects, read, write};

fn at_once() -> PruneOptions {
    let mut options = PruneOptions::default();
    options.keep_marked = Duration::ZERO;
    (options.max_unused, options.max_repack) = (PruneLimit::Bytes(0), PruneLimit::Unlimited);
    options
}

async fn keep_last(repository: &Repository, last: u32) {
    let mut options = ForgetOptions::default();
    options.policy = Policy { last, ..Policy::default() };
    options.grouping.by_paths = false;
    repository.forget(&options).await.unwrap();
}

async fn assert_clean(repository: &Repository) {
    let mut options = CheckOptions::default();
    options.read_data = ReadData::All;
    let report = repository.check(options).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
}

/// Two snapshots; the second needs half of the first and something of its own. The first is forgotten.
async fn bench() -> (Bench, Repository) {
    let bench = Bench::new();
    let repository = bench.init().await;
    let (old, shared, new) = (noise(1, 900_000), noise(2, 900_000), noise(3, 900_000));
    write(&repository, &[("old", old), ("shared", shared.clone())]).await.unwrap();
    write(&repository, &[("new", new), ("below/shared", shared)]).await.unwrap();
    keep_last(&repository, 1).await;
    (bench, repository)
}

#[tokio::test]
async fn a_first_prune_marks_and_a_second_one_frees() {
    let (bench, repository) = bench().await;
    let before = objects(&bench.repository_path().join("data"));

    let first = repository.prune(&at_once()).await.unwrap();
    assert!(first.packs_repacked > 0 && first.packs_removed == 0, "{first:?}");
    assert!(first.bytes_marked > 1_700_000 && first.bytes_unused_after == 0, "{first:?}");
    let marked = objects(&bench.repository_path().join("data"));
    assert!(before.keys().all(|pack| marked.contains_key(pack)), "a first prune deletes no pack");
    assert_clean(&repository).await;
    bench.restic_checks_clean();

    // Marked packs stay as long as they are told to.
    let waiting = repository.prune(&PruneOptions::default()).await.unwrap();
    assert_eq!(waiting.packs_removed, 0);
    assert!(waiting.packs_waiting > 0, "{waiting:?}");

    let second = repository.prune(&at_once()).await.unwrap();
    assert!(second.packs_removed > 0, "{second:?}");
    let size = |objects: std::collections::BTreeMap<_, Vec<u8>>| -> usize {
        objects.values().map(Vec::len).sum()
    };
    let freed = size(marked) - size(objects(&bench.repository_path().join("data")));
    assert!(freed > 1_700_000, "{freed}");
    assert_clean(&repository).await;
    bench.restic_checks_clean();
    let snapshot = repository.snapshot("latest").await.unwrap();
    assert_eq!(read(&repository, &snapshot, "new").await, Some(noise(3, 900_000)));
    assert_eq!(read(&repository, &snapshot, "below/shared").await, Some(noise(2, 900_000)));

    let third = repository.prune(&at_once()).await.unwrap();
    assert_eq!((third.packs_marked, third.packs_repacked, third.packs_removed), (0, 0, 0));
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_changes_nothing() {
    let (bench, repository) = bench().await;
    let before = objects(&bench.repository_path());
    let mut options = at_once();
    options.dry_run = true;
    let told = repository.prune(&options).await.unwrap();
    assert!(objects(&bench.repository_path()) == before);
    options.dry_run = false;
    let done = repository.prune(&options).await.unwrap();
    assert!(told.dry_run && !done.dry_run);
    assert_eq!(
        (told.packs_repacked, told.packs_marked, told.bytes_marked),
        (done.packs_repacked, done.packs_marked, done.bytes_marked)
    );
}

#[tokio::test]
async fn a_percentage_of_a_small_repository_lets_one_pack_through() {
    let (_bench, repository) = bench().await;
    let mut options = at_once();
    for limit in [PruneLimit::Bytes(1), PruneLimit::Percent(0)] {
        options.max_repack = limit;
        let report = repository.prune(&options).await.unwrap();
        assert_eq!(report.packs_repacked, 0, "{limit:?}: {report:?}");
    }
    options.max_repack = PruneLimit::Percent(10);
    let report = repository.prune(&options).await.unwrap();
    assert_eq!(report.packs_repacked, 1, "{report:?}");
    assert_clean(&repository).await;
}

#[tokio::test]
async fn what_was_marked_and_is_needed_again_comes_back() {
    let (bench, repository) = bench().await;
    repository.prune(&at_once()).await.unwrap();
    // The forgotten snapshot's content is stored anew, because nothing relies on marked packs.
    write(&repository, &[("old again", noise(1, 900_000))]).await.unwrap();
    repository.prune(&at_once()).await.unwrap();
    assert_clean(&repository).await;
    bench.restic_checks_clean();
    let snapshot = repository.snapshot("latest").await.unwrap();
    assert_eq!(read(&repository, &snapshot, "old again").await, Some(noise(1, 900_000)));
}

/// Every backup writes an index file; a prune puts them together when there are more than 64 that are small.
#[tokio::test]
async fn many_small_index_files_become_one_and_nothing_is_lost() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let content = |number: u64| noise(number + 1, 1000);
    for number in 0..66 {
        write(&repository, &[("file", content(number))]).await.unwrap();
    }
    let indexes = || objects(&bench.repository_path().join("index")).len();
    assert_eq!(indexes(), 66);
    let beside = repository.writer(WriteOptions::default()).await.unwrap();
    repository.prune(&PruneOptions::default()).await.unwrap();
    assert_eq!(indexes(), 66, "one who is at work beside it reads the old ones");
    beside.abort().await;

    repository.prune(&PruneOptions::default()).await.unwrap();
    assert_eq!(indexes(), 1);
    assert_clean(&repository).await;
    let mut snapshots = repository.snapshots().await.unwrap();
    snapshots.sort_by_key(|snapshot| snapshot.time);
    assert_eq!(snapshots.len(), 66);
    for (number, snapshot) in (0..).zip(&snapshots) {
        assert!(read(&repository, snapshot, "file").await == Some(content(number)), "{number}");
    }
}

#[tokio::test]
async fn a_snapshot_that_is_put_back_gets_its_marked_packs_back() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let old = write(&repository, &[("old", noise(1, 900_000))]).await.unwrap();
    let snapshots = objects(&bench.repository_path().join("snapshots"));
    write(&repository, &[("new", noise(2, 900_000))]).await.unwrap();
    keep_last(&repository, 1).await;
    let marked = repository.prune(&at_once()).await.unwrap();
    assert!(marked.packs_marked > 0, "{marked:?}");

    snapshots.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    repository.prune(&at_once()).await.unwrap();
    assert_clean(&repository).await;
    // restic takes no notice of packs that are marked.
    bench.restic_checks_clean();
    assert_eq!(read(&repository, &old, "old").await, Some(noise(1, 900_000)));
}

#[tokio::test]
async fn without_snapshots_or_under_an_exclusive_lock_nothing_is_touched() {
    let (bench, repository) = bench().await;
    let lock = repository.lock_exclusive().await.unwrap();
    assert_eq!(repository.prune(&at_once()).await.unwrap_err().kind(), ErrorKind::Locked);
    lock.release().await.unwrap();

    for snapshot in fs::read_dir(bench.repository_path().join("snapshots")).unwrap() {
        fs::remove_file(snapshot.unwrap().path()).unwrap();
    }
    let before = objects(&bench.repository_path());
    let error = repository.prune(&at_once()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(objects(&bench.repository_path()) == before);

    let mut options = at_once();
    options.allow_no_snapshots = true;
    repository.prune(&options).await.unwrap();
    repository.prune(&options).await.unwrap();
    assert!(objects(&bench.repository_path().join("data")).is_empty());
}

#[tokio::test]
async fn damaged_content_is_not_copied_as_if_it_were_good() {
    let (bench, repository) = bench().await;
    // Somewhere in the data that is needed of the pack that must be stored again.
    for (path, good) in objects(&bench.repository_path().join("data")) {
        if good.len() < 1_500_000 {
            continue;
        }
        let mut bad = good;
        for place in (0..bad.len()).step_by(50_000) {
            bad[place] ^= 1;
        }
        fs::write(path, bad).unwrap();
    }
    let before = objects(&bench.repository_path());
    let error = repository.prune(&at_once()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let after = objects(&bench.repository_path());
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "nothing is lost");
}

#[tokio::test]
async fn both_tools_prune_what_the_other_wrote() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    for day in ["2024-01-01", "2024-01-02", "2024-01-03"] {
        let seed = day.bytes().map(u64::from).sum::<u64>() * 10;
        fill(&source, seed);
        bench.backup(&source, &format!("{day} 00:00:00"), &[]);
    }
    keep_last(&repository, 1).await;
    repository.prune(&at_once()).await.unwrap();
    bench.restic(["prune", "--max-unused", "0"]);
    assert_clean(&repository).await;
    bench.restic_checks_clean();
    repository.prune(&at_once()).await.unwrap();
    repository.prune(&at_once()).await.unwrap();
    assert_clean(&repository).await;
    bench.restic_checks_clean();
    let target = bench.subfolder("target");
    bench.restic(["restore", "latest", "--target", target.to_str().unwrap()]);
    assert_same(&source, &target.join(source.strip_prefix("/").unwrap()));
}

/// Snapshots whose packs are half needed each: the last one has the first file of every other one.
async fn thin_packs(repository: &Repository, count: u64) {
    let kept = |number: u64| (format!("kept {number}"), noise(number, 100_000));
    for number in 0..count {
        let (name, bytes) = kept(number);
        let more = noise(1000 + number, 100_000);
        write(repository, &[(name.as_str(), bytes), ("gone", more)]).await.unwrap();
    }
    let all: Vec<(String, Vec<u8>)> = (0..count).map(kept).collect();
    let all: Vec<(&str, Vec<u8>)> =
        all.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    write(repository, &all).await.unwrap();
    keep_last(repository, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_that_runs_out_of_time_stops_and_the_next_one_goes_on() {
    const PACKS: u64 = 12;
    // A few are read ahead, and what was begun is finished.
    const BEGUN_MAX: u64 = 6;
    let bench = Bench::new();
    let repository = bench.init().await;
    thin_packs(&repository, PACKS).await;

    // Without any time nothing is stored again.
    let begin = Instant::now();
    let mut options = at_once();
    options.max_time = Some(Duration::ZERO);
    let none = repository.prune(&options).await.unwrap();
    assert_eq!((none.packs_repacked, none.bytes_repacked), (0, 0), "{none:?}");
    assert!(none.packs_kept >= PACKS && none.bytes_unused_after > 0, "{none:?}");
    assert_clean(&repository).await;

    // The first piece that is stored again takes all the time that is left.
    let time = 10 * begin.elapsed() + Duration::from_secs(2);
    let begin = Instant::now();
    options.max_time = Some(time);
    options.observer = Some(Arc::new(move |progress: PruneProgress| {
        if progress.step == "repacking" && progress.done > 0 {
            std::thread::sleep(time.saturating_sub(begin.elapsed()));
        }
    }));
    let some = repository.prune(&options).await.unwrap();
    assert!((1..=BEGUN_MAX).contains(&some.packs_repacked), "{some:?}");
    assert!(some.bytes_unused_after > 0, "{some:?}");
    assert_clean(&repository).await;
    bench.restic_checks_clean();

    let rest = repository.prune(&at_once()).await.unwrap();
    assert_eq!(some.packs_repacked + rest.packs_repacked, PACKS, "{rest:?}");
    assert_eq!(rest.bytes_unused_after, 0, "{rest:?}");
    repository.prune(&at_once()).await.unwrap();
    assert_clean(&repository).await;
    bench.restic_checks_clean();
    let snapshot = repository.snapshot("latest").await.unwrap();
    for number in 0..PACKS {
        let bytes = read(&repository, &snapshot, &format!("kept {number}")).await;
        assert_eq!(bytes, Some(noise(number, 100_000)));
    }
}
