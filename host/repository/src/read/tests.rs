use std::collections::HashMap;
use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use lockgate_storage::fault::{Fault, Faults, Operation};
use lockgate_storage::{Storage, StorageOptions};
use proptest::prelude::*;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::format::{IndexFile, IndexPack, PackedBlob, Time, pack_header_encode};
use crate::layout::{FileKind, digest, pack_name};
use crate::open::InitOptions;
use crate::tree::{TreeBuilder, TreeOptions};

/// A repository in memory that is filled pack by pack.
struct Fixture {
    repository: Repository,
    index: IndexFile,
}

impl Fixture {
    async fn new() -> Self {
        let url = "memory:".parse().unwrap();
        Self::on(Storage::open(&url, &StorageOptions::default()).unwrap()).await
    }

    async fn on(storage: Storage) -> Self {
        let options = InitOptions { scrypt_n: 2 };
        let repository = Repository::init(storage, "secret", options).await.unwrap();
        Self { repository, index: IndexFile::default() }
    }

    /// Stores `blobs` in one pack, every other one compressed.
    async fn pack(&mut self, kind: BlobKind, blobs: &[Vec<u8>]) -> Vec<Digest> {
        let (mut pack, mut packed) = (Vec::new(), Vec::new());
        for (number, plain) in blobs.iter().enumerate() {
            let shrunken = zstd::bulk::compress(plain, 3).unwrap();
            let is_compressed = number % 2 == 0;
            let stored = if is_compressed { &shrunken } else { plain };
            let sealed = self.repository.key().seal(stored).unwrap();
            packed.push(PackedBlob {
                id: digest(plain),
                kind,
                offset: u32::try_from(pack.len()).unwrap(),
                length: u32::try_from(sealed.len()).unwrap(),
                uncompressed_length: is_compressed.then_some(u32::try_from(plain.len()).unwrap()),
            });
            pack.extend_from_slice(&sealed);
        }
        let header = self.repository.key().seal(&pack_header_encode(&packed)).unwrap();
        pack.extend_from_slice(&header);
        pack.extend_from_slice(&u32::try_from(header.len()).unwrap().to_le_bytes());
        let id = digest(&pack);
        let storage = self.repository.storage();
        storage.put(&pack_name(&id), vec![Bytes::from(pack)]).await.unwrap();
        let ids = packed.iter().map(|blob| blob.id).collect();
        self.index.packs.push(IndexPack { id, blobs: packed, time: None, size: None });
        ids
    }

    async fn tree(&mut self, entries: &[(&str, Node)]) -> Digest {
        let builder = TreeBuilder::new(TreeOptions::new(Time::now()));
        for (path, node) in entries {
            builder.add(&EntryPath::try_from(*path).unwrap(), node.clone()).unwrap();
        }
        let mut trees = Vec::new();
        let built = builder.finish(|json| {
            trees.push(json);
            Ok(digest(trees.last().unwrap()))
        });
        self.pack(BlobKind::Tree, &trees).await;
        built.unwrap().root
    }

    async fn reader(&mut self) -> Reader {
        let index = std::mem::take(&mut self.index);
        self.repository.save_file(FileKind::Index, index.print()).await.unwrap();
        self.repository.reader().await.unwrap()
    }
}

fn node_of(ids: Vec<Digest>, size: u64) -> Node {
    Node { size, content: Some(ids), ..Node::default() }
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let step = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(step).collect()
}

fn path(text: &str) -> EntryPath {
    EntryPath::try_from(text).unwrap()
}

fn text_of(file: &mut std::fs::File) -> Vec<u8> {
    let mut read = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut read).unwrap();
    read
}

async fn content_of(mut content: ContentReader, max: usize) -> Result<Vec<u8>> {
    let mut read = Vec::new();
    loop {
        let bytes = content.read(max).await?;
        if bytes.is_empty() {
            return Ok(read);
        }
        assert!(bytes.len() <= max);
        read.extend_from_slice(&bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_read_and_sought() {
    let mut fixture = Fixture::new().await;
    let blobs: Vec<Vec<u8>> = (0..40).map(|seed| noise(seed * 997 + 1, seed as u64)).collect();
    let ids = fixture.pack(BlobKind::Data, &blobs).await;
    let whole = blobs.concat();
    let node = node_of(ids, whole.len() as u64);
    let reader = fixture.reader().await;
    for max in [1000, 1 << 20] {
        assert_eq!(content_of(reader.content(&node), max).await.unwrap(), whole);
    }
    for offset in [0, 1, 997, whole.len() - 1, whole.len(), whole.len() + 5] {
        let mut content = reader.content(&node);
        content.read(10).await.unwrap();
        content.seek(offset as u64).unwrap();
        let rest = content_of(content, 1 << 20).await.unwrap();
        assert_eq!(rest, whole.get(offset..).unwrap_or_default(), "{offset}");
    }
    assert!(content_of(reader.content(&node_of(Vec::new(), 0)), 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_are_extracted_at_once() {
    let mut fixture = Fixture::new().await;
    let mut blobs: Vec<Vec<u8>> = (0..60).map(|seed| noise(20_000, seed)).collect();
    blobs.push(vec![0; 100_000]);
    let mut ids = fixture.pack(BlobKind::Data, &blobs[..30]).await;
    ids.extend(fixture.pack(BlobKind::Data, &blobs[30..]).await);
    let reader = fixture.reader().await;
    // Each file takes some blobs, many of them in several files and twice in one.
    let mut files = Vec::new();
    let mut expected = Vec::new();
    for number in 0..20usize {
        let chosen: Vec<usize> = (0..10).map(|step| (number * 7 + step * step) % 61).collect();
        let bytes: Vec<u8> = chosen.iter().flat_map(|index| blobs[*index].clone()).collect();
        let node = node_of(chosen.iter().map(|index| ids[*index]).collect(), bytes.len() as u64);
        let offset = number * 1001;
        let mut file = tempfile::tempfile().unwrap();
        // What is there before the offset stays, what is there after it goes.
        file.write_all(&vec![7; offset + if number % 2 == 0 { 0 } else { 2_000_000 }]).unwrap();
        expected.push([vec![7; offset], bytes].concat());
        files.push((node, file, offset as u64));
    }
    let mut copies: Vec<_> = files.iter().map(|(_, file, _)| file.try_clone().unwrap()).collect();
    let written = reader.extract_many(files).await.unwrap();
    let total: usize = expected.iter().enumerate().map(|(n, bytes)| bytes.len() - n * 1001).sum();
    assert_eq!(written, total as u64);
    for (file, bytes) in copies.iter_mut().zip(&expected) {
        assert!(text_of(file) == *bytes);
    }
}

/// A storage that counts, a reader of a pack with a thousand blobs of 8,000 bytes, and these blobs.
async fn small_files() -> (Faults, Reader, Vec<Digest>, Vec<Vec<u8>>) {
    let faults = Faults::new();
    let url = "memory:".parse().unwrap();
    let mut fixture = Fixture::on(faults.open(&url, &StorageOptions::default()).unwrap()).await;
    let blobs: Vec<Vec<u8>> = (0..1_000).map(|seed| noise(8_000, seed)).collect();
    let ids = fixture.pack(BlobKind::Data, &blobs).await;
    (faults, fixture.reader().await, ids, blobs)
}

async fn extract_small_files(reader: &Reader, ids: &[Digest], blobs: &[Vec<u8>]) {
    let mut files: Vec<_> = blobs.iter().map(|_| tempfile::tempfile().unwrap()).collect();
    let targets = ids.iter().zip(&files);
    let targets =
        targets.map(|(id, file)| (node_of(vec![*id], 8_000), file.try_clone().unwrap(), 0));
    reader.extract_many(targets.collect()).await.unwrap();
    for (file, blob) in files.iter_mut().zip(blobs) {
        assert!(text_of(file) == *blob);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_that_lie_behind_each_other_are_fetched_together() {
    let (faults, reader, ids, blobs) = small_files().await;
    let before = faults.calls(Some(Operation::Get));
    for (ids, blobs) in ids.chunks(20).zip(blobs.chunks(20)) {
        extract_small_files(&reader, ids, blobs).await;
    }
    // 8 MB in pieces of 160 KB would be 50 requests.
    let calls = faults.calls(Some(Operation::Get)) - before;
    assert!(calls <= 6, "{calls} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_small_files_need_next_is_fetched_before_they_ask() {
    let (faults, reader, ids, blobs) = small_files().await;
    let before = faults.calls(Some(Operation::Get));
    // Alone; with what lies behind; from what lies behind.
    for (ids, blobs) in ids.chunks(20).zip(blobs.chunks(20)).take(3) {
        extract_small_files(&reader, ids, blobs).await;
    }
    let fetched = async {
        while faults.calls(Some(Operation::Get)) - before < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), fetched)
        .await
        .expect("nothing was fetched ahead");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_ahead_is_fetched_when_it_is_asked_for() {
    let (faults, reader, ids, blobs) = small_files().await;
    let before = faults.calls(Some(Operation::Get));
    // The third is the first that nobody waits for.
    faults.plan(Some(Operation::Get), before + 3, Fault::Refuse);
    for (ids, blobs) in ids.chunks(20).zip(blobs.chunks(20)) {
        extract_small_files(&reader, ids, blobs).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_is_emptied() {
    let mut fixture = Fixture::new().await;
    let reader = fixture.reader().await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"old").unwrap();
    let copy = file.try_clone().unwrap();
    assert_eq!(reader.extract(&node_of(Vec::new(), 0), file, 0).await.unwrap(), 0);
    assert_eq!(copy.metadata().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_verify_is_not_handed_on() {
    let mut fixture = Fixture::new().await;
    let ids = fixture.pack(BlobKind::Data, &[noise(5000, 1), noise(5000, 2)]).await;
    // The index claims another name, another length, a place beyond the pack.
    let mut lie = fixture.index.packs[0].clone();
    let [liar, long, far] = [Digest([1; 32]), Digest([2; 32]), Digest([3; 32])];
    lie.blobs[0].id = liar;
    lie.blobs[1].id = long;
    lie.blobs[1].uncompressed_length = Some(4000);
    lie.blobs.push(PackedBlob { id: far, offset: 1 << 30, ..lie.blobs[0] });
    fixture.index.packs.push(lie);
    let reader = fixture.reader().await;
    let missing = Digest([9; 32]);
    for id in [liar, long, far, missing] {
        let size = reader.locate(BlobKind::Data, &id).map_or(5000, |at| at.plain_length());
        let node = node_of(vec![ids[0], id], 5000 + u64::from(size));
        let file = tempfile::tempfile().unwrap();
        assert!(reader.extract(&node, file, 0).await.is_err(), "{id}");
        let mut content = reader.content(&node);
        if id != missing {
            assert_eq!(content.read(1 << 20).await.unwrap().len(), 5000);
        }
        for _ in 0..3 {
            assert!(content.read(1 << 20).await.is_err(), "{id}");
        }
    }
    let wrong_size = node_of(vec![ids[0]], 4999);
    let error = reader.extract(&wrong_size, tempfile::tempfile().unwrap(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(reader.contains(&ids) && !reader.contains(&[missing]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_an_index_puts_at_the_end_of_four_gib_is_an_error() {
    let mut fixture = Fixture::new().await;
    fixture.pack(BlobKind::Tree, &[b"{}".to_vec()]).await;
    let far = Digest([4; 32]);
    let blob = &mut fixture.index.packs[0].blobs[0];
    (blob.id, blob.offset, blob.length) = (far, u32::MAX - 100, 100);
    let reader = fixture.reader().await;
    assert_eq!(reader.fetch_tree(far).await.unwrap_err().kind(), ErrorKind::Storage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_more_chunks_than_are_planned_at_once_is_whole() {
    let mut fixture = Fixture::new().await;
    let blobs: Vec<Vec<u8>> = (1..=7).map(|number| vec![number; usize::from(number)]).collect();
    let ids = fixture.pack(BlobKind::Data, &blobs).await;
    let reader = fixture.reader().await;
    let count = limits::PIECES_AT_A_TIME + 5;
    let expected: Vec<u8> = blobs.iter().cycle().take(count).flatten().copied().collect();
    let node = node_of(ids.into_iter().cycle().take(count).collect(), expected.len() as u64);
    let mut file = tempfile::tempfile().unwrap();
    let written = reader.extract(&node, file.try_clone().unwrap(), 0).await.unwrap();
    assert_eq!(written, expected.len() as u64);
    assert!(text_of(&mut file) == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_folders_are_found_by_path() {
    let mut fixture = Fixture::new().await;
    let entries = [("a/b/c", node_of(Vec::new(), 1)), ("a/d", node_of(Vec::new(), 2))];
    let root = fixture.tree(&entries).await;
    let reader = fixture.reader().await;
    assert_eq!(reader.node(&root, &path("a/d")).await.unwrap().unwrap().size, 2);
    assert_eq!(reader.node(&root, &path("a/b")).await.unwrap().unwrap().kind, NodeKind::Directory);
    for nothing in ["x", "a/x", "a/d/x"] {
        assert_eq!(reader.node(&root, &path(nothing)).await.unwrap(), None);
    }
    assert_eq!(reader.node(&root, &EntryPath::root()).await.unwrap(), None);
    let names = |nodes: Option<Vec<Node>>| {
        nodes.map(|nodes| nodes.into_iter().map(|node| node.name).collect::<Vec<_>>())
    };
    let folder = |text: &'static str| reader.folder(&root, Box::leak(Box::new(path(text))));
    assert_eq!(names(folder("a").await.unwrap()), Some(vec![b"b".to_vec(), b"d".to_vec()]));
    assert_eq!(names(folder("a/d").await.unwrap()), None);
    assert_eq!(names(folder("q").await.unwrap()), None);
    let missing = Digest([5; 32]);
    assert_eq!(
        reader.folder(&missing, &EntryPath::root()).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

async fn walked(reader: &Reader, root: Digest, prefix: &str, after: Option<&str>) -> Vec<String> {
    let prefix = if prefix.is_empty() { EntryPath::root() } else { path(prefix) };
    let mut walk = reader.walk(root, prefix, after.map(path));
    let mut found = Vec::new();
    while let Some((path, node)) = walk.next().await.unwrap() {
        assert_eq!(path.name(), Some(node.name.as_slice()));
        found.push(path.to_string());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_goes_depth_first_and_can_be_resumed_anywhere() {
    let mut fixture = Fixture::new().await;
    let mut names: Vec<String> =
        (0..30).map(|number| format!("d{:02}/e{}/f{number}", number % 12, number % 3)).collect();
    names.extend(["a", "a-b/x", "a.b", "d00/zz"].map(str::to_owned));
    let entries: Vec<(&str, Node)> =
        names.iter().map(|name| (name.as_str(), node_of(Vec::new(), 0))).collect();
    let root = fixture.tree(&entries).await;
    let reader = fixture.reader().await;
    let all = walked(&reader, root, "", None).await;
    let mut sorted: Vec<EntryPath> = all.iter().map(|name| path(name)).collect();
    sorted.sort();
    assert_eq!(all, sorted.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert!(names.iter().all(|name| all.contains(name)));
    for (index, name) in all.iter().enumerate() {
        assert_eq!(walked(&reader, root, "", Some(name)).await, all[index + 1..], "{name}");
    }
    // After a path that is not there.
    assert_eq!(walked(&reader, root, "", Some("a/zzz")).await, all[1..]);
    let below: Vec<String> = all.iter().filter(|name| name.starts_with("d00/")).cloned().collect();
    assert_eq!(walked(&reader, root, "d00", None).await, below);
    assert_eq!(walked(&reader, root, "d00", Some(&below[1])).await, below[2..]);
    assert!(walked(&reader, root, "a", None).await.is_empty());
    assert!(walked(&reader, root, "nothing", None).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_over_a_missing_tree_names_the_folder() {
    let mut fixture = Fixture::new().await;
    let root = fixture.tree(&[("a/b/c", node_of(Vec::new(), 0))]).await;
    // The trees are packed innermost first: the first is that of a/b.
    fixture.index.packs[0].blobs.remove(0);
    let reader = fixture.reader().await;
    let mut walk = reader.walk(root, EntryPath::root(), None);
    assert_eq!(walk.next().await.unwrap().unwrap().0, path("a"));
    let error: Error = walk.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().starts_with("folder a/b: "), "{error}");
    assert!(walk.next().await.unwrap().is_none());
}

proptest! {
    #[test]
    fn regions_cover_what_is_wanted_once(
        wanted in proptest::collection::vec((0u8..3, 0u32..1 << 27, 1u32..1 << 20), 1..60),
    ) {
        let mut blobs: HashMap<u8, Vec<PackedBlob>> = HashMap::new();
        for (number, (pack, offset, length)) in (0u8..).zip(&wanted) {
            let (id, kind) = (Digest([number; 32]), BlobKind::Data);
            let blob = PackedBlob { id, kind, offset: *offset, length: *length, uncompressed_length: None };
            blobs.entry(*pack).or_default().push(blob);
        }
        let packs = blobs.into_iter().map(|(pack, blobs)| {
            IndexPack { id: Digest([pack; 32]), blobs, time: None, size: None }
        });
        let mut builder = crate::index::IndexBuilder::new();
        builder.add(&IndexFile { packs: packs.collect(), ..IndexFile::default() }).unwrap();
        let index = builder.finish();
        let mut locations: Vec<Location> = (0u8..)
            .zip(&wanted)
            .map(|(number, _)| index.locate(BlobKind::Data, &Digest([number; 32])).unwrap())
            .collect();
        locations.extend(locations.clone());
        locations.sort_by_key(|location| (location.pack, location.offset));
        let regions = region::plan(locations.iter());
        let mut next = 0;
        for region in &regions {
            prop_assert_eq!(region.wanted.start, next);
            next = region.wanted.end;
            let length = region.bytes.end - region.bytes.start;
            prop_assert!(region.wanted.len() <= 2 || length <= 2 * limits::REGION_BYTES_MAX);
            for location in &locations[region.wanted.clone()] {
                prop_assert_eq!(location.pack, region.pack);
                let place = region.place(location);
                prop_assert!(place.end as u64 <= length);
            }
        }
        prop_assert_eq!(next, locations.len());
    }
}
