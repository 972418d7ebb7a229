use std::time::Instant;

use lockgate_storage::{Storage, StorageOptions};

use super::*;
use crate::ErrorKind;
use crate::layout::{FileKind, ListedFile};
use crate::open::InitOptions;

const QUICK: Timing = Timing {
    settle: Duration::from_millis(1),
    refresh: Duration::from_millis(5),
    retry: Duration::from_millis(5),
    ..Timing::DEFAULT
};
const SLOW: Timing = Timing { refresh: Duration::from_secs(3600), ..QUICK };

async fn repository() -> Repository {
    let url = "memory:".parse().unwrap();
    let storage = Storage::open(&url, &StorageOptions::default()).unwrap();
    Repository::init(storage, "secret", InitOptions { scrypt_n: 2 }).await.unwrap()
}

async fn locks(repository: &Repository) -> Vec<ListedFile> {
    repository.list_files(FileKind::Lock).await.unwrap()
}

/// Waits until `is_so`, at most ten seconds.
async fn wait_until<F: Future<Output = bool>>(is_so: impl Fn() -> F) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(10), "it never came to be");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_refreshed_by_a_new_file_and_removed_at_the_end() {
    let repository = repository().await;
    let guard = LockGuard::take(&repository, Mode::Shared, QUICK).await.unwrap();
    let first = locks(&repository).await[0].id;
    wait_until(|| async {
        let now = locks(&repository).await;
        !now.is_empty() && now.iter().all(|file| file.id != first)
    })
    .await;
    guard.ensure_held().unwrap();
    guard.release().await.unwrap();
    assert_eq!(locks(&repository).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_guard_removes_its_lock() {
    let repository = repository().await;
    drop(LockGuard::take(&repository, Mode::Exclusive, SLOW).await.unwrap());
    wait_until(|| async { locks(&repository).await.is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_somebody_removed_is_lost() {
    let repository = repository().await;
    let guard = LockGuard::take(&repository, Mode::Shared, QUICK).await.unwrap();
    wait_until(|| async {
        for file in locks(&repository).await {
            repository.delete_file(FileKind::Lock, &file.id).await.unwrap();
        }
        guard.ensure_held().is_err()
    })
    .await;
    assert_eq!(guard.ensure_held().unwrap_err().kind(), ErrorKind::LockLost);
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_refreshed_in_time_is_lost() {
    let repository = repository().await;
    let timing = Timing { lost_after: Duration::ZERO, ..SLOW };
    let guard = LockGuard::take(&repository, Mode::Shared, timing).await.unwrap();
    assert_eq!(guard.ensure_held().unwrap_err().kind(), ErrorKind::LockLost);
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_exclusive_locks_at_the_same_time_at_most_one_is_taken() {
    let repository = repository().await;
    let timing = Timing { settle: Duration::from_millis(100), ..SLOW };
    let take = || LockGuard::take(&repository, Mode::Exclusive, timing);
    let (one, other) = tokio::join!(take(), take());
    assert!(one.is_err() || other.is_err());
    for guard in [one, other].into_iter().flatten() {
        guard.release().await.unwrap();
    }
    assert_eq!(locks(&repository).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_folder_nobody_waits_and_at_most_one_of_two_is_alone() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let url = format!("fs:{}", folder.path().display()).parse().unwrap();
        Storage::open(&url, &StorageOptions::default()).unwrap()
    };
    let options = InitOptions { scrypt_n: 2 };
    let one = Repository::init(open(), "secret", options).await.unwrap();
    let other = Repository::open(open(), "secret").await.unwrap();
    let timing = Timing { settle: Duration::from_secs(3600), ..SLOW };
    let mut taken = 0;
    for _ in 0..100 {
        let both = futures::future::join(
            LockGuard::take(&one, Mode::Exclusive, timing),
            LockGuard::take(&other, Mode::Exclusive, timing),
        );
        let (first, second) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
        assert!(first.is_err() || second.is_err());
        for guard in [first, second].into_iter().flatten() {
            taken += 1;
            guard.release().await.unwrap();
        }
    }
    println!("of 100 pairs {taken} took the lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_cannot_be_read_forbids_ours() {
    let repository = repository().await;
    let bytes = b"not sealed".to_vec();
    let name = FileKind::Lock.name(&crate::layout::digest(&bytes));
    repository.storage().put(&name, vec![bytes.into()]).await.unwrap();
    let error = LockGuard::take(&repository, Mode::Shared, SLOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("cannot be read"), "{error}");
}
