use std::collections::{BTreeMap, HashMap};

use lockgate_types::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::format::{TreePrinter, Xattr, parse_tree};

const TIME: Time = Time::utc(Timestamp { seconds: 1_700_000_000, nanoseconds: 5 });

fn path(text: &str) -> EntryPath {
    EntryPath::try_from(text).unwrap()
}

fn file(size: u64) -> Node {
    Node { size, content: Some(vec![Digest([7; 32])]), mtime: TIME, ..Node::default() }
}

fn directory(mode: u32) -> Node {
    Node { mode, ..Node::made_up_directory(Vec::new(), TIME) }
}

/// Small enough that a few entries make a run.
fn builder(memory_bytes_max: usize) -> TreeBuilder {
    TreeBuilder::new(TreeOptions { memory_bytes_max, ..TreeOptions::new(TIME) })
}

#[derive(Default)]
struct Store(HashMap<Digest, Vec<u8>>);

impl Store {
    fn put(&mut self, json: Vec<u8>) -> Result<Digest> {
        let digest = crate::layout::digest(&json);
        self.0.insert(digest, json);
        Ok(digest)
    }

    fn build(&mut self, builder: TreeBuilder) -> Result<Built> {
        builder.finish(|json| self.put(json))
    }

    /// All nodes by path, and that every tree is in order and prints as it was stored.
    fn read(&self, root: &Digest) -> BTreeMap<EntryPath, Node> {
        let mut found = BTreeMap::new();
        let mut open = vec![(EntryPath::root(), *root)];
        while let Some((folder, digest)) = open.pop() {
            let json = &self.0[&digest];
            let nodes = parse_tree(json).unwrap();
            let mut printer = TreePrinter::new();
            for node in nodes {
                printer.add(&node).unwrap();
                let inside = folder.join(&EntryPath::new(node.name.clone()).unwrap()).unwrap();
                if let Some(subtree) = node.subtree {
                    open.push((inside.clone(), subtree));
                }
                assert_eq!(node.kind == NodeKind::Directory, node.subtree.is_some());
                found.insert(inside, node);
            }
            assert_eq!(&printer.finish(), json);
        }
        found
    }
}

#[test]
fn entries_in_any_order_become_trees_and_missing_folders_are_made_up() {
    let builder = builder(1 << 20);
    for (name, node) in [
        ("z/y/x", file(1)),
        ("a-b", file(2)),
        ("a/c", file(3)),
        ("a", directory(0o40)),
        ("a/b/empty", directory(0o41)),
    ] {
        builder.add(&path(name), node).unwrap();
    }
    let mut store = Store::default();
    let built = store.build(builder).unwrap();
    let found = store.read(&built.root);
    let names: Vec<String> = found.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "a/b", "a/b/empty", "a/c", "a-b", "z", "z/y", "z/y/x"]);
    assert_eq!((built.nodes_count, built.trees_count), (8, 6));
    assert_eq!((found[&path("a")].mode, found[&path("z/y/x")].size), (0o40, 1));
    let made_up = &found[&path("z/y")];
    assert_eq!((made_up.mode, made_up.mtime), (1 << 31 | 0o700, TIME));
}

#[test]
fn no_entries_are_an_empty_tree() {
    let mut store = Store::default();
    let built = store.build(builder(1 << 20)).unwrap();
    assert_eq!(store.0[&built.root], b"{\"nodes\":[]}\n");
}

#[test]
fn unknown_times_are_those_of_the_snapshot() {
    let builder = builder(1 << 20);
    builder.add(&path("a"), Node { content: Some(Vec::new()), ..Node::default() }).unwrap();
    let mut store = Store::default();
    let root = store.build(builder).unwrap().root;
    let node = &store.read(&root)[&path("a")];
    assert_eq!((node.mtime, node.atime, node.ctime), (TIME, TIME, TIME));
}

#[test]
fn conflicts_are_named() {
    let conflict = |entries: &[(&str, Node)], memory_bytes_max: usize| {
        let builder = builder(memory_bytes_max);
        for (name, node) in entries {
            builder.add(&path(name), node.clone()).unwrap();
        }
        let error = Store::default().build(builder).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        error.to_string()
    };
    for memory in [2, 1 << 20] {
        let twice = [("a/b", file(1)), ("c", file(1)), ("a/b", file(2))];
        assert_eq!(conflict(&twice, memory), "path a/b was added twice");
        let both = [("a", file(1)), ("a/b/c", file(2))];
        assert_eq!(conflict(&both, memory), "path a/b/c needs a folder where there is a file");
        let folders = [("a", directory(1)), ("a/x", file(1)), ("a", directory(2))];
        assert_eq!(conflict(&folders, memory), "path a was added twice");
    }
    assert_eq!(builder(1).add(&EntryPath::root(), file(1)).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn errors_of_the_store_come_through() {
    let builder = builder(1 << 20);
    builder.add(&path("a/b"), file(1)).unwrap();
    let outcome = builder.finish(|_| Err(Error::new(ErrorKind::Cancelled, "stop")));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn many_threads_and_many_runs_give_one_order() {
    // Each entry is a run of its own.
    let builder = builder(2);
    let count = 1063;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let builder = &builder;
            scope.spawn(move || {
                for number in (thread..count).step_by(4) {
                    let name = format!("{}/{number}", number * 7919 % 13);
                    builder.add(&path(&name), file(number as u64)).unwrap();
                }
            });
        }
    });
    let mut store = Store::default();
    let built = store.build(builder).unwrap();
    let found = store.read(&built.root);
    assert_eq!(found.len(), count + 13);
    assert_eq!(built.nodes_count, found.len() as u64);
}

fn odd_node() -> impl Strategy<Value = Node> {
    let texts = (any::<String>(), any::<String>(), any::<Vec<u8>>());
    let numbers = any::<(u32, u32, u64, u64)>();
    (texts, numbers, any::<Option<Vec<[u8; 32]>>>(), 0i64..4_000_000_000).prop_map(
        |((user, xattr, bytes), (mode, uid, inode, size), content, seconds)| Node {
            kind: NodeKind::Symlink,
            mode,
            uid,
            inode,
            size,
            user,
            mtime: Time { timestamp: Timestamp { seconds, nanoseconds: 10 }, offset_minutes: 90 },
            linktarget: bytes.clone(),
            xattrs: vec![Xattr { name: xattr, value: bytes }],
            content: content.map(|blobs| blobs.into_iter().map(Digest).collect()),
            atime: TIME,
            ctime: TIME,
            ..Node::default()
        },
    )
}

proptest! {
    #[test]
    fn any_entries_come_back(
        nodes in proptest::collection::btree_map(proptest::collection::vec(1u8.., 1..6), odd_node(), 0..30),
        memory_bytes_max in 2usize..8192,
        shift in 0usize..30,
    ) {
        let nodes: BTreeMap<EntryPath, Node> = nodes
            .into_iter()
            .filter_map(|(name, mut node)| {
                let path = EntryPath::new([b"d/".to_vec(), name].concat()).ok()?;
                node.name = path.name()?.to_vec();
                Some((path, node))
            })
            .collect();
        // A file within a file is another test's matter.
        let is_outer = |path: &EntryPath| {
            !nodes.keys().any(|inner| inner != path && inner.strip_prefix(path).is_some())
        };
        let nodes: Vec<(&EntryPath, &Node)> =
            nodes.iter().filter(|(path, _)| is_outer(path)).collect();
        let builder = builder(memory_bytes_max);
        for index in 0..nodes.len() {
            let (path, node) = nodes[(index + shift) % nodes.len()];
            builder.add(path, node.clone()).unwrap();
        }
        let mut store = Store::default();
        let root = store.build(builder).unwrap().root;
        let found = store.read(&root);
        for (path, node) in nodes {
            prop_assert_eq!(&found[path], node);
        }
    }
}
