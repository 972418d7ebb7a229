//! Nodes in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use crate::message::{Acl, Kind, Stat};
use crate::scope::{self, is_inside};

/// A node as it is saved, and what tells whether it has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What kind of node.
    pub kind: Kind,
    /// None when the client that wrote it gave none, which is not the same as no bytes.
    pub data: Option<Box<[u8]>>,
    /// In the tree's table; none until it was read.
    pub acl: Option<u32>,
    /// Of the ACL that was read.
    pub aversion: i32,
    /// Of the data that was read.
    pub czxid: i64,
    /// Of the data that was read.
    pub mzxid: i64,
    /// Of the list of children, when the data was read.
    pub pzxid: i64,
    /// Number of the next sequential child.
    pub sequence: Option<u32>,
}

impl Node {
    /// As the server sent it, without its ACL.
    pub fn new(kind: Kind, data: Option<&[u8]>, stat: &Stat) -> Self {
        Self {
            kind,
            data: data.map(Box::from),
            acl: None,
            aversion: stat.aversion,
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            pzxid: stat.pzxid,
            sequence: stat.sequence(),
        }
    }
}

/// Nodes by path, parents before their children. Equal ACLs are kept once: there are few different ones.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The nodes.
    pub nodes: BTreeMap<Box<str>, Node>,
    /// Paths of nodes that go with a client's session.
    pub ephemerals: BTreeSet<Box<str>>,
    acls: Vec<Vec<Acl>>,
    numbers: HashMap<Vec<Acl>, u32>,
}

impl Tree {
    /// The number of an ACL.
    pub fn number(&mut self, acl: Vec<Acl>) -> u32 {
        if let Some(number) = self.numbers.get(&acl) {
            return *number;
        }
        // Each has bytes of its own, so that memory ends long before the numbers do.
        let number = u32::try_from(self.acls.len()).unwrap_or(u32::MAX);
        self.acls.push(acl.clone());
        self.numbers.insert(acl, number);
        number
    }

    /// The ACL of a node; empty when it was not read.
    pub fn acl(&self, node: &Node) -> &[Acl] {
        let found = node.acl.and_then(|number| self.acls.get(number as usize));
        found.map_or(&[], Vec::as_slice)
    }

    /// `path` and what is below it, parents first.
    pub fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        below(self.nodes.range::<str, _>((Bound::Included(path), Bound::Unbounded)), path)
            .map(|(path, node)| (&**path, node))
    }

    /// Paths of ephemeral nodes at `path` and below it.
    pub fn ephemerals_below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        let range = self.ephemerals.range::<str, _>((Bound::Included(path), Bound::Unbounded));
        range
            .map(|found| &**found)
            .take_while(move |found| begins(found, path))
            .filter(move |found| is_inside(found, path))
    }

    /// Forgets the numbers of next sequential children where there are no children with such numbers: only where there are
    /// may a new child get the name of an old one.
    pub fn keep_needed_sequences(&mut self) {
        let mut needed: BTreeMap<Box<str>, u32> = BTreeMap::new();
        for path in self.nodes.keys() {
            if let (Some(number), Some(parent)) = (sequence_of(path), scope::parent(path)) {
                match needed.get_mut(parent) {
                    Some(next) => *next = (*next).max(number + 1),
                    None => drop(needed.insert(parent.into(), number + 1)),
                }
            }
        }
        for (path, node) in &mut self.nodes {
            let counted = node.sequence.unwrap_or(0);
            node.sequence = needed.get(path).map(|next| counted.max(*next));
        }
    }
}

/// Paths between that of a node and those below it sort in between: `/a`, `/a-b`, `/a/c`.
fn below<'a, V: 'a>(
    range: impl Iterator<Item = (&'a Box<str>, V)>,
    path: &'a str,
) -> impl Iterator<Item = (&'a Box<str>, V)> {
    range
        .take_while(move |(found, _)| begins(found, path))
        .filter(move |(found, _)| is_inside(found, path))
}

fn begins(found: &str, path: &str) -> bool {
    found.starts_with(path)
}

/// The number that the server gave to a sequential node: ten digits at the end of its name.
/// <https://zookeeper.apache.org/doc/r3.8.0/zookeeperProgrammers.html#Sequence+Nodes+--+Unique+Naming>
fn sequence_of(path: &str) -> Option<u32> {
    let name = scope::name(path).as_bytes();
    let digits = name.get(name.len().checked_sub(10)?..)?;
    let text = std::str::from_utf8(digits).ok()?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number < i32::MAX.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        let node = Node::new(Kind::Persistent, None, &Stat::default());
        let nodes = paths.iter().map(|path| (Box::from(*path), node.clone())).collect();
        Tree { nodes, ..Tree::default() }
    }

    #[test]
    fn a_subtree_is_found_between_its_neighbours() {
        let tree = tree(&["/", "/a", "/a-b", "/a/c", "/a/c/d", "/ab", "/b"]);
        let found: Vec<&str> = tree.below("/a").map(|(path, _)| path).collect();
        assert_eq!(found, ["/a", "/a/c", "/a/c/d"]);
        assert_eq!(tree.below("/").count(), 7);
    }

    #[test]
    fn equal_acls_have_one_number() {
        let mut tree = Tree::default();
        assert_eq!(tree.number(Acl::open()), 0);
        assert_eq!(tree.number(Acl::own()), 1);
        assert_eq!(tree.number(Acl::open()), 0);
    }

    #[test]
    fn names_with_ten_digits_are_sequences() {
        let mut tree = tree(&[
            "/p",
            "/q",
            "/q/n-0000000007",
            "/q/n-0000000003",
            "/q/123",
            "/r",
            "/r/0000000000",
        ]);
        tree.nodes.get_mut("/r").unwrap().sequence = Some(9);
        tree.nodes.get_mut("/p").unwrap().sequence = Some(9);
        tree.keep_needed_sequences();
        let kept = tree.nodes.iter().filter_map(|(path, node)| Some((&**path, node.sequence?)));
        assert_eq!(kept.collect::<Vec<_>>(), [("/q", 8), ("/r", 9)]);
        assert_eq!(sequence_of("/x/9999999999"), None);
    }
}
