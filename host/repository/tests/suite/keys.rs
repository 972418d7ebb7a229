//! Several passwords open one repository, for restic too, and there is always one that does.

use std::fs;

use crate::referee::{Bench, PASSWORD, copy, noise, storage, write};
use lockgate_repository::{ErrorKind, KeyOptions, Repository};
use lockgate_storage::fault::{Fault, Faults};
use lockgate_storage::{StorageOptions, StorageUrl};

fn cheap() -> KeyOptions {
    let mut options = KeyOptions::default();
    options.scrypt_n = 1 << 10;
    options
}

async fn opens(bench: &Bench, password: &str) -> bool {
    let opened = Repository::open(storage(&bench.repository_path()), password).await;
    opened.is_ok_and(|repository| !repository.id().is_empty())
}

fn restic_opens(bench: &Bench, password: &str) -> bool {
    let output = std::process::Command::new(bench.program())
        .env("RESTIC_PASSWORD", password)
        .args(["--no-cache", "--repo"])
        .arg(bench.repository_path())
        .args(["cat", "config"])
        .output()
        .unwrap();
    output.status.success()
}

#[tokio::test]
async fn keys_come_and_go_and_one_stays() {
    let bench = Bench::new();
    let repository = bench.init().await;
    write(&repository, &[("file", noise(1, 1000))]).await.unwrap();
    let mut options = cheap();
    (options.username, options.hostname) = ("ann".to_owned(), "there".to_owned());
    let second = repository.add_key("second", &options).await.unwrap();
    assert!(opens(&bench, "second").await && restic_opens(&bench, "second"));
    let keys = repository.keys().await.unwrap();
    let added = keys.iter().find(|key| key.id == second).unwrap();
    assert_eq!((added.username.as_str(), added.hostname.as_str()), ("ann", "there"));
    assert!(!added.is_current);
    let current = keys.iter().find(|key| key.is_current).unwrap();

    let error = repository.remove_key(&current.id.to_string()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(repository.remove_key("zz").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(repository.add_key("", &cheap()).await.unwrap_err().kind(), ErrorKind::Invalid);

    // Whoever came with the second password takes the first one away, and then the first can take none.
    let other = Repository::open(bench.storage(), "second").await.unwrap();
    other.remove_key(&current.id.to_string()).await.unwrap();
    assert!(!opens(&bench, PASSWORD).await && opens(&bench, "second").await);
    let error = repository.remove_key(&second.to_string()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "the last key stays: {error}");
    assert!(opens(&bench, "second").await);
}

#[tokio::test]
async fn a_password_is_changed_and_what_restic_adds_opens() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let new = repository.change_password("changed", &cheap()).await.unwrap();
    assert!(!opens(&bench, PASSWORD).await && opens(&bench, "changed").await);
    assert!(restic_opens(&bench, "changed") && !restic_opens(&bench, PASSWORD));
    let repository = Repository::open(bench.storage(), "changed").await.unwrap();
    let keys = repository.keys().await.unwrap();
    assert_eq!((keys.len(), keys[0].id, keys[0].is_current), (1, new, true));

    let file = bench.folder.path().join("password");
    fs::write(&file, "of restic").unwrap();
    let added = std::process::Command::new(bench.program())
        .env("RESTIC_PASSWORD", "changed")
        .args(["--no-cache", "--repo"])
        .arg(bench.repository_path())
        .args(["key", "add", "--new-password-file"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(added.status.success());
    assert!(opens(&bench, "of restic").await);
}

/// The process dies before or after every call of the storage: one of the two passwords opens the repository.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_cut_off_anywhere_leaves_a_password() {
    let bench = Bench::new();
    bench.init().await;
    let calls = cut_off(&bench, "whole", None).await;
    assert!(calls > 5, "{calls}");
    for call in 1..=calls {
        for fault in [Fault::DieBefore, Fault::DieAfter] {
            let name = format!("{call}-{fault:?}");
            cut_off(&bench, &name, Some((call, fault))).await;
            let path = bench.folder.path().join(&name);
            let old = Repository::open(storage(&path), PASSWORD).await.is_ok();
            let new = Repository::open(storage(&path), "changed").await.is_ok();
            assert!(old || new, "nothing opens: {name}");
        }
    }
}

/// Changes the password of a copy and dies at this call; how many calls there were.
async fn cut_off(bench: &Bench, name: &str, fault: Option<(u64, Fault)>) -> u64 {
    let path = bench.folder.path().join(name);
    copy(&bench.repository_path(), &path);
    let faults = Faults::new();
    let url: StorageUrl = format!("fs:{}", path.display()).parse().unwrap();
    let options = StorageOptions::new().with("retries", "0");
    let repository =
        Repository::open(faults.open(&url, &options).unwrap(), PASSWORD).await.unwrap();
    let before = faults.calls(None);
    if let Some((call, fault)) = fault {
        faults.plan(None, before + call, fault);
    }
    let changed = repository.change_password("changed", &cheap()).await;
    // An end behind the last step, when only the lock is left, comes too late to be an error of all.
    assert!(changed.is_ok() || fault.is_some(), "{name}: {changed:?}");
    faults.calls(None) - before
}
