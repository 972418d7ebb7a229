//! What is left of a damaged repository is found again, and what is lost is no longer missed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::referee::{Bench, copy, fill, noise, objects, read, storage, unlock, write};
use lockgate_repository::{
    CheckOptions, ErrorKind, ObjectKind, REPAIRED, ReadData, Repository, Selection, Snapshot,
};
use lockgate_storage::fault::{Fault, Faults};
use lockgate_storage::{StorageOptions, StorageUrl};
use lockgate_types::EntryPath;

async fn is_clean(repository: &Repository) -> bool {
    let mut options = CheckOptions::default();
    options.read_data = ReadData::All;
    repository.check(options).await.unwrap().is_clean()
}

fn files(bench: &Bench, folder: &str) -> Vec<PathBuf> {
    objects(&bench.repository_path().join(folder)).into_keys().collect()
}

/// Two snapshots, each with packs and an index of its own.
async fn bench() -> (Bench, Repository) {
    let bench = Bench::new();
    let repository = bench.init().await;
    write(&repository, &[("one", noise(1, 300_000)), ("below/two", noise(2, 1000))]).await.unwrap();
    write(&repository, &[("one", noise(1, 300_000)), ("three", noise(3, 300_000))]).await.unwrap();
    (bench, repository)
}

#[tokio::test]
async fn a_whole_index_stays_as_it_is() {
    let (bench, repository) = bench().await;
    let before = objects(&bench.repository_path());
    let report = repository.repair_index(false, false).await.unwrap();
    assert!(report.is_clean() && report.indexes_written == 0, "{report:?}");
    assert_eq!(objects(&bench.repository_path()), before);
    let report = repository.repair_index(true, false).await.unwrap();
    assert_eq!((report.packs_read, report.packs_found), (4, 4));
    assert_eq!(files(&bench, "index").len(), 1);
    assert!(is_clean(&repository).await);
    bench.restic_checks_clean();
}

#[tokio::test]
async fn an_index_that_is_lost_or_damaged_is_made_anew() {
    let (bench, repository) = bench().await;
    let index = files(&bench, "index");
    fs::remove_file(&index[0]).unwrap();
    let mut bytes = fs::read(&index[1]).unwrap();
    bytes[40] ^= 1;
    fs::remove_file(&index[1]).unwrap();
    fs::write(&index[1], bytes).unwrap();
    assert!(!is_clean(&repository).await);
    let snapshots = Selection::default();
    let first = repository.repair_snapshots(&snapshots, false, false).await.unwrap_err();
    assert!(first.hint().is_some_and(|hint| hint.contains("repair index")), "{first:?}");

    let before = objects(&bench.repository_path());
    let report = repository.repair_index(false, true).await.unwrap();
    assert_eq!(objects(&bench.repository_path()), before, "a dry run changes nothing");
    assert_eq!((report.indexes_damaged, report.packs_found), (1, 4));
    let done = repository.repair_index(false, false).await.unwrap();
    assert_eq!((done.indexes_removed, done.indexes_written), (1, 1));
    assert!(is_clean(&repository).await);
    let latest = repository.snapshot("latest").await.unwrap();
    assert_eq!(read(&repository, &latest, "three").await, Some(noise(3, 300_000)));
    bench.restic_checks_clean();
}

#[tokio::test]
async fn a_repair_of_the_index_that_is_cut_off_is_done_again() {
    let (bench, _) = bench().await;
    fs::remove_file(&files(&bench, "index")[0]).unwrap();
    let mut calls = 40;
    let mut call = 1;
    while call <= calls {
        for fault in [Fault::DieBefore, Fault::DieAfter] {
            let path = bench.folder.path().join(format!("{call}-{fault:?}"));
            copy(&bench.repository_path(), &path);
            let url: StorageUrl = format!("fs:{}", path.display()).parse().unwrap();
            let faults = Faults::new();
            let options = StorageOptions::new().with("retries", "0");
            let storage_with_faults = faults.open(&url, &options).unwrap();
            let dying =
                Repository::open(storage_with_faults, crate::referee::PASSWORD).await.unwrap();
            let before = faults.calls(None);
            faults.plan(None, before + call, fault);
            if dying.repair_index(false, false).await.is_ok() && !faults.is_dead() {
                calls = calls.min(call);
            }
            unlock(&path);
            let repository =
                Repository::open(storage(&path), crate::referee::PASSWORD).await.unwrap();
            repository.repair_index(false, false).await.unwrap();
            assert!(is_clean(&repository).await, "call {call}, {fault:?}");
        }
        call += 1;
    }
    assert!(call > 5, "{call}");
}

/// Removes the pack that holds a blob, as an index repair then finds it.
async fn lose(bench: &Bench, repository: &Repository, blob: &str) {
    for pack in repository.objects(ObjectKind::Pack).await.unwrap() {
        let path = bench.repository_path().join(format!("data/{:02x}/{pack}", pack.0[0]));
        if holds(repository, &pack.to_string(), blob).await {
            fs::remove_file(path).unwrap();
        }
    }
    let report = repository.repair_index(false, false).await.unwrap();
    assert_eq!(report.packs_lost, 1, "{report:?}");
}

async fn holds(repository: &Repository, pack: &str, blob: &str) -> bool {
    for id in repository.objects(ObjectKind::Index).await.unwrap() {
        let index = repository.object(ObjectKind::Index, &id.to_string()).await.unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index.bytes).unwrap();
        for one in index["packs"].as_array().unwrap().iter().filter(|it| it["id"] == pack) {
            if one["blobs"].as_array().unwrap().iter().any(|it| it["id"] == blob) {
                return true;
            }
        }
    }
    false
}

async fn blob_of(repository: &Repository, snapshot: &Snapshot, path: &str) -> String {
    let reader = repository.reader().await.unwrap();
    let path = EntryPath::try_from(path).unwrap();
    let node = reader.node(&snapshot.tree, &path).await.unwrap().unwrap();
    match node.subtree {
        Some(tree) => tree.to_string(),
        None => node.blobs()[0].to_string(),
    }
}

#[tokio::test]
async fn snapshots_lose_what_is_lost_and_nothing_else() {
    let (bench, repository) = bench().await;
    let snapshots = repository.snapshots().await.unwrap();
    let blob = blob_of(&repository, &snapshots[1], "three").await;
    lose(&bench, &repository, &blob).await;
    assert!(!is_clean(&repository).await);

    let all = Selection::default();
    let planned = repository.repair_snapshots(&all, true, true).await.unwrap();
    assert_eq!((planned.repaired.len(), planned.whole), (1, 1));
    assert!(planned.repaired[0].new.is_none() && !planned.repaired[0].is_forgotten);
    let report = repository.repair_snapshots(&all, false, false).await.unwrap();
    let repaired = &report.repaired[0];
    assert_eq!((repaired.files, repaired.folders, repaired.bytes), (1, 0, 300_000));
    let new = repaired.new.clone().unwrap();
    assert_eq!(
        (new.tags.as_slice(), new.original),
        (&[REPAIRED.to_owned()][..], Some(snapshots[1].id))
    );
    assert_eq!(read(&repository, &new, "one").await, Some(noise(1, 300_000)));
    assert_eq!(read(&repository, &new, "three").await, Some(Vec::new()));

    // The damaged one stays until it is asked to go, and is not copied once more.
    let again = repository.repair_snapshots(&all, false, false).await.unwrap();
    assert_eq!((again.repaired[0].new.as_ref(), again.whole), (Some(&new), 2));
    assert_eq!(repository.snapshots().await.unwrap().len(), 3);
    let last = repository.repair_snapshots(&all, true, false).await.unwrap();
    assert!(last.repaired[0].is_forgotten);
    assert_eq!(repository.snapshots().await.unwrap().len(), 2);
    assert!(is_clean(&repository).await);
    bench.restic_checks_clean();
}

#[tokio::test]
async fn a_folder_that_is_lost_becomes_empty_as_restic_makes_it() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 1);
    bench.backup(&source, "2024-01-01 00:00:00", &[]);
    let first = repository.snapshot("latest").await.unwrap();
    let folder = source.join("folder/deeper").display().to_string();
    let lost = blob_of(&repository, &first, folder.trim_matches('/')).await;
    let twin = bench.folder.path().join("twin");
    damage(&bench, &repository, &lost).await;
    copy(&bench.repository_path(), &twin);
    let by_restic = std::process::Command::new(bench.program())
        .env("RESTIC_PASSWORD", crate::referee::PASSWORD)
        .args(["--no-cache", "--quiet", "--repo"])
        .arg(&twin)
        .args(["repair", "snapshots", "--forget"])
        .output()
        .unwrap();
    assert!(by_restic.status.success(), "{}", String::from_utf8_lossy(&by_restic.stderr));

    let report = repository.repair_snapshots(&Selection::default(), true, false).await.unwrap();
    let new = report.repaired[0].new.clone().unwrap();
    assert_eq!((report.repaired[0].folders, new.original), (1, Some(first.id)));
    let twin = Repository::open(storage(&twin), crate::referee::PASSWORD).await.unwrap();
    let of_restic = twin.snapshot("latest").await.unwrap();
    assert_eq!(of_restic.original, new.original);
    // Restic writes the empty tree in another way.
    let left = names(&repository, &new).await;
    assert_eq!(left, names(&twin, &of_restic).await);
    assert!(left.iter().any(|(path, _)| path.ends_with("folder/deeper")));
    assert!(!left.iter().any(|(path, _)| path.ends_with("deeper/file")));
    // Whoever does not read the damaged pack, which a prune will take away, finds nothing wrong.
    assert!(repository.check(CheckOptions::default()).await.unwrap().is_clean());
    bench.restic(["check"]);
}

async fn names(repository: &Repository, snapshot: &Snapshot) -> Vec<(String, u64)> {
    let reader = repository.reader().await.unwrap();
    let mut walk = reader.walk(snapshot.tree, EntryPath::root(), None);
    let mut names = Vec::new();
    while let Some((path, node)) = walk.next().await.unwrap() {
        names.push((path.to_string(), node.size));
    }
    names
}

/// Flips a bit of a blob in its pack.
async fn damage(bench: &Bench, repository: &Repository, blob: &str) {
    for pack in repository.objects(ObjectKind::Pack).await.unwrap() {
        if holds(repository, &pack.to_string(), blob).await {
            let path = bench.repository_path().join(format!("data/{:02x}/{pack}", pack.0[0]));
            flip_blob(repository, &path, blob).await;
        }
    }
}

async fn flip_blob(repository: &Repository, path: &Path, blob: &str) {
    for id in repository.objects(ObjectKind::Index).await.unwrap() {
        let index = repository.object(ObjectKind::Index, &id.to_string()).await.unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index.bytes).unwrap();
        let packs = index["packs"].as_array().unwrap().iter();
        for one in packs.flat_map(|pack| pack["blobs"].as_array().unwrap()) {
            if one["id"] == blob {
                let offset = usize::try_from(one["offset"].as_u64().unwrap()).unwrap();
                let mut bytes = fs::read(path).unwrap();
                bytes[offset + 20] ^= 1;
                fs::remove_file(path).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_at_all_goes_only_on_request() {
    let (bench, repository) = bench().await;
    let snapshots = repository.snapshots().await.unwrap();
    let root = snapshots[0].tree.to_string();
    lose(&bench, &repository, &root).await;
    fs::write(bench.repository_path().join(format!("snapshots/{}", "ab".repeat(32))), "x").unwrap();
    let all = Selection::default();
    let report = repository.repair_snapshots(&all, false, false).await.unwrap();
    assert!(report.repaired.iter().any(|it| it.old.id == snapshots[0].id && it.new.is_none()));
    assert_eq!(report.unreadable.len(), 1);
    assert_eq!(files(&bench, "snapshots").len(), 3);
    repository.repair_snapshots(&all, true, false).await.unwrap();
    assert_eq!(files(&bench, "snapshots").len(), 1);
    assert!(is_clean(&repository).await);

    let lock = repository.lock_shared().await.unwrap();
    let error = repository.repair_snapshots(&all, false, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    lock.release().await.unwrap();
}
