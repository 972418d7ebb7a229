//! What holds for each parser, whatever bytes it is given. Each tells whether it took them, and panics when its rule is broken.

use bytes::Bytes;
use lockgate_repository::format::{
    Config, IndexFile, KeyFile, LockFile, MasterKeyJson, SnapshotEdit, TreeNodes, TreePrinter,
    decode_base64, encode_base64, pack_header_decode, pack_header_encode, parse_past_tree,
    parse_tree, unpack_json,
};
use lockgate_repository::index::IndexBuilder;
use lockgate_repository::{Node, Snapshot, Time};
use lockgate_types::{Digest, EntryPath};

/// Parses, and when that succeeds prints and parses again. Whether it succeeded.
pub type Rule = fn(&[u8]) -> bool;

fn again<T>(
    parse: impl Fn(&[u8]) -> lockgate_repository::Result<T>,
    print: impl Fn(&T) -> Vec<u8>,
    bytes: &[u8],
) -> Option<T> {
    let value = parse(bytes).ok()?;
    let printed = print(&value);
    if let Err(error) = parse(&printed) {
        panic!(
            "{error}: {:?}, printed of {:?}",
            String::from_utf8_lossy(&printed),
            String::from_utf8_lossy(bytes)
        );
    }
    Some(value)
}

pub fn config(bytes: &[u8]) -> bool {
    again(Config::parse, Config::print, bytes).is_some()
}

pub fn key_file(bytes: &[u8]) -> bool {
    again(KeyFile::parse, KeyFile::print, bytes).is_some()
}

pub fn master_key(bytes: &[u8]) -> bool {
    MasterKeyJson::parse(bytes).is_ok_and(|key| key.parts().is_some())
}

/// What the file says is found in an index of it.
pub fn index(bytes: &[u8]) -> bool {
    let Some(file) = again(IndexFile::parse, IndexFile::print, bytes) else { return false };
    let mut builder = IndexBuilder::new();
    if builder.add(&file).is_err() {
        return false;
    }
    let index = builder.finish();
    let is_marked = |pack: Digest| file.packs_to_delete.iter().any(|it| it.id == pack);
    for pack in &file.packs {
        for blob in &pack.blobs {
            let found = index.locate(blob.kind, &blob.id);
            assert!(found.is_some(), "{} is not found", blob.id);
            let is_live = index.contains(blob.kind, &blob.id);
            assert!(is_live || is_marked(pack.id), "{} is not relied on", blob.id);
        }
    }
    true
}

/// A copy with other tags is a snapshot too.
pub fn snapshot(bytes: &[u8]) -> bool {
    let parse = |json: &[u8]| Snapshot::parse(Digest([7; 32]), json);
    let Some(mut snapshot) = again(parse, Snapshot::print, bytes) else { return false };
    if let Ok(edit) = SnapshotEdit::parse(bytes) {
        snapshot.tags.push("one more".to_owned());
        let printed = edit.print(&snapshot);
        let tags = parse(&printed).expect("an edited snapshot is read").tags;
        assert_eq!(tags, snapshot.tags);
    }
    true
}

pub fn lock(bytes: &[u8]) -> bool {
    again(LockFile::parse, LockFile::print, bytes).is_some()
}

pub fn pack_header(bytes: &[u8]) -> bool {
    let blobs = again(pack_header_decode, |blobs| pack_header_encode(blobs), bytes);
    blobs.is_some()
}

pub fn frame(bytes: &[u8]) -> bool {
    unpack_json(bytes.to_vec()).is_ok()
}

/// All ways to read a tree come to the same, and what was read is printed so that it is read again.
pub fn tree(bytes: &[u8]) -> bool {
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
    let Ok(nodes) = at_once else { return false };
    let past = parse_past_tree(bytes).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let same = |node: &Node| (node.name.clone(), node.size, node.content.clone());
    let in_past = past.iter().map(|node| (node.name.clone(), node.size, node.content.clone()));
    assert!(nodes.iter().map(same).eq(in_past), "{text:?}");
    let mut printer = TreePrinter::new();
    for node in &nodes {
        printer.add(node).expect("the names are in order");
    }
    let printed = printer.finish();
    let back = parse_tree(&printed).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    assert!(is_same(&nodes, &back), "{text:?}");
    nodes.iter().for_each(is_an_entry);
    true
}

/// Times outside of the format's years are printed as its nearest; all else comes back.
fn is_same(nodes: &[Node], back: &[Node]) -> bool {
    let without_times = |node: &Node| Node {
        mtime: Time::ZERO,
        atime: Time::ZERO,
        ctime: Time::ZERO,
        ..node.clone()
    };
    nodes.iter().map(without_times).eq(back.iter().map(without_times))
}

fn is_an_entry(node: &Node) {
    if let Ok(path) = EntryPath::new(node.name.clone()) {
        let entry = node.to_entry(path);
        let back = Node::from_entry(&entry);
        assert_eq!(back.name, node.name);
        let is_stream = entry.metadata.is_none();
        assert!(is_stream || back.permissions() == node.permissions(), "{node:?}");
    }
}

pub fn time(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(time) = text.parse::<Time>() else { return false };
    assert!(time.timestamp.nanoseconds < 1_000_000_000, "{text:?}");
    let back = time.to_string().parse::<Time>();
    assert_eq!(back, Ok(time), "{text:?}");
    true
}

pub fn base64(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some(decoded) = decode_base64(text) else { return false };
    assert_eq!(decode_base64(&encode_base64(&decoded)), Some(decoded), "{text:?}");
    true
}
