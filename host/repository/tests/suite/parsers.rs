//! Whatever bytes stand where an object is expected: each parser of foreign bytes gives a value or an error, in bounded time,
//! and what it takes it can print and take again. Good objects are damaged at random, many times.
//!
//! With `LOCKGATE_TEST_SCALE=full` a hundred times as often; `LOCKGATE_TEST_SEED` makes other damages. `tests/fuzz.sh` holds the same
//! rules against bytes that a fuzzer finds, and begins with the same good objects.

mod rules;

use std::path::Path;
use std::time::{Duration, Instant};

use lockgate_repository::format::{
    BlobKind, IndexFile, IndexPack, LockFile, LockNote, MasterKeyJson, PackedBlob, TreePrinter,
    pack_header_encode, pack_json,
};
use lockgate_repository::{InitOptions, Node, NodeKind, Repository, Time, Xattr};
use lockgate_types::Digest;

use self::rules::Rule;
use crate::referee::{PASSWORD, write};
use crate::tamper::{memory, objects};

/// No few kilobytes take longer.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Damages of each seed in an ordinary run.
const DAMAGES: u64 = 2_000;

fn good_tree() -> Vec<u8> {
    let mut printer = TreePrinter::new();
    let file = Node {
        name: b"a \"name\"\xff".to_vec(),
        content: Some(vec![Digest([1; 32]), Digest([2; 32])]),
        xattrs: vec![Xattr { name: "user.x".to_owned(), value: vec![0, 255] }],
        size: 1 << 40,
        ..Node::default()
    };
    let link = Node {
        name: b"b".to_vec(),
        kind: NodeKind::Symlink,
        linktarget: b"to\xfe".to_vec(),
        ..Node::default()
    };
    let folder = Node {
        subtree: Some(Digest([3; 32])),
        ..Node::made_up_directory(b"c".to_vec(), Time::now())
    };
    for node in [file, link, folder] {
        printer.add(&node).unwrap();
    }
    printer.finish()
}

fn good_blobs() -> Vec<PackedBlob> {
    let blob = |number: u8, kind, offset, uncompressed_length| PackedBlob {
        id: Digest([number; 32]),
        kind,
        offset,
        length: 1000,
        uncompressed_length,
    };
    vec![blob(1, BlobKind::Data, 0, None), blob(2, BlobKind::Tree, 1000, Some(5000))]
}

/// A good object for each parser.
async fn seeds() -> Vec<(&'static str, Rule, Vec<u8>)> {
    let mut options = InitOptions::default();
    options.scrypt_n = 2;
    let storage = memory();
    let repository = Repository::init(storage.clone(), PASSWORD, options).await.unwrap();
    let written = write(&repository, &[("file", b"content".to_vec())]).await.unwrap();
    let stored = objects(&storage).await;
    let key = stored.iter().find(|(name, _)| name.starts_with("keys/")).unwrap().1.to_vec();
    let pack = IndexPack { id: Digest([9; 32]), blobs: good_blobs(), time: None, size: None };
    let mark = IndexPack { time: Some(Time::now()), size: Some(2041), ..pack.clone() };
    let index =
        IndexFile { packs: vec![pack], packs_to_delete: vec![mark], ..IndexFile::default() };
    let index_file = index.print();
    let of_lock = LockFile {
        time: Time::now(),
        exclusive: true,
        hostname: "host".to_owned(),
        username: "user".to_owned(),
        pid: 1,
        uid: 2,
        gid: 3,
        lockgate: Some(LockNote { prune: true, since: Some(Time::now()) }),
    };
    vec![
        ("config", rules::config as Rule, repository.config().print()),
        ("key_file", rules::key_file, key),
        ("master_key", rules::master_key, MasterKeyJson::new(&[1; 32], &[2; 16], &[3; 16]).print()),
        ("index", rules::index, index_file.clone()),
        ("snapshot", rules::snapshot, written.print()),
        ("lock", rules::lock, of_lock.print()),
        ("pack_header", rules::pack_header, pack_header_encode(&good_blobs())),
        ("frame", rules::frame, pack_json(&index_file).unwrap()),
        ("tree", rules::tree, good_tree()),
        ("time", rules::time, Time::now().to_string().into_bytes()),
        ("base64", rules::base64, b"Zm9vYg==".to_vec()),
    ]
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }
}

/// What breaks parsers: numbers at their ends, what opens and never closes, odd escapes, and nothing.
const NASTY: [&[u8]; 14] = [
    b"null",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"\"\"",
    b"[[[[[[[[",
    b"{\"a\":{\"a\":",
    b"\\ud800",
    b"\\u0000",
    b"\xff\xfe",
    b"0000-00-00T00:00:00Z",
    b"9999-12-31T23:59:60+24:00",
    b"",
    b"\0\0\0\0",
];

fn damaged(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(3) {
        let place = random.below(bytes.len() + 1);
        let end = (place + random.below(20)).min(bytes.len());
        match random.below(5) {
            0 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
            1 => drop(bytes.splice(place..end, NASTY[random.below(NASTY.len())].iter().copied())),
            2 => drop(bytes.drain(place..end)),
            3 => {
                let copied: Vec<u8> = bytes[place..end].to_vec();
                drop(bytes.splice(place..place, copied));
            }
            _ => {
                // A whole JSON value becomes another one.
                let start = bytes[..place]
                    .iter()
                    .rposition(|byte| *byte == b':')
                    .map_or(place, |colon| colon + 1);
                let stop = bytes[start..]
                    .iter()
                    .position(|byte| b",}]".contains(byte))
                    .map_or(start, |length| start + length);
                drop(bytes.splice(start..stop, NASTY[random.below(NASTY.len())].iter().copied()));
            }
        }
    }
    bytes
}

#[tokio::test]
async fn no_bytes_break_a_parser() {
    let is_full = std::env::var("LOCKGATE_TEST_SCALE").is_ok_and(|scale| scale == "full");
    let seed: u64 =
        std::env::var("LOCKGATE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let damages = if is_full { 100 * DAMAGES } else { DAMAGES };
    for (name, rule, good) in seeds().await {
        assert!(rule(&good), "a good {name} is refused");
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut taken = 0;
        for _ in 0..damages {
            let bytes = damaged(&good, &mut random);
            let start = Instant::now();
            taken += u64::from(rule(&bytes));
            assert!(start.elapsed() < TIME_MAX, "{name}: {bytes:?}");
        }
        println!("{name}: {damages} damaged objects, {taken} of them still taken, broken: 0");
    }
    // Deep nesting ends at a bound, not at the end of the stack.
    for open in ["[", "{\"a\":", "{\"nodes\":[{\"content\":["] {
        let deep = open.repeat(100_000);
        let of_json = [
            rules::config as Rule,
            rules::key_file,
            rules::master_key,
            rules::index,
            rules::snapshot,
            rules::lock,
            rules::tree,
        ];
        for rule in of_json {
            assert!(!rule(deep.as_bytes()));
        }
    }
}

/// Writes the good objects into folders of the folder that `LOCKGATE_FUZZ_CORPUS` names, for `tests/fuzz.sh`.
#[tokio::test]
#[ignore = "it tests nothing"]
async fn good_objects_for_the_fuzzer() {
    let corpus = std::env::var("LOCKGATE_FUZZ_CORPUS").expect("a folder is named");
    for (name, _, good) in seeds().await {
        let folder = Path::new(&corpus).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("good"), good).unwrap();
    }
}
