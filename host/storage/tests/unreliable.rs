//! What becomes of each call when an S3 server answers in each wrong way: the golden table `tests/unreliable.txt`.
//!
//! `LOCKGATE_TEST_WRITE=1` writes the table anew; look at what changed before it is kept.

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt;
use lockgate_servers::{Call, Plan, Trouble, UnreliableS3};
use lockgate_storage::{Error, Storage, StorageOptions};

/// Cells that are tried at the same time: some wait for time limits.
const AT_A_TIME: usize = 24;
const HELD: &[u8] = b"what the object holds";

/// With a second attempt, and so many seconds for each.
fn open(server: &UnreliableS3, seconds: &str) -> Storage {
    let options = [
        ("access-key-id", "x"),
        ("secret-access-key", "y"),
        ("region", "us-east-1"),
        ("retries", "1"),
        ("timeout", seconds),
        ("io-timeout", seconds),
        ("write-timeout", seconds),
    ];
    let options = StorageOptions::from_iter(options);
    Storage::open(&server.location().parse().unwrap(), &options).unwrap()
}

/// What the caller hears, and what is true afterwards.
async fn outcome(trouble: Trouble, call: Call, times: u32) -> String {
    let server = UnreliableS3::start().unwrap();
    let ready = open(&server, "60");
    for name in ["earlier", "object"] {
        ready.put(name, vec![Bytes::from(HELD)]).await.unwrap();
    }
    server.plan(Some(Plan { call: Some(call), trouble, after: 0, times }));
    // With connections of its own.
    let storage = open(&server, "5");
    let heard = match call {
        Call::Put => storage.put("new", vec![Bytes::from(HELD)]).await.map(|()| "done".to_owned()),
        Call::Get => storage.get("object").await.map(|bytes| given(&bytes, HELD)),
        Call::GetRange => {
            storage.get_range("object", 2..9).await.map(|bytes| given(&bytes, &HELD[2..9]))
        }
        Call::Head => storage
            .size("object")
            .await
            .map(|size| if size == 21 { "right" } else { "WRONG SIZE" }.to_owned()),
        Call::List => storage.list("").await.map(|found| format!("{} names", found.len())),
        Call::Delete => storage.delete("object").await.map(|()| "done".to_owned()),
    };
    let heard = heard.unwrap_or_else(|error| told(&error));
    let is_there = |name: &str| {
        if server.object(name).as_deref() == Some(HELD) { "there" } else { "not there" }
    };
    assert_eq!(is_there("earlier"), "there");
    match call {
        Call::Put => format!("{heard}, {}", is_there("new")),
        Call::Delete => format!("{heard}, {}", is_there("object")),
        _ => heard,
    }
}

fn given(bytes: &[u8], held: &[u8]) -> String {
    if bytes == held { "right" } else { "WRONG BYTES" }.to_owned()
}

fn told(error: &Error) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains(error.location()), "{text}");
    format!("{:?} {:?}", error.kind(), error.retry())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_answer_of_s3_ends_as_the_table_says() {
    let cells = Trouble::ALL.into_iter().flat_map(|trouble| Call::ALL.map(|call| (trouble, call)));
    let rows: Vec<String> = futures::stream::iter(cells)
        .map(|(trouble, call)| async move {
            let (once, always) =
                tokio::join!(outcome(trouble, call, 1), outcome(trouble, call, u32::MAX));
            format!("{trouble:?} | {call:?} | {once} | {always}")
        })
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let mut table = "wrong answer | call | once | always\n".to_owned();
    for row in &rows {
        writeln!(table, "{row}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unreliable.txt");
    if std::env::var_os("LOCKGATE_TEST_WRITE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (found, expected) in table.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(table, expected);
    println!("cells of calls: {}", 2 * rows.len());
}
