use std::time::Duration;

use lockgate_repository::{CopyOptions, Destination, ErrorKind, Repository, Writer};
use lockgate_servers::S3Server;
use lockgate_storage::fault::{Fault, Operation};
use lockgate_storage::{Storage, StorageOptions};

use crate::{Place, draft, init, options, restored, s3, write_files};

fn to(repository: &Repository, is_required: bool) -> Destination {
    let (repository, options) = (repository.clone(), options());
    Destination { repository, options, is_required, patience: Duration::from_secs(60) }
}

fn copying() -> CopyOptions {
    let mut copying = CopyOptions::default();
    copying.write = options();
    copying
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_once_is_whole_in_every_repository() {
    let (one, first) = Place::new("one").await;
    let (two, second) = Place::new("two").await;
    let server = S3Server::start().unwrap();
    let third = init(s3(&server, "fan"), "three").await;
    let all = [to(&first, true), to(&second, false), to(&third, false)];
    for (from, until) in [(0, 12), (6, 18)] {
        let (writer, absent) = Writer::fan_out(all.to_vec()).await.unwrap();
        assert!(absent.is_empty());
        write_files(&writer, from, until).unwrap();
        let read = writer.progress().bytes_read;
        assert_eq!(read, (until - from) * 300_000);
        let stored = writer.commit_everywhere(draft(from)).await.unwrap();
        let stored: Vec<_> = stored.into_iter().map(Result::unwrap).collect();
        assert_eq!(stored[0].original, None);
        for copy in &stored[1..] {
            assert_eq!((copy.original, copy.tree), (Some(stored[0].id), stored[0].tree));
            // Each looks up for itself: only what is new was stored.
            let new = copy.summary.as_ref().unwrap().data_added;
            let expected = if from == 0 { 12 } else { 6 } * 300_000;
            assert!(new >= expected && new < expected + 50_000, "{new}");
        }
    }
    for (place, repository) in [(&one, &first), (&two, &second)] {
        place.restic().check();
        restored(&place.restic(), "latest", 6, 18);
        assert_eq!(repository.snapshots().await.unwrap().len(), 2);
    }
    // A copy has nothing to do.
    for repository in [&second, &third] {
        assert_eq!(first.copy_to(repository, &copying()).await.unwrap().present, 2);
    }
    let (four, fourth) = Place::new("four").await;
    third.copy_to(&fourth, &copying()).await.unwrap();
    restored(&four.restic(), "latest", 6, 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_fails_the_others_have_the_backup_and_a_copy_brings_what_was_missed() {
    for broken in 0..3 {
        let (one, first) = Place::new("one").await;
        let (two, second) = Place::new("two").await;
        let (three, third) = Place::new("three").await;
        let (places, repositories) = ([&one, &two, &three], [&first, &second, &third]);
        let all = repositories.map(|repository| to(repository, false));
        let (writer, _) = Writer::fan_out(all.to_vec()).await.unwrap();
        let puts = places[broken].faults.calls(Some(Operation::Put));
        places[broken].faults.plan(Some(Operation::Put), puts + 3, Fault::DieBefore);
        write_files(&writer, 0, 30).unwrap();
        let stored = writer.commit_everywhere(draft(0)).await.unwrap();
        let failed: Vec<bool> = stored.iter().map(Result::is_err).collect();
        assert_eq!(failed, [0, 1, 2].map(|place| place == broken));
        let healthy = (broken + 1) % 3;
        for place in [healthy, (broken + 2) % 3] {
            places[place].restic().check();
            restored(&places[place].restic(), "latest", 0, 30);
        }
        let late = places[broken].open().await;
        assert!(late.snapshots().await.unwrap().is_empty());
        let report = repositories[healthy].copy_to(&late, &copying()).await.unwrap();
        assert_eq!(report.copied.len(), 1);
        places[broken].restic().run(&["unlock", "--remove-all"]);
        places[broken].restic().check();
        restored(&places[broken].restic(), "latest", 0, 30);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_required_fails_the_run_and_nobody_has_a_snapshot() {
    for broken in 0..2 {
        let (one, first) = Place::new("one").await;
        let (two, second) = Place::new("two").await;
        let all = vec![to(&first, broken == 0), to(&second, broken == 1)];
        let (writer, _) = Writer::fan_out(all).await.unwrap();
        let place = [&one, &two][broken];
        let puts = place.faults.calls(Some(Operation::Put));
        place.faults.plan(Some(Operation::Put), puts + 2, Fault::DieBefore);
        let written = write_files(&writer, 0, 30);
        let error = writer.commit_everywhere(draft(0)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{written:?} {error:?}");
        for place in [&one, &two] {
            assert!(place.open().await.snapshots().await.unwrap().is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_begun_is_told_and_the_next_one_leads() {
    let (_one, first) = Place::new("one").await;
    let (two, second) = Place::new("two").await;
    let lock = first.lock_exclusive().await.unwrap();
    let all = vec![to(&first, false), to(&second, false)];
    let (writer, absent) = Writer::fan_out(all).await.unwrap();
    assert_eq!((absent.len(), absent[0].0, absent[0].1.kind()), (1, 0, ErrorKind::Locked));
    write_files(&writer, 0, 3).unwrap();
    assert_eq!(writer.commit_everywhere(draft(0)).await.unwrap().len(), 1);
    two.restic().check();
    let required = vec![to(&second, false), to(&first, true)];
    assert_eq!(Writer::fan_out(required).await.err().map(|it| it.kind()), Some(ErrorKind::Locked));
    lock.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_one_is_waited_for_and_then_let_go() {
    let (one, first) = Place::new("one").await;
    let (two, _) = Place::new("two").await;
    let slow = StorageOptions::new().with("limit-upload-kib", "1024").with("retries", "0");
    let storage = Storage::open(&two.url().parse().unwrap(), &slow).unwrap();
    let second = Repository::open(storage, "two").await.unwrap();
    let mut late = to(&second, false);
    late.patience = Duration::from_millis(800);
    let (writer, _) = Writer::fan_out(vec![to(&first, true), late]).await.unwrap();
    // Far more than fits into the budget of the slow one.
    write_files(&writer, 0, 80).unwrap();
    let stored = writer.commit_everywhere(draft(0)).await.unwrap();
    let error = stored[1].as_ref().unwrap_err();
    assert!(stored[0].is_ok() && error.to_string().contains("too slow"), "{error:?}");
    one.restic().check();
}
