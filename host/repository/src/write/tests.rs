use std::io::Cursor;
use std::sync::Arc;

use lockgate_storage::fault::{Fault, Faults, Operation};
use lockgate_storage::{Storage, StorageOptions, StorageUrl};
use lockgate_types::{Digest, EntryPath};

use super::pack::SealedBlob;
use super::*;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Node, NodeKind, Snapshot, Time};
use crate::layout::FileKind;
use crate::open::{InitOptions, Repository};

const MEMORY: &str = "memory:";

fn storage() -> Storage {
    let url: StorageUrl = MEMORY.parse().unwrap();
    Storage::open(&url, &StorageOptions::default()).unwrap()
}

async fn repository_on(storage: Storage) -> Repository {
    let options = InitOptions { scrypt_n: 1 << 4 };
    Repository::init(storage, "secret", options).await.unwrap()
}

async fn repository() -> Repository {
    repository_on(storage()).await
}

fn options() -> WriteOptions {
    WriteOptions { cpu_threads: 2, pack_bytes: 1 << 20, memory_bytes: 0, ..WriteOptions::default() }
}

fn path(text: &str) -> EntryPath {
    EntryPath::try_from(text).unwrap()
}

/// Bytes of which half shrink, different for every seed.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 4096);
    while bytes.len() < length {
        for _ in 0..256 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.resize(bytes.len() + 2048, b'.');
    }
    bytes.truncate(length);
    bytes
}

/// Writes one file in pieces of `step` bytes.
fn write(writer: &Writer, name: &str, bytes: &[u8], step: usize) -> Result<u64> {
    let mut stream = writer.stream();
    for piece in bytes.chunks(step) {
        stream.write(&mut Cursor::new(piece), piece.len() as u64)?;
    }
    // A node without times would get those of the run.
    let time = "2024-01-02T03:04:05Z".parse::<Time>().unwrap();
    let node = Node { mtime: time, atime: time, ctime: time, ..Node::default() };
    stream.finish(path(name), node)
}

async fn read(repository: &Repository, snapshot: &Snapshot, name: &str) -> Option<Vec<u8>> {
    let reader = repository.reader().await.unwrap();
    let node = reader.node(&snapshot.tree, &path(name)).await.unwrap()?;
    let mut content = reader.content(&node);
    let mut bytes = Vec::new();
    loop {
        let piece = content.read(1 << 20).await.unwrap();
        if piece.is_empty() {
            assert_eq!(node.size, bytes.len() as u64);
            return Some(bytes);
        }
        bytes.extend_from_slice(&piece);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_threads_write_comes_back() {
    let repository = repository().await;
    let writer = repository.writer(options()).await.unwrap();
    let lengths = [0, 1, 4096, 70_000, 524_287, 1_500_000, 5_000_001, 9_000_000];
    std::thread::scope(|scope| {
        for (lane, step) in [1 << 20, 65_536, 1000, 777_777].into_iter().enumerate() {
            let writer = &writer;
            scope.spawn(move || {
                for (index, length) in lengths.into_iter().enumerate() {
                    let bytes = content((lane * 100 + index) as u64, length);
                    let name = format!("lane {lane}/file {index}");
                    assert_eq!(write(writer, &name, &bytes, step).unwrap(), length as u64);
                }
            });
        }
    });
    let snapshot = writer.commit(SnapshotDraft::default()).await.unwrap();
    for lane in 0..4 {
        for (index, length) in lengths.into_iter().enumerate() {
            let back = read(&repository, &snapshot, &format!("lane {lane}/file {index}")).await;
            assert!(back == Some(content((lane * 100 + index) as u64, length)), "{lane} {index}");
        }
    }
    let total = snapshot.summary.as_ref().unwrap().total_bytes_processed;
    assert_eq!(total, 4 * lengths.iter().sum::<usize>() as u64);
    assert_eq!(repository.snapshots().await.unwrap().len(), 1);
    assert!(repository.list_files(FileKind::Lock).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_not_stored_again() {
    let repository = repository().await;
    let bytes = content(1, 6_000_000);
    let first = repository.writer(options()).await.unwrap();
    write(&first, "a", &bytes, 1 << 20).unwrap();
    write(&first, "b", &bytes, 100_000).unwrap();
    let snapshot = first.commit(SnapshotDraft::default()).await.unwrap();
    assert_eq!(
        snapshot.summary.as_ref().unwrap().data_added - 6_000_000,
        tree_bytes(&repository).await
    );

    let second = repository.writer(options()).await.unwrap();
    write(&second, "a", &bytes, 123_456).unwrap();
    let reader = repository.reader().await.unwrap();
    let node = reader.node(&snapshot.tree, &path("b")).await.unwrap().unwrap();
    let lost = Node { content: Some(vec![node.blobs()[0], Digest([7; 32])]), ..node.clone() };
    assert!(!second.add_if_stored(path("c"), lost).unwrap());
    assert!(second.add_if_stored(path("b"), node).unwrap());
    let again = second.commit(SnapshotDraft::default()).await.unwrap();
    assert_eq!(again.tree, snapshot.tree);
    assert_eq!(again.summary.as_ref().unwrap().data_added, 0);
    assert!(read(&repository, &again, "b").await == Some(bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_shared_until_a_file_comes() {
    let repository = repository().await;
    let before = repository.load_index().await.unwrap();
    let writer = repository.writer(options()).await.unwrap();
    assert!(Arc::ptr_eq(&before, &repository.load_index().await.unwrap()));
    write(&writer, "a", &content(1, 100_000), 100_000).unwrap();
    writer.commit(SnapshotDraft::default()).await.unwrap();

    let after = repository.load_index().await.unwrap();
    assert!(before.blobs_count() < after.blobs_count());
    let distrusted = after.packs().copied().collect();
    let without = repository.load_index_without(&distrusted).await.unwrap();
    assert_eq!(without.blobs_count(), 0);
    assert!(Arc::ptr_eq(&after, &repository.load_index().await.unwrap()));
}

async fn tree_bytes(repository: &Repository) -> u64 {
    let index = repository.load_index().await.unwrap();
    let snapshot = repository.snapshot("latest").await.unwrap();
    let kind = crate::format::BlobKind::Tree;
    u64::from(index.plain_length(kind, &snapshot.tree).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_fail_or_are_dropped_leave_no_entry() {
    let repository = repository().await;
    let writer = repository.writer(options()).await.unwrap();
    let bytes = content(2, 3_000_000);
    let mut dropped = writer.stream();
    dropped.write(&mut Cursor::new(&bytes), 3_000_000).unwrap();
    drop(dropped);
    let mut short = writer.stream();
    let error = short.write(&mut Cursor::new(&bytes), 3_000_001).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let error = short.finish(path("short"), Node::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    write(&writer, "whole", &bytes, 1 << 20).unwrap();
    let snapshot = writer.commit(SnapshotDraft::default()).await.unwrap();
    let mut walk = repository.reader().await.unwrap().walk(snapshot.tree, path(""), None);
    let (found, _) = walk.next().await.unwrap().unwrap();
    assert_eq!(found, path("whole"));
    assert!(walk.next().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_aborted_or_dropped_is_not_seen() {
    let repository = repository().await;
    let aborted = repository.writer(options()).await.unwrap();
    let mut left = aborted.stream();
    write(&aborted, "a", &content(3, 5_000_000), 1 << 20).unwrap();
    aborted.abort().await;
    let error = left.write(&mut Cursor::new(b"late"), 4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(repository.list_files(FileKind::Lock).await.unwrap().is_empty());

    let dropped = repository.writer(options()).await.unwrap();
    write(&dropped, "a", &content(3, 5_000_000), 1 << 20).unwrap();
    drop(dropped);
    assert!(repository.snapshots().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_stopped_while_a_slow_storage_takes_in_what_it_wrote() {
    let url: StorageUrl = MEMORY.parse().unwrap();
    // Everything would take half a minute.
    let slow = StorageOptions::new().with("limit-upload-kib", "128");
    let repository = repository_on(Storage::open(&url, &slow).unwrap()).await;
    let writer = repository.writer(options()).await.unwrap();
    write(&writer, "a", &content(3, 4_000_000), 1 << 20).unwrap();
    let canceller = writer.canceller();
    let start = std::time::Instant::now();
    let stopped = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        canceller.cancel();
    });
    let error = writer.commit(SnapshotDraft::default()).await.unwrap_err();
    stopped.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    assert!(repository.snapshots().await.unwrap().is_empty());
    assert!(repository.list_files(FileKind::Lock).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failed_put_is_the_error_of_all_that_follows() {
    let faults = Faults::new();
    let url: StorageUrl = MEMORY.parse().unwrap();
    let storage = faults.open(&url, &StorageOptions::default()).unwrap();
    let repository = repository_on(storage).await;
    let writer = repository.writer(options()).await.unwrap();
    let next = faults.calls(Some(Operation::Put)) + 2;
    faults.plan(Some(Operation::Put), next, Fault::Refuse);
    let mut number = 0;
    let error = loop {
        match write(&writer, &number.to_string(), &content(number, 4_000_000), 1 << 20) {
            Ok(_) if number < 200 => number += 1,
            Ok(_) => break None,
            Err(error) => break Some(error),
        }
    };
    let error = error.expect("writers fail as soon as the storage does");
    assert_eq!(error.kind(), ErrorKind::Storage);
    let at_commit = writer.commit(SnapshotDraft::default()).await.unwrap_err();
    assert_eq!(at_commit.to_string(), error.to_string());
    assert!(repository.snapshots().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_pack_that_comes_after_the_uploads_have_failed_tells_why_they_did() {
    let repository = repository().await;
    let writer = repository.writer(options()).await.unwrap();
    let packs = writer.packs.clone().unwrap();
    let blob = SealedBlob { id: Digest([1; 32]), sealed: &[0; 64], uncompressed_length: None };
    assert!(writer.line.data.add(0, blob).unwrap().is_none());
    let pack = writer.line.data.take_rest().unwrap().pop().unwrap();
    // As an upload does that fails between the look for a failure and the sending of a pack.
    writer.line.lose(Error::new(ErrorKind::Storage, "disk full"));
    packs.closed().await;
    let error = worker::send(&writer.line, &packs, pack).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Storage, "disk full"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_without_a_lock_fails_the_run_that_relied_on_the_pack() {
    let repository = repository().await;
    let bytes = content(4, 2_000_000);
    let first = repository.writer(options()).await.unwrap();
    write(&first, "a", &bytes, 1 << 20).unwrap();
    first.commit(SnapshotDraft::default()).await.unwrap();

    let index = repository.list_files(FileKind::Index).await.unwrap();
    let unharmed = repository.writer(options()).await.unwrap();
    let harmed = repository.writer(options()).await.unwrap();
    write(&unharmed, "new", &content(5, 2_000_000), 1 << 20).unwrap();
    write(&harmed, "a", &bytes, 1 << 20).unwrap();
    for file in index {
        repository.delete_file(FileKind::Index, &file.id).await.unwrap();
    }
    unharmed.commit(SnapshotDraft::default()).await.unwrap();
    let error = harmed.commit(SnapshotDraft::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(repository.snapshots().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_open_streams_in_one_thread_do_not_wait_for_each_other() {
    let repository = repository().await;
    let writer = repository.writer(options()).await.unwrap();
    // Together far more than the budget of 8 MiB.
    let mut streams: Vec<StreamWriter> = (0..40).map(|_| writer.stream()).collect();
    for round in 0..6 {
        for (number, stream) in streams.iter_mut().enumerate() {
            let bytes = content((number * 10 + round) as u64, 400_000);
            stream.write(&mut Cursor::new(&bytes), 400_000).unwrap();
        }
    }
    for (number, stream) in streams.into_iter().enumerate() {
        let node = Node::default();
        assert_eq!(stream.finish(path(&number.to_string()), node).unwrap(), 2_400_000);
    }
    let line = std::sync::Arc::clone(&writer.line);
    let snapshot = writer.commit(SnapshotDraft::default()).await.unwrap();
    let expected: Vec<u8> = (0..6).flat_map(|round| content(390 + round, 400_000)).collect();
    assert!(read(&repository, &snapshot, "39").await == Some(expected));
    assert_eq!(line.budget.used(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_files_are_read_without_moving_their_position() {
    let repository = repository().await;
    let writer = repository.writer(options()).await.unwrap();
    let bytes = content(6, 3_000_000);
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
    let mut whole = writer.stream();
    assert_eq!(whole.write_file(&file, 0, None).unwrap(), 3_000_000);
    whole.finish(path("whole"), Node::default()).unwrap();
    let mut part = writer.stream();
    assert_eq!(part.write_file(&file, 1_000_000, Some(500_000)).unwrap(), 500_000);
    assert_eq!(part.write_file(&file, 2_999_999, Some(10)).unwrap(), 1);
    part.finish(path("part"), Node::default()).unwrap();
    let snapshot = writer.commit(SnapshotDraft::default()).await.unwrap();
    assert!(read(&repository, &snapshot, "whole").await == Some(bytes.clone()));
    let part = [&bytes[1_000_000..1_500_000], &bytes[2_999_999..]].concat();
    assert!(read(&repository, &snapshot, "part").await == Some(part));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_content_and_a_path_twice_are_refused() {
    let repository = repository().await;
    let writer = repository.writer(options()).await.unwrap();
    let content = Some(vec![lockgate_types::Digest([7; 32])]);
    let error = writer.add(path("a"), Node { content, ..Node::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    write(&writer, "a", b"one", 3).unwrap();
    writer.add(path("a"), Node { kind: NodeKind::Fifo, ..Node::default() }).unwrap();
    let error = writer.commit(SnapshotDraft::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(repository.snapshots().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_writing_is_read_by_the_same_reader() {
    use crate::Compression::{Better, Fastest, Off};
    let repository = repository().await;
    for (number, compression) in [Off, Fastest, Better].into_iter().enumerate() {
        let mut options = options();
        options.compression = compression;
        options.verify = number % 2 == 0;
        options.vector_hashing = number == 1;
        let writer = repository.writer(options).await.unwrap();
        let bytes = content(70 + number as u64, 2_500_000);
        write(&writer, "a", &bytes, 1 << 20).unwrap();
        let snapshot = writer.commit(SnapshotDraft::default()).await.unwrap();
        assert!(read(&repository, &snapshot, "a").await == Some(bytes), "{compression:?}");
    }
}
