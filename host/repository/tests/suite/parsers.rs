//! Whatever bytes stand where an object is expected: each parser of foreign bytes gives a value or an error, in bounded time,
//! and what it takes it can print and take again. Good objects are damaged at random, many times.
//!
//! With `LOCKGATE_TEST_SCALE=full` a hundred times as often; `LOCKGATE_TEST_SEED` makes other damages.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_repository::format::{
    BlobKind, Config, IndexFile, IndexPack, KeyFile, LockFile, MasterKeyJson, PackedBlob,
    TreeNodes, TreePrinter, pack_header_decode, pack_header_encode, pack_json, parse_tree,
    unpack_json,
};
use lockgate_repository::{InitOptions, Node, NodeKind, Repository, Snapshot, Time, Xattr};
use lockgate_types::Digest;

use crate::referee::{PASSWORD, write};
use crate::tamper::{memory, objects};

/// No few kilobytes take longer.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Damages of each seed in an ordinary run.
const DAMAGES: u64 = 2_000;

/// Parses, and when that succeeds prints and parses again. Whether it succeeded.
type Parser = fn(&[u8]) -> bool;

fn again<T>(
    parse: impl Fn(&[u8]) -> lockgate_repository::Result<T>,
    print: impl Fn(&T) -> Vec<u8>,
    bytes: &[u8],
) -> bool {
    let Ok(value) = parse(bytes) else { return false };
    let printed = print(&value);
    if let Err(error) = parse(&printed) {
        panic!(
            "{error}: {:?}, printed of {:?}",
            String::from_utf8_lossy(&printed),
            String::from_utf8_lossy(bytes)
        );
    }
    true
}

fn config(bytes: &[u8]) -> bool {
    again(Config::parse, Config::print, bytes)
}

fn key_file(bytes: &[u8]) -> bool {
    again(KeyFile::parse, KeyFile::print, bytes)
}

fn master_key(bytes: &[u8]) -> bool {
    MasterKeyJson::parse(bytes).is_ok_and(|key| key.parts().is_some())
}

fn index(bytes: &[u8]) -> bool {
    again(IndexFile::parse, IndexFile::print, bytes)
}

fn snapshot(bytes: &[u8]) -> bool {
    again(|json| Snapshot::parse(Digest([7; 32]), json), Snapshot::print, bytes)
}

fn lock(bytes: &[u8]) -> bool {
    again(LockFile::parse, LockFile::print, bytes)
}

fn pack_header(bytes: &[u8]) -> bool {
    again(pack_header_decode, |blobs| pack_header_encode(blobs), bytes)
}

fn framed(bytes: &[u8]) -> bool {
    unpack_json(bytes.to_vec()).is_ok()
}

/// Both ways to read a tree come to the same.
fn tree(bytes: &[u8]) -> bool {
    let at_once = parse_tree(bytes);
    let one_by_one = TreeNodes::new(Bytes::copy_from_slice(bytes)).and_then(|mut nodes| {
        let mut found = Vec::new();
        while let Some(node) = nodes.next_node()? {
            found.push(node);
        }
        Ok(found)
    });
    let text = String::from_utf8_lossy(bytes);
    if let (Ok(at_once), Ok(one_by_one)) = (&at_once, &one_by_one) {
        assert_eq!(at_once, one_by_one, "{text:?}");
    }
    at_once.is_ok()
}

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
async fn seeds() -> Vec<(&'static str, Parser, Vec<u8>)> {
    let mut options = InitOptions::default();
    options.scrypt_n = 2;
    let storage = memory();
    let repository = Repository::init(storage.clone(), PASSWORD, options).await.unwrap();
    let written = write(&repository, &[("file", b"content".to_vec())]).await.unwrap();
    let stored = objects(&storage).await;
    let key = stored.iter().find(|(name, _)| name.starts_with("keys/")).unwrap().1.to_vec();
    let packs = vec![IndexPack {
        id: Digest([9; 32]),
        blobs: good_blobs(),
        time: Some(Time::now()),
        size: Some(2041),
    }];
    let index_file = IndexFile { packs, ..IndexFile::default() }.print();
    let of_lock = LockFile {
        time: Time::now(),
        exclusive: true,
        hostname: "host".to_owned(),
        username: "user".to_owned(),
        pid: 1,
        uid: 2,
        gid: 3,
        lockgate: None,
    };
    vec![
        ("config", config as Parser, repository.config().print()),
        ("key file", key_file, key),
        ("master key", master_key, MasterKeyJson::new(&[1; 32], &[2; 16], &[3; 16]).print()),
        ("index", index, index_file.clone()),
        ("snapshot", snapshot, written.print()),
        ("lock", lock, of_lock.print()),
        ("pack header", pack_header, pack_header_encode(&good_blobs())),
        ("frame", framed, pack_json(&index_file).unwrap()),
        ("tree", tree, good_tree()),
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
    for (name, parser, good) in seeds().await {
        assert!(parser(&good), "a good {name} is refused");
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut taken = 0;
        for _ in 0..damages {
            let bytes = damaged(&good, &mut random);
            let start = Instant::now();
            taken += u64::from(parser(&bytes));
            assert!(start.elapsed() < TIME_MAX, "{name}: {bytes:?}");
        }
        println!("{name}: {damages} damaged objects, {taken} of them still taken, broken: 0");
    }
    // Deep nesting ends at a bound, not at the end of the stack.
    for open in ["[", "{\"a\":", "{\"nodes\":[{\"content\":["] {
        let deep = open.repeat(100_000);
        for parser in [config, key_file, master_key, index, snapshot, lock, tree] {
            assert!(!parser(deep.as_bytes()));
        }
    }
}
