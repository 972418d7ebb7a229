use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::Case;
use crate::error::ErrorKind;
use crate::storage::{Object, Storage};

macro_rules! cases {
    ($($name:ident)*) => {
        pub(super) const ALL: &[(&str, Case)] = &[$((stringify!($name), |storage| -> BoxFuture<_> {
            Box::pin($name(storage))
        })),*];
    };
}

cases! {
    bytes_come_back
    an_empty_object_is_an_object
    a_big_object_comes_back
    an_object_is_never_replaced
    of_many_writers_of_one_name_one_wins
    many_objects_are_put_at_the_same_time
    a_range_is_exact_or_an_error
    a_listing_names_everything_below_a_folder_and_nothing_else
    a_listing_of_thousands_is_complete
    what_is_missing_is_not_found
    a_place_where_nothing_was_made_is_not_an_empty_one
    an_object_is_deleted_once_or_twice
    folders_are_made_once_or_twice
    names_that_lead_elsewhere_are_refused
}

type Outcome = Result<(), String>;

/// Objects of the listing of thousands: more than two pages of S3.
const THOUSANDS: usize = 2_500;
const BIG_BYTES: usize = 64 * 1024 * 1024;
const AT_A_TIME: usize = 16;
/// A name as restic gives them.
const ID: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

async fn bytes_come_back(storage: Storage) -> Outcome {
    storage.create_folders(&["data", "data/5e", "keys"]).await.map_err(text)?;
    let pieces =
        vec![Bytes::from("one, "), Bytes::new(), Bytes::from("two, "), Bytes::from("three")];
    for name in ["config".to_owned(), format!("keys/{ID}"), format!("data/5e/{ID}")] {
        storage.put(&name, pieces.clone()).await.map_err(text)?;
        same(&storage.get(&name).await.map_err(text)?, "one, two, three", &name)?;
        same(&storage.size(&name).await.map_err(text)?, &15, &name)?;
    }
    Ok(())
}

async fn an_empty_object_is_an_object(storage: Storage) -> Outcome {
    for (name, pieces) in [("empty", vec![]), ("empty-piece", vec![Bytes::new()])] {
        storage.put(name, pieces).await.map_err(text)?;
        same(&storage.get(name).await.map_err(text)?, "", name)?;
        same(&storage.size(name).await.map_err(text)?, &0, name)?;
        same(&storage.get_range(name, 0..0).await.map_err(text)?, "", name)?;
        fails_with(ErrorKind::AlreadyExists, storage.put(name, vec![]).await)?;
    }
    same(&listed(&storage, "").await?.len(), &2, "objects")
}

async fn a_big_object_comes_back(storage: Storage) -> Outcome {
    let data = noise(BIG_BYTES);
    let pieces: Vec<Bytes> = (0..data.len())
        .step_by(300_000)
        .map(|start| data.slice(start..(start + 300_000).min(data.len())))
        .collect();
    storage.put("big", pieces).await.map_err(text)?;
    if storage.get("big").await.map_err(text)? != data {
        return Err("64 MiB came back changed".to_owned());
    }
    let (start, end) = (50_000_001, 50_900_007);
    let range = storage.get_range("big", start..end).await.map_err(text)?;
    let expected = data.slice(50_000_001..50_900_007);
    if range != expected { Err("a range of 64 MiB came back changed".to_owned()) } else { Ok(()) }
}

async fn an_object_is_never_replaced(storage: Storage) -> Outcome {
    storage.put("object", vec![Bytes::from("first")]).await.map_err(text)?;
    for again in ["other", "first", "", "longer than the first"] {
        fails_with(
            ErrorKind::AlreadyExists,
            storage.put("object", vec![Bytes::from(again)]).await,
        )?;
    }
    same(&storage.get("object").await.map_err(text)?, "first", "object")
}

async fn of_many_writers_of_one_name_one_wins(storage: Storage) -> Outcome {
    if !storage.has_conditional_writes() {
        return Ok(());
    }
    for round in 0..8 {
        let name = format!("locks/{round}");
        let attempts = (0..AT_A_TIME).map(|writer| {
            let (storage, name) = (storage.clone(), name.clone());
            async move { storage.put(&name, vec![Bytes::from(format!("writer {writer}"))]).await }
        });
        let results = futures::future::join_all(attempts).await;
        let mut winners = Vec::new();
        for (writer, result) in results.into_iter().enumerate() {
            match result {
                Ok(()) => winners.push(writer),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(text(error)),
            }
        }
        let [winner] = winners.as_slice() else {
            return Err(format!("the writers {winners:?} of {name} were all told that they won"));
        };
        let stored = storage.get(&name).await.map_err(text)?;
        same(&stored, format!("writer {winner}").as_str(), &name)?;
    }
    same(&listed(&storage, "locks").await?.len(), &8, "objects")
}

async fn many_objects_are_put_at_the_same_time(storage: Storage) -> Outcome {
    let name = |number: usize| format!("data/{number:02x}/{number:064x}");
    let puts = (0..AT_A_TIME).map(|number| {
        let (storage, name) = (storage.clone(), name(number));
        async move { storage.put(&name, vec![noise(100_000 + number)]).await }
    });
    for result in futures::future::join_all(puts).await {
        result.map_err(text)?;
    }
    for number in 0..AT_A_TIME {
        let stored = storage.get(&name(number)).await.map_err(text)?;
        if stored != noise(100_000 + number) {
            return Err(format!("{} came back changed", name(number)));
        }
    }
    Ok(())
}

async fn a_range_is_exact_or_an_error(storage: Storage) -> Outcome {
    storage.put("object", vec![Bytes::from("0123456789")]).await.map_err(text)?;
    for (range, expected) in
        [(0..10, "0123456789"), (3..5, "34"), (9..10, "9"), (0..1, "0"), (4..4, "")]
    {
        let shown = format!("{range:?}");
        same(&storage.get_range("object", range).await.map_err(text)?, expected, &shown)?;
    }
    for range in [0..11, 9..11, 10..11, 100..200] {
        fails_with(ErrorKind::Corrupt, storage.get_range("object", range).await)?;
    }
    fails_with(ErrorKind::NotFound, storage.get_range("missing", 0..1).await)
}

async fn a_listing_names_everything_below_a_folder_and_nothing_else(storage: Storage) -> Outcome {
    let names =
        ["config", "data/5e/a", "data/5e/b", "data/5e1", "data/5f/a", "database", "index/a"];
    for (size, name) in names.iter().enumerate() {
        storage.put(name, vec![noise(size)]).await.map_err(text)?;
    }
    let all: Vec<Object> =
        names.iter().enumerate().map(|(size, name)| object(name, size)).collect();
    same(&listed(&storage, "").await?, &all, "everything")?;
    let below = |folder: &str| -> Vec<Object> {
        all.iter().filter(|object| object.name.starts_with(folder)).cloned().collect()
    };
    for (folder, prefix) in [("data", "data/"), ("data/5e", "data/5e/"), ("index", "index/")] {
        same(&listed(&storage, folder).await?, &below(prefix), folder)?;
    }
    Ok(())
}

async fn a_listing_of_thousands_is_complete(storage: Storage) -> Outcome {
    let name = |number: usize| format!("data/{:02x}/{number:064x}", number % 4);
    stream::iter(0..THOUSANDS)
        .map(Ok)
        .try_for_each_concurrent(AT_A_TIME, |number| {
            let (storage, name) = (storage.clone(), name(number));
            async move { storage.put(&name, vec![noise(number % 10)]).await }
        })
        .await
        .map_err(text)?;
    let mut expected: Vec<Object> =
        (0..THOUSANDS).map(|number| object(&name(number), number % 10)).collect();
    expected.sort_unstable();
    let there = listed(&storage, "data").await?;
    if there == expected {
        return Ok(());
    }
    Err(format!("{} of {THOUSANDS} objects were listed, or with wrong sizes", there.len()))
}

async fn what_is_missing_is_not_found(storage: Storage) -> Outcome {
    storage.put("data/object", vec![Bytes::from("x")]).await.map_err(text)?;
    for name in ["missing", "data/missing", "data", "missing/missing", "data/object2"] {
        fails_with(ErrorKind::NotFound, storage.get(name).await)?;
        fails_with(ErrorKind::NotFound, storage.get_range(name, 0..1).await)?;
        fails_with(ErrorKind::NotFound, storage.size(name).await)?;
    }
    Ok(())
}

async fn a_place_where_nothing_was_made_is_not_an_empty_one(storage: Storage) -> Outcome {
    for folder in ["snapshots", ""] {
        fails_with(ErrorKind::NotFound, storage.list(folder).await)?;
    }
    fails_with(ErrorKind::NotFound, storage.get("config").await)
}

async fn an_object_is_deleted_once_or_twice(storage: Storage) -> Outcome {
    for name in ["config", "locks/a"] {
        storage.put(name, vec![Bytes::from("x")]).await.map_err(text)?;
    }
    for _ in 0..2 {
        storage.delete("locks/a").await.map_err(text)?;
        fails_with(ErrorKind::NotFound, storage.get("locks/a").await)?;
        same(&listed(&storage, "").await?, &vec![object("config", 1)], "objects")?;
    }
    storage.delete("never/was").await.map_err(text)?;
    // The name is free again.
    storage.put("locks/a", vec![Bytes::from("second")]).await.map_err(text)?;
    same(&storage.get("locks/a").await.map_err(text)?, "second", "locks/a")
}

async fn folders_are_made_once_or_twice(storage: Storage) -> Outcome {
    let data: Vec<String> = (0..=255).map(|number| format!("data/{number:02x}")).collect();
    let mut folders: Vec<&str> = data.iter().map(String::as_str).collect();
    folders.extend(["data", "keys", "snapshots"]);
    for _ in 0..2 {
        storage.create_folders(&folders).await.map_err(text)?;
        storage.put("config", vec![]).await.or_else(|error| {
            if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(text(error)) }
        })?;
    }
    same(&listed(&storage, "snapshots").await?, &vec![], "snapshots")?;
    same(&listed(&storage, "").await?, &vec![object("config", 0)], "everything")
}

async fn names_that_lead_elsewhere_are_refused(storage: Storage) -> Outcome {
    for name in ["", "/etc/passwd", "../outside", "a/../../b", "a//b", "a/", "a\0b", "a b"] {
        fails_with(ErrorKind::Unsupported, storage.put(name, vec![]).await)?;
        fails_with(ErrorKind::Unsupported, storage.get(name).await)?;
        fails_with(ErrorKind::Unsupported, storage.size(name).await)?;
        fails_with(ErrorKind::Unsupported, storage.delete(name).await)?;
    }
    fails_with(ErrorKind::Unsupported, storage.list("../outside").await)
}

/// A listing without the times, which differ from run to run.
async fn listed(storage: &Storage, folder: &str) -> Result<Vec<Object>, String> {
    let objects = storage.list(folder).await.map_err(text)?;
    Ok(objects.into_iter().map(|object| Object { modified: None, ..object }).collect())
}

fn object(name: &str, size: usize) -> Object {
    Object { name: name.to_owned(), size: size as u64, modified: None }
}

/// Bytes that do not repeat and differ with the length.
fn noise(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

fn same<L: PartialEq<R> + std::fmt::Debug, R: std::fmt::Debug + ?Sized>(
    got: &L,
    expected: &R,
    what: &str,
) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, got {got:?}"))
}

fn fails_with<T: std::fmt::Debug>(
    kind: ErrorKind,
    result: Result<T, crate::error::Error>,
) -> Outcome {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(format!("expected {kind:?}, got {:?}: {error}", error.kind())),
        Ok(value) => Err(format!("expected {kind:?}, got {value:?}")),
    }
}

fn text(error: crate::error::Error) -> String {
    error.to_string()
}
