use lockgate_repository::{
    CheckOptions, CopyOptions, HealOptions, HealReport, ReadData, Repository,
};
use lockgate_storage::fault::{Fault, Operation};

use crate::{Place, content, flip, options, path, restored, sampled, snapshot};

fn healing() -> HealOptions {
    let mut healing = HealOptions::default();
    healing.write = options();
    healing.read_data = ReadData::All;
    healing
}

async fn heal(damaged: &Repository, whole: &Repository) -> HealReport {
    damaged.heal(whole, &healing()).await.unwrap()
}

/// Two repositories with the same snapshot of files 0 to 16.
async fn twins() -> (Place, Repository, Place, Repository) {
    let (one, repository) = Place::new("one").await;
    snapshot(&repository, 0, 16).await;
    let (two, copies) = Place::new("two").await;
    let mut copying = CopyOptions::default();
    copying.write = options();
    repository.copy_to(&copies, &copying).await.unwrap();
    (one, repository, two, copies)
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_cut_and_flipped_packs_are_replaced() {
    let (one, repository, _two, copies) = twins().await;
    let packs = one.packs();
    assert!(packs.len() >= 4, "{packs:?}");
    std::fs::remove_file(&packs[0]).unwrap();
    flip(&packs[1], 1000);
    let cut = std::fs::read(&packs[2]).unwrap();
    flip(&packs[2], 0);
    std::fs::write(&packs[2], &cut[..cut.len() / 2]).unwrap();
    let report = heal(&repository, &copies).await;
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.packs_replaced, report.packs_deleted), (3, 2));
    assert!(report.blobs_brought > 0 && report.blobs_saved > 0, "{report:?}");
    assert!(packs[..3].iter().all(|pack| !pack.exists()));
    one.restic().check();
    restored(&one.restic(), "latest", 0, 16);
    let again = heal(&repository, &copies).await;
    assert_eq!((again.packs_replaced, again.blobs_brought, again.is_whole()), (0, 0, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_lost_all_packs_comes_back() {
    let (one, repository, _two, copies) = twins().await;
    for pack in one.packs() {
        std::fs::remove_file(pack).unwrap();
    }
    assert!(heal(&repository, &copies).await.is_whole());
    one.restic().check();
    restored(&one.restic(), "latest", 0, 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_that_no_index_names_are_brought() {
    let (one, repository, _two, copies) = twins().await;
    for index in std::fs::read_dir(one.folder.path().join("index")).unwrap() {
        std::fs::remove_file(index.unwrap().path()).unwrap();
    }
    assert!(heal(&repository, &copies).await.is_whole());
    one.restic().check();
    restored(&one.restic(), "latest", 0, 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_neither_has_is_told_and_the_rest_is_healed() {
    let (one, repository, two, copies) = twins().await;
    // Of different files: packs are filled in the order in which threads come.
    snapshot(&repository, 16, 20).await;
    let own: Vec<_> = one.packs();
    for pack in own.iter().chain(&two.packs()) {
        let length = std::fs::metadata(pack).unwrap().len() as usize;
        flip(pack, length / 3);
    }
    let report = heal(&repository, &copies).await;
    assert!(!report.is_whole() && report.lost_count > 0, "{report:?}");
    assert_eq!(report.packs_replaced, own.len() as u64);
    // Nothing damaged is named any more: a backup would store again what is lost.
    let mut check = CheckOptions::default();
    check.read_data = ReadData::All;
    let left = repository.check(check).await.unwrap();
    assert!(
        left.findings.iter().all(|finding| finding.blob.is_some()
            || !finding.object.starts_with("data/")
            || finding.detail.contains("no index")),
        "{left:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heal_that_dies_anywhere_loses_nothing_and_is_done_again() {
    let calls = {
        let (one, repository, _two, copies) = twins().await;
        flip(&one.packs()[0], 500);
        let before =
            (one.faults.calls(Some(Operation::Put)), one.faults.calls(Some(Operation::Delete)));
        heal(&repository, &copies).await;
        (
            one.faults.calls(Some(Operation::Put)) - before.0,
            one.faults.calls(Some(Operation::Delete)) - before.1,
        )
    };
    let puts = sampled(calls.0).map(|call| (Operation::Put, call));
    let deletes = sampled(calls.1).map(|call| (Operation::Delete, call));
    for (operation, call) in puts.chain(deletes) {
        let (one, repository, _two, copies) = twins().await;
        flip(&one.packs()[0], 500);
        let made = one.faults.calls(Some(operation));
        one.faults.plan(Some(operation), made + call, Fault::DieAfter);
        let _died = repository.heal(&copies, &healing()).await;
        let repository = one.open().await;
        let report = unlocked(&one, &repository, &copies).await;
        assert!(report.is_whole(), "{operation:?} {call}: {report:?}");
        restored(&one.restic(), "latest", 0, 16);
    }
}

/// What died left its lock behind, and this process, which made it, lives on.
async fn unlocked(place: &Place, damaged: &Repository, whole: &Repository) -> HealReport {
    place.restic().run(&["unlock", "--remove-all"]);
    heal(damaged, whole).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_has_lost_is_read_in_the_other() {
    let (one, repository, _two, copies) = twins().await;
    let latest = repository.snapshot("latest").await.unwrap();
    let reader = repository.reader().await.unwrap();
    let reader = reader.or(vec![("two".to_owned(), copies.reader().await.unwrap())]);
    for pack in one.packs() {
        std::fs::remove_file(pack).unwrap();
    }
    let node = reader.node(&latest.tree, &path("folder1/file7")).await.unwrap().unwrap();
    let mut read = reader.content(&node);
    let mut bytes = Vec::new();
    loop {
        let piece = read.read(1 << 20).await.unwrap();
        if piece.is_empty() {
            break;
        }
        bytes.extend_from_slice(&piece);
    }
    assert!(bytes == content(7, 300_000));
    let file = tempfile::NamedTempFile::new().unwrap();
    reader.extract(&node, file.reopen().unwrap(), 0).await.unwrap();
    assert!(std::fs::read(file.path()).unwrap() == bytes);
    let rescued = reader.rescued();
    assert_eq!((rescued.len(), rescued[0].repository.as_str()), (1, "two"));
    assert!(rescued[0].bytes >= 600_000, "{rescued:?}");
}
