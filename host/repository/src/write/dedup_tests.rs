use lockgate_storage::{Storage, StorageOptions};

use super::*;
use crate::format::{PackedBlob, Time};
use crate::open::InitOptions;

fn id(byte: u8) -> Digest {
    Digest([byte; 32])
}

/// A pack with one blob, both of this name.
fn pack(byte: u8) -> IndexPack {
    let (kind, uncompressed_length) = (BlobKind::Data, None);
    let blob = PackedBlob { id: id(byte), kind, offset: 0, length: 100, uncompressed_length };
    IndexPack { id: id(byte), blobs: vec![blob], time: None, size: None }
}

/// As a prune marks it.
fn mark(byte: u8) -> IndexPack {
    IndexPack { time: Some(Time::now()), size: Some(200), ..pack(byte) }
}

async fn repository() -> Repository {
    let url = "memory:".parse().unwrap();
    let storage = Storage::open(&url, &StorageOptions::default()).unwrap();
    Repository::init(storage, "secret", InitOptions { scrypt_n: 2 }).await.unwrap()
}

/// Stores an index file.
async fn tell(repository: &Repository, live: Vec<IndexPack>, marked: Vec<IndexPack>) -> Digest {
    let file = IndexFile { packs: live, packs_to_delete: marked, ..IndexFile::default() };
    repository.save_file(FileKind::Index, file.print()).await.unwrap()
}

async fn delete(repository: &Repository, file: &Digest) {
    repository.delete_file(FileKind::Index, file).await.unwrap();
}

async fn files(repository: &Repository) -> HashSet<Digest> {
    let files = repository.list_files(FileKind::Index).await.unwrap();
    files.into_iter().map(|file| file.id).collect()
}

/// The file that was added since there were `before`; none when there is none.
async fn added(repository: &Repository, before: &HashSet<Digest>) -> Option<(Digest, IndexFile)> {
    let listed = repository.list_files(FileKind::Index).await.unwrap();
    let mut new = listed.into_iter().filter(|file| !before.contains(&file.id));
    let file = new.next()?;
    assert_eq!(new.next(), None);
    let json = repository.load_file(FileKind::Index, file).await.unwrap();
    Some((file.id, IndexFile::parse(&json).unwrap()))
}

/// Pack 1 is in use, in a file of its own, and a run relies on it.
async fn relying() -> (Repository, Known, Digest) {
    let repository = repository().await;
    let file = tell(&repository, vec![pack(1)], Vec::new()).await;
    let known = Known::load(&repository, &HashSet::new()).await.unwrap();
    assert!(known.contains(BlobKind::Data, &id(1)));
    (repository, known, file)
}

#[tokio::test]
async fn a_blob_is_stored_once_and_never_because_of_a_marked_or_distrusted_pack() {
    let repository = repository().await;
    tell(&repository, vec![pack(1), pack(2)], vec![mark(3)]).await;
    let known = Known::load(&repository, &HashSet::from([id(2)])).await.unwrap();
    assert!(!known.claim(BlobKind::Data, &id(1)));
    assert!(known.claim(BlobKind::Tree, &id(1)), "names of trees are others");
    for byte in 2..=4 {
        assert!(!known.contains(BlobKind::Data, &id(byte)));
        assert!(known.claim(BlobKind::Data, &id(byte)));
        assert!(!known.claim(BlobKind::Data, &id(byte)));
        assert!(known.contains(BlobKind::Data, &id(byte)));
    }
}

#[tokio::test]
async fn what_a_prune_marked_meanwhile_is_put_into_use_again_once() {
    for is_replaced in [false, true] {
        let (repository, known, old) = relying().await;
        let marks = tell(&repository, vec![pack(5)], vec![mark(1), mark(6)]).await;
        if is_replaced {
            delete(&repository, &old).await;
        }
        let before = files(&repository).await;
        known.prove(&repository, &Written::default()).await.unwrap();
        let (new, file) = added(&repository, &before).await.unwrap();
        assert_eq!((file.packs, file.packs_to_delete), (vec![pack(1)], Vec::new()));

        let before = files(&repository).await;
        known.prove(&repository, &Written::default()).await.unwrap();
        assert_eq!(added(&repository, &before).await, None);

        // Our file goes as well, and so does the first: the mark that was seen before is what is left.
        delete(&repository, &new).await;
        if !is_replaced {
            delete(&repository, &old).await;
        }
        assert_eq!(files(&repository).await, HashSet::from([marks]));
        known.prove(&repository, &Written::default()).await.unwrap();
        let (_, file) = added(&repository, &HashSet::from([marks])).await.unwrap();
        assert_eq!(file.packs, [pack(1)]);
    }
}

#[tokio::test]
async fn what_does_not_concern_a_run_changes_nothing() {
    let (repository, known, old) = relying().await;
    // Another run, a mark of what nobody here needs, and one from before an index named the pack.
    tell(&repository, vec![pack(7)], vec![mark(8)]).await;
    tell(&repository, Vec::new(), vec![IndexPack { blobs: Vec::new(), ..mark(1) }]).await;
    let before = files(&repository).await;
    known.prove(&repository, &Written::default()).await.unwrap();
    assert_eq!(added(&repository, &before).await, None);
    // An index file that stands for the old one.
    tell(&repository, vec![pack(9), pack(1)], Vec::new()).await;
    delete(&repository, &old).await;
    let before = files(&repository).await;
    known.prove(&repository, &Written::default()).await.unwrap();
    assert_eq!(added(&repository, &before).await, None);
}

#[tokio::test]
async fn what_no_index_names_any_more_fails_the_run() {
    let (repository, known, old) = relying().await;
    tell(&repository, vec![pack(7)], Vec::new()).await;
    delete(&repository, &old).await;
    let error = known.prove(&repository, &Written::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);

    // The same for what the run has stored itself.
    let (repository, known, _) = relying().await;
    let own = tell(&repository, vec![pack(2)], Vec::new()).await;
    let written = || Written { files: vec![own], packs: vec![id(2)] };
    known.prove(&repository, &written()).await.unwrap();
    delete(&repository, &own).await;
    let error = known.prove(&repository, &written()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}
