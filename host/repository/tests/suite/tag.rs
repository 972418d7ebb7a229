//! A snapshot with other tags is another file that remembers the first one, for restic too; pins hold; locks go when they
//! count for nothing.

use std::fs;

use crate::referee::{Bench, fill, noise, read, write};
use lockgate_repository::{ErrorKind, Filter, ForgetOptions, Policy, Reason, Selection, TagChange};

fn tags(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn add(text: &str) -> TagChange {
    TagChange { add: tags(text), ..TagChange::default() }
}

#[tokio::test]
async fn tags_change_and_the_first_id_is_remembered() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 1);
    bench.backup(&source, "2024-01-01 00:00:00", &["--tag", "one,two"]);
    let own = write(&repository, &[("file", noise(1, 100_000))]).await.unwrap();
    let first = repository.snapshot("latest~1").await.unwrap();

    let with_tag = Selection {
        filter: Filter { tags: vec![tags("one")], ..Filter::default() },
        ..Selection::default()
    };
    let change = TagChange { remove: tags("two"), add: tags("three"), set: None };
    let amended = repository.tag(&with_tag, &change).await.unwrap();
    assert_eq!(amended.len(), 1);
    let second = &amended[0].snapshot;
    assert_eq!((amended[0].old, second.original), (first.id, Some(first.id)));
    assert_eq!(second.tags, ["one", "three"]);
    let expected = lockgate_repository::Snapshot { id: second.id, ..second.clone() };
    assert_eq!(repository.snapshot(&second.id.to_string()).await.unwrap(), expected);
    assert_eq!(second.time, first.time);
    assert_eq!(second.summary, first.summary);
    let gone = repository.snapshot(&first.id.to_string()).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);

    // What is as it should be stays; restic goes on from there, and we go on from restic.
    assert_eq!(repository.tag(&with_tag, &add("three")).await.unwrap(), []);
    bench.restic(["tag", "--add", "of-restic", &second.id.to_string()]);
    let named = Selection { snapshots: vec!["latest~1".to_owned()], ..Selection::default() };
    let amended = repository.tag(&named, &add("last")).await.unwrap();
    assert_eq!(amended[0].snapshot.tags, ["one", "three", "of-restic", "last"]);
    assert_eq!(amended[0].snapshot.original, Some(first.id));
    let set = TagChange { set: Some(Vec::new()), ..TagChange::default() };
    let amended = repository.tag(&named, &set).await.unwrap();
    assert!(amended[0].snapshot.tags.is_empty());
    assert_eq!(read(&repository, &own, "file").await, Some(noise(1, 100_000)));
    bench.restic_checks_clean();
    assert_eq!(bench.restic_json(["snapshots", "--json"]).as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_pinned_stays_until_it_is_unpinned() {
    let bench = Bench::new();
    let repository = bench.init().await;
    write(&repository, &[("old", noise(1, 1000))]).await.unwrap();
    write(&repository, &[("new", noise(2, 1000))]).await.unwrap();
    let old = Selection { snapshots: vec!["latest~1".to_owned()], ..Selection::default() };
    let pinned = repository.tag(&old, &TagChange::pin()).await.unwrap();
    let mut options = ForgetOptions::default();
    options.policy = Policy { last: 1, ..Policy::default() };
    let report = repository.forget(&options).await.unwrap();
    assert_eq!((report.kept_count(), report.removed_count()), (2, 0));
    let kept = report.groups.iter().flat_map(|group| &group.kept);
    let reasons = kept.filter(|kept| kept.snapshot.id == pinned[0].snapshot.id);
    assert!(reasons.flat_map(|kept| &kept.reasons).any(|reason| *reason == Reason::Pinned));

    let named = |id: String| Selection { snapshots: vec![id], ..Selection::default() };
    let id = pinned[0].snapshot.id.to_string();
    repository.tag(&named(id), &TagChange::unpin()).await.unwrap();
    assert_eq!(repository.forget(&options).await.unwrap().removed_count(), 1);
}

#[tokio::test]
async fn nobody_changes_tags_beside_others() {
    let bench = Bench::new();
    let repository = bench.init().await;
    write(&repository, &[("file", noise(1, 1000))]).await.unwrap();
    let lock = repository.lock_shared().await.unwrap();
    let error = repository.tag(&Selection::default(), &add("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    lock.release().await.unwrap();
    let nothing = repository.tag(&Selection::default(), &TagChange::default()).await;
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn stale_locks_go_and_others_only_when_all_are_to_go() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let held = repository.lock_shared().await.unwrap();
    // One of a process that was killed: restic takes its lock and ends at once.
    let mut restic = std::process::Command::new(bench.program())
        .env("RESTIC_PASSWORD", crate::referee::PASSWORD)
        .args(["--no-cache", "--quiet", "--repo"])
        .arg(bench.repository_path())
        .args(["backup", "--stdin"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let locks = bench.repository_path().join("locks");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    // The file is there under another name before it is whole.
    while repository.locks().await.unwrap().len() < 2 {
        assert!(std::time::Instant::now() < until, "restic takes no lock");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    restic.kill().unwrap();
    restic.wait().unwrap();
    let all = repository.locks().await.unwrap();
    assert_eq!((all.len(), all.iter().filter(|lock| lock.is_stale).count()), (2, 1), "{all:?}");

    let report = repository.unlock(false).await.unwrap();
    assert_eq!((report.removed.len(), report.kept.len()), (1, 1));
    assert!(report.kept[0].file.as_ref().is_some_and(|file| !file.exclusive));
    fs::write(locks.join("ab".repeat(32)), "").unwrap();
    assert_eq!(repository.unlock(false).await.unwrap().removed.len(), 0);
    let report = repository.unlock(true).await.unwrap();
    assert_eq!((report.removed.len(), report.kept.len()), (2, 0));
    assert_eq!(fs::read_dir(&locks).unwrap().count(), 0);
    let _ = held.release().await;
}
