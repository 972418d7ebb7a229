use lockgate_repository::{CopyOptions, CopyReport, ErrorKind, Repository};
use lockgate_servers::S3Server;
use lockgate_storage::fault::{Fault, Operation};

use crate::{Place, Restic, draft, init, options, restored, s3, sampled, snapshot, write_files};

fn copying() -> CopyOptions {
    let mut copying = CopyOptions::default();
    copying.write = options();
    copying
}

async fn copy(from: &Repository, to: &Repository) -> CopyReport {
    from.copy_to(to, &copying()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_whole_and_are_made_once_by_us_and_by_restic() {
    let (origin, repository) = Place::new("one").await;
    let first = snapshot(&repository, 0, 20).await;
    snapshot(&repository, 10, 30).await;
    let (target, copies) = Place::new("two").await;
    let report = copy(&repository, &copies).await;
    assert_eq!((report.copied.len(), report.present), (2, 0));
    assert!(report.bytes_read > 30 * 300_000 && report.bytes_read < 31 * 300_000, "{report:?}");
    target.restic().check();
    for (made, from, to) in [("made:0", 0, 20), ("made:10", 10, 30)] {
        let all = copies.snapshots().await.unwrap();
        let copy = all.iter().find(|it| it.tags == [made]).unwrap();
        restored(&target.restic(), &copy.id.to_string(), from, to);
    }
    let copied = copies.snapshots().await.unwrap();
    assert_eq!((copied[0].original, copied[0].tree), (Some(first.id), first.tree));

    // Nothing is read when nothing is lacking, whoever copied, and copies of copies are known too.
    let gets = origin.faults.calls(Some(Operation::Get));
    let again = copy(&repository, &copies).await;
    assert_eq!((again.copied.len(), again.present, again.blobs), (0, 2, 0));
    assert!(origin.faults.calls(Some(Operation::Get)) - gets < 10);
    assert_eq!(copy(&copies, &repository).await.present, 2);
    let from = origin.folder.path().display().to_string();
    let restic = |place: &Place| Restic {
        variables: vec![("RESTIC_FROM_PASSWORD", "one".to_owned())],
        ..place.restic()
    };
    let said = restic(&target).run(&["copy", "--from-repo", &from]);
    assert_eq!(copies.snapshots().await.unwrap().len(), 2, "{said}");
    let (third, others) = Place::new("three").await;
    restic(&third).run(&["copy", "--from-repo", &from]);
    assert_eq!(copy(&repository, &others).await.present, 2);
    assert_eq!(copy(&copies, &others).await.present, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn some_snapshots_can_be_chosen_and_the_same_repository_is_refused() {
    let (_origin, repository) = Place::new("one").await;
    let first = snapshot(&repository, 0, 3).await;
    snapshot(&repository, 3, 6).await;
    let (_target, copies) = Place::new("two").await;
    let mut copying = copying();
    copying.snapshots = vec![first.id.to_string(), "latest~1".to_owned()];
    copying.dry_run = true;
    let report = repository.copy_to(&copies, &copying).await.unwrap();
    assert_eq!((report.copied.len(), report.copied[0].to), (1, None));
    assert!(copies.snapshots().await.unwrap().is_empty());
    copying.dry_run = false;
    let report = repository.copy_to(&copies, &copying).await.unwrap();
    assert_eq!((report.copied.len(), report.copied[0].from), (1, first.id));
    let error = repository.copy_to(&repository, &copying).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_dies_anywhere_leaves_no_half_snapshot_and_goes_on_later() {
    let (_origin, repository) = Place::new("one").await;
    snapshot(&repository, 0, 12).await;
    let (counted, copies) = Place::new("two").await;
    let before = counted.faults.calls(Some(Operation::Put));
    copy(&repository, &copies).await;
    let puts = counted.faults.calls(Some(Operation::Put)) - before;
    assert!(puts > 4, "{puts}");
    for (number, call) in sampled(puts).enumerate() {
        let fault = if number % 2 == 0 { Fault::DieAfter } else { Fault::DieBefore };
        let (target, copies) = Place::new("two").await;
        let made = target.faults.calls(Some(Operation::Put));
        target.faults.plan(Some(Operation::Put), made + call, fault);
        let died = repository.copy_to(&copies, &copying()).await;
        // By chance there are fewer packs than the last time.
        assert_eq!(died.is_err(), target.faults.is_dead(), "{call} {fault:?}");
        let copies = target.open().await;
        let there = copies.snapshots().await.unwrap().len();
        assert!(there <= 1 && copies.check(check()).await.unwrap().is_clean(), "{call} {fault:?}");
        let report = copy(&repository, &copies).await;
        assert_eq!(report.copied.len() + there, 1, "{call} {fault:?}");
        assert!(copies.check(check()).await.unwrap().is_clean(), "{call} {fault:?}");
    }
}

fn check() -> lockgate_repository::CheckOptions {
    let mut check = lockgate_repository::CheckOptions::default();
    check.read_data = lockgate_repository::ReadData::All;
    // What died left its lock behind.
    check.lock = false;
    check
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_not_copied_and_the_others_are() {
    let (origin, repository) = Place::new("one").await;
    snapshot(&repository, 0, 4).await;
    let packs = origin.packs();
    snapshot(&repository, 4, 8).await;
    let new = origin.packs().into_iter().find(|pack| !packs.contains(pack)).unwrap();
    std::fs::remove_file(new).unwrap();
    let (target, copies) = Place::new("two").await;
    let error = repository.copy_to(&copies, &copying()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Storage | ErrorKind::Corrupt), "{error:?}");
    assert_eq!(copies.snapshots().await.unwrap().len(), 1);
    target.restic().check();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_object_store_has_is_copied_to_disk_and_back() {
    let server = S3Server::start().unwrap();
    let repository = init(s3(&server, "copies"), "far").await;
    snapshot(&repository, 0, 10).await;
    let (near, copies) = Place::new("near").await;
    assert_eq!(copy(&repository, &copies).await.copied.len(), 1);
    near.restic().check();
    let writer = copies.writer(options()).await.unwrap();
    write_files(&writer, 5, 15).unwrap();
    writer.commit(draft(5)).await.unwrap();
    let report = copy(&copies, &repository).await;
    assert_eq!((report.copied.len(), report.present), (1, 1));
    let variables = vec![
        ("AWS_ACCESS_KEY_ID", server.access_key.clone()),
        ("AWS_SECRET_ACCESS_KEY", server.secret_key.clone()),
    ];
    let restic =
        Restic { location: server.location("copies"), password: "far".to_owned(), variables };
    restic.check();
    restored(&restic, "latest", 5, 15);
}
