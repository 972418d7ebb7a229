use std::collections::HashSet;

use lockgate_storage::{Storage, StorageOptions};

use super::*;
use crate::open::InitOptions;

const PACK: Digest = Digest([1; 32]);
const OTHER: Digest = Digest([2; 32]);

async fn repository() -> Repository {
    let url = "memory:".parse().unwrap();
    let storage = Storage::open(&url, &StorageOptions::default()).unwrap();
    let options = InitOptions { scrypt_n: 1 << 10 };
    Repository::init(storage, "password", options).await.unwrap()
}

/// Runs `work` where the engine would, with these rules.
async fn with<T: Send + 'static>(
    rules: Rules,
    access: Access,
    repository: &Repository,
    work: impl FnOnce(&Bridge) -> T + Send + 'static,
) -> T {
    let bridge = Bridge::new(repository.clone(), rules, access, Handle::current());
    tokio::task::spawn_blocking(move || {
        let done = work(&bridge);
        bridge.close();
        done
    })
    .await
    .unwrap()
}

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[tokio::test]
async fn a_listing_that_lacks_what_was_there_is_refused() {
    let repository = repository().await;
    let rules = Rules { snapshots: HashSet::from([OTHER]), ..Rules::default() };
    let listed = with(rules, Access::Reading, &repository, |bridge| {
        (kind(bridge.list_files(FileKind::Snapshot)), kind(bridge.list_files(FileKind::Index)))
    });
    assert_eq!(listed.await, (Some(ErrorKind::Storage), None));
}

#[tokio::test]
async fn only_marked_packs_and_indexes_of_before_may_go() {
    let repository = repository().await;
    let lock = repository.lock_exclusive().await.unwrap();
    let set = || HashSet::from([PACK]);
    let rules = Rules { removable: set(), indexes: set(), snapshots: set() };
    let removed = with(rules, Access::Writing(lock), &repository, |bridge| {
        let index = |id| Object::File(FileKind::Index, id);
        let objects = [
            Object::Pack(PACK),
            index(PACK),
            Object::Pack(OTHER),
            index(OTHER),
            Object::File(FileKind::Snapshot, PACK),
            Object::File(FileKind::Key, PACK),
            Object::Config,
        ];
        let kinds = objects.map(|object| kind(bridge.remove(object)));
        let text = bridge.first_error().map(|error| error.to_string());
        (kinds, text)
    });
    let (kinds, text) = removed.await;
    let refused = Some(ErrorKind::Maintenance);
    assert_eq!(kinds, [None, None, refused, refused, refused, refused, refused]);
    assert!(text.unwrap().contains("data/02/0202"));
}

#[tokio::test]
async fn nothing_is_stored_that_does_not_verify() {
    let repository = repository().await;
    let lock = repository.lock_exclusive().await.unwrap();
    let key = repository.key().clone();
    let written = with(Rules::default(), Access::Writing(lock), &repository, move |bridge| {
        let index = key.seal(br#"{"packs":[]}"#).unwrap();
        let (id, index) = (layout::digest(&index), Bytes::from(index));
        let file = |id| Object::File(FileKind::Index, id);
        [
            kind(bridge.write(file(id), index.clone())),
            kind(bridge.write(file(OTHER), index.clone())),
            kind(bridge.write(file(layout::digest(b"x")), Bytes::from_static(b"x"))),
            kind(bridge.write(Object::Pack(id), index.clone())),
            kind(bridge.write(Object::File(FileKind::Snapshot, id), index)),
        ]
    });
    let corrupt = Some(ErrorKind::Corrupt);
    assert_eq!(written.await, [None, corrupt, corrupt, corrupt, Some(ErrorKind::Maintenance)]);
}

#[tokio::test]
async fn a_dry_run_only_looks_and_after_the_end_nothing_passes() {
    let repository = repository().await;
    let rules = || Rules { removable: HashSet::from([PACK]), ..Rules::default() };
    let done = with(rules(), Access::Reading, &repository, |bridge| {
        let dry = (kind(bridge.read(Object::Config)), kind(bridge.remove(Object::Pack(PACK))));
        bridge.close();
        (dry, kind(bridge.read(Object::Config)))
    });
    assert_eq!(done.await, ((None, Some(ErrorKind::Invalid)), Some(ErrorKind::Cancelled)));

    let stopped = with(rules(), Access::Reading, &repository, |bridge| {
        bridge.is_stopped.store(true, Ordering::Relaxed);
        kind(bridge.config_size())
    });
    assert_eq!(stopped.await, Some(ErrorKind::Cancelled));
}
