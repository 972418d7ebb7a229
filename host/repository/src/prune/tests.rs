//! Packs that index files name in different words: a prune marks one that no index names yet without its blobs, and the
//! backup that wrote it names it with them right after.

use std::time::Duration;

use lockgate_storage::{Storage, StorageOptions};
use lockgate_types::EntryPath;

use super::*;
use crate::format::{IndexFile, IndexPack, Node};
use crate::open::InitOptions;
use crate::write::{SnapshotDraft, WriteOptions};

const FILES: [(&str, &[u8]); 2] = [("one", b"needed"), ("other", b"needed too")];
/// So many that one of them is read before the file that counts, whatever the order.
const MARKS: usize = 12;

fn at_once() -> PruneOptions {
    PruneOptions { keep_marked: Duration::ZERO, ..PruneOptions::default() }
}

/// A repository with one snapshot, and its index file.
async fn repository() -> (Repository, Digest, IndexFile) {
    let storage = Storage::open(&"memory:".parse().unwrap(), &StorageOptions::default()).unwrap();
    let options = InitOptions { scrypt_n: 2 };
    let repository = Repository::init(storage, "secret", options).await.unwrap();
    let writer = repository.writer(WriteOptions::default()).await.unwrap();
    for (name, content) in FILES {
        let mut stream = writer.stream();
        stream.write(&mut &*content, content.len() as u64).unwrap();
        stream.finish(EntryPath::try_from(name).unwrap(), Node::default()).unwrap();
    }
    writer.commit(SnapshotDraft::default()).await.unwrap();
    let file = repository.list_files(FileKind::Index).await.unwrap()[0];
    let index = repository.load_file(FileKind::Index, file).await.unwrap();
    (repository, file.id, IndexFile::parse(&index).unwrap())
}

async fn store(repository: &Repository, packs: Vec<IndexPack>, packs_to_delete: Vec<IndexPack>) {
    let file = IndexFile { packs, packs_to_delete, ..IndexFile::default() };
    repository.save_file(FileKind::Index, file.print()).await.unwrap();
}

async fn mark_without_blobs(repository: &Repository, index: &IndexFile) {
    let empty = |pack: &IndexPack| IndexPack { blobs: Vec::new(), size: Some(900), ..pack.clone() };
    for _ in 0..MARKS {
        store(repository, Vec::new(), index.packs.iter().map(empty).collect()).await;
    }
}

async fn assert_whole(repository: &Repository) {
    let snapshot = repository.snapshot("latest").await.unwrap();
    let reader = repository.reader().await.unwrap();
    for (name, content) in FILES {
        let path = EntryPath::try_from(name).unwrap();
        let node = reader.node(&snapshot.tree, &path).await.unwrap().unwrap();
        assert_eq!(reader.content(&node).read(100).await.unwrap(), content);
    }
}

/// Prunes until nothing is left to do; all packs are needed, and the snapshot is whole after each time.
async fn prune_often(repository: &Repository) {
    for _ in 0..3 {
        let report = repository.prune(&at_once()).await.unwrap();
        assert_eq!((report.packs_marked, report.packs_removed), (0, 0), "{report:?}");
        assert_whole(repository).await;
    }
}

#[tokio::test]
async fn a_pack_in_use_stays_that_was_marked_before_an_index_named_it() {
    let (repository, _, index) = repository().await;
    mark_without_blobs(&repository, &index).await;
    prune_often(&repository).await;
}

#[tokio::test]
async fn a_pack_that_is_marked_with_and_without_its_blobs_comes_back_with_them() {
    let (repository, file, index) = repository().await;
    mark_without_blobs(&repository, &index).await;
    store(&repository, Vec::new(), index.packs).await;
    repository.delete_file(FileKind::Index, &file).await.unwrap();
    prune_often(&repository).await;
}

/// As another program may have it: each blob in an index file of its own, which a prune then writes anew because of a pack
/// that is gone.
async fn spread() -> Repository {
    let (repository, file, index) = repository().await;
    let gone = IndexPack { id: Digest([7; 32]), blobs: Vec::new(), time: None, size: None };
    for pack in index.packs {
        for blob in pack.blobs {
            let part = IndexPack { id: pack.id, blobs: vec![blob], time: None, size: None };
            store(&repository, vec![part, gone.clone()], Vec::new()).await;
        }
    }
    repository.delete_file(FileKind::Index, &file).await.unwrap();
    repository
}

#[tokio::test]
async fn a_pack_whose_blobs_stand_in_several_index_files_keeps_them() {
    prune_often(&spread().await).await;
}

#[tokio::test]
async fn a_pack_whose_blobs_stand_in_several_index_files_is_stored_again_with_them() {
    let repository = spread().await;
    let mut merging = PruneOptions { merge_small: true, ..at_once() };
    merging.max_repack = PruneLimit::Unlimited;
    let report = repository.prune(&merging).await.unwrap();
    assert_eq!(report.packs_repacked, 2, "{report:?}");
    assert_whole(&repository).await;
    let report = repository.prune(&at_once()).await.unwrap();
    assert_eq!(report.packs_removed, 2, "{report:?}");
    assert_whole(&repository).await;
}
