use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Node, PastNode};
use crate::error::{Error, Result};

/// Prints a tree node by node.
#[derive(Debug, Default)]
pub struct TreePrinter {
    json: Vec<u8>,
    last: Option<Vec<u8>>,
}

impl TreePrinter {
    /// A tree without nodes.
    #[must_use]
    pub fn new() -> Self {
        Self { json: b"{\"nodes\":[".to_vec(), last: None }
    }

    /// Appends `node`.
    ///
    /// # Errors
    /// `Conflict` when its name does not sort after that of the node before it.
    pub fn add(&mut self, node: &Node) -> Result<()> {
        if let Some(last) = &self.last {
            if *last >= node.name {
                let text = format!("name {:?} stands twice", node.name.escape_ascii().to_string());
                return Err(Error::new(crate::ErrorKind::Conflict, text));
            }
            self.json.push(b',');
        }
        node.print(&mut self.json);
        self.last = Some(node.name.clone());
        Ok(())
    }

    /// Bytes printed so far.
    #[must_use]
    pub fn length(&self) -> usize {
        self.json.len()
    }

    /// The JSON of the tree, with the line end that restic hashes too.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.json.extend_from_slice(b"]}\n");
        self.json
    }
}

/// What is read of each node of a tree.
pub(super) trait FromJson: Sized {
    /// As serde reads it.
    type Json<'a>: Deserialize<'a>;

    /// # Errors
    /// What is wrong with it, in words.
    fn from_json(json: Self::Json<'_>) -> Result<Self, String>;

    fn name(&self) -> &[u8];
}

/// The nodes of a tree, in the order of their names. Unknown members are skipped.
///
/// # Errors
/// `Corrupt` when it does not parse, or when a name stands twice.
pub fn parse_tree(json: &[u8]) -> Result<Vec<Node>> {
    parse(json)
}

/// The same, as far as the next backup looks at them.
///
/// # Errors
/// As [`parse_tree`], but for members that are not looked at.
pub fn parse_past_tree(json: &[u8]) -> Result<Vec<PastNode>> {
    parse(json)
}

fn parse<T: FromJson>(json: &[u8]) -> Result<Vec<T>> {
    let damaged = |why: &dyn fmt::Display| Error::corrupt("tree", why);
    // Looked at once for being text, not again for each of its strings. Members that nobody reads need not be text.
    let parsed = match std::str::from_utf8(json) {
        Ok(text) => parse_nodes(serde_json::Deserializer::from_str(text)),
        Err(_) => parse_nodes(serde_json::Deserializer::from_slice(json)),
    };
    let mut nodes: Vec<T> = parsed.map_err(|source| damaged(&source))?;
    // Old versions of restic did not always sort by bytes; whoever looks names up relies on it.
    if !nodes.is_sorted_by(|left, right| left.name() < right.name()) {
        nodes.sort_by(|left, right| left.name().cmp(right.name()));
        let twice = nodes.windows(2).find(|pair| pair[0].name() == pair[1].name());
        if let Some([node, _]) = twice {
            let name = node.name().escape_ascii().to_string();
            return Err(damaged(&format_args!("name {name:?} stands twice")));
        }
    }
    Ok(nodes)
}

fn parse_nodes<'de, R: serde_json::de::Read<'de>, T: FromJson>(
    mut deserializer: serde_json::Deserializer<R>,
) -> serde_json::Result<Vec<T>> {
    let mut nodes = Vec::new();
    deserializer.deserialize_map(TreeVisitor(&mut nodes))?;
    deserializer.end()?;
    Ok(nodes)
}

struct TreeVisitor<'a, T>(&'a mut Vec<T>);

impl<'de, T: FromJson> Visitor<'de> for TreeVisitor<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with nodes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_nodes = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "nodes" {
                has_nodes = true;
                map.next_value_seed(NodesSeed(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if has_nodes { Ok(()) } else { Err(serde::de::Error::missing_field("nodes")) }
    }
}

/// Nodes are turned into their final form one by one: the JSON form of a large tree would double the memory.
struct NodesSeed<'a, T>(&'a mut Vec<T>);

impl<'de, T: FromJson> DeserializeSeed<'de> for NodesSeed<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T: FromJson> Visitor<'de> for NodesSeed<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of nodes")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(json) = list.next_element::<T::Json<'de>>()? {
            self.0.push(T::from_json(json).map_err(serde::de::Error::custom)?);
        }
        Ok(())
    }
}

/// The nodes of a tree one after the other, parsed when they are asked for: those of a folder with a million names are
/// never all in memory at once.
#[derive(Clone, Debug)]
pub struct TreeNodes {
    json: Bytes,
    at: usize,
    last: Option<Vec<u8>>,
    /// Of a tree that is not printed as restic prints it, or not in order.
    parsed: Option<std::vec::IntoIter<Node>>,
}

const BEGIN: &[u8] = b"{\"nodes\":[";

impl TreeNodes {
    /// Of the JSON of a tree.
    ///
    /// # Errors
    /// `Corrupt` when it is none.
    pub fn new(json: Bytes) -> Result<Self> {
        let parsed = match json.starts_with(BEGIN) {
            true => None,
            false => Some(parse_tree(&json)?.into_iter()),
        };
        Ok(Self { json, at: BEGIN.len(), last: None, parsed })
    }

    /// The next node.
    ///
    /// # Errors
    /// `Corrupt` when the rest does not parse, or a name does not sort after the one before it.
    pub fn next_node(&mut self) -> Result<Option<Node>> {
        if let Some(parsed) = &mut self.parsed {
            return Ok(parsed.next());
        }
        let damaged = |why: &dyn fmt::Display| Error::corrupt("tree", why);
        let rest = self.json.get(self.at..).unwrap_or_default();
        match (rest.first(), &self.last) {
            (Some(b']'), _) => return self.end().map(|()| None),
            (Some(b','), Some(_)) => self.at += 1,
            (_, None) => {}
            _ => return Err(damaged(&"the list of nodes is cut short")),
        }
        let rest = self.json.get(self.at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
        let value = values.next().ok_or_else(|| damaged(&"the list of nodes is cut short"))?;
        let read = values.byte_offset();
        let node = Node::from_json(value.map_err(|source| damaged(&source))?);
        let node = node.map_err(|why| damaged(&why))?;
        if self.last.as_ref().is_some_and(|last| *last >= node.name) {
            return Err(damaged(&"the names are not in order"));
        }
        self.at += read;
        self.last = Some(node.name.clone());
        Ok(Some(node))
    }

    /// What follows the list may only be members that nobody knows yet.
    fn end(&mut self) -> Result<()> {
        let tail = self.json.get(self.at + 1..).unwrap_or_default();
        if tail.trim_ascii() == b"}" {
            return Ok(());
        }
        parse_tree(&self.json).map(|_| ())
    }

    /// All of them; faster than one after the other.
    ///
    /// # Errors
    /// As [`parse_tree`]: what is out of order is sorted.
    pub(crate) fn all(self) -> Result<Vec<Node>> {
        match self.parsed {
            Some(parsed) => Ok(parsed.collect()),
            None => parse_tree(&self.json),
        }
    }

    /// The node called `name`.
    ///
    /// # Errors
    /// As [`TreeNodes::next_node`].
    pub fn find(mut self, name: &[u8]) -> Result<Option<Node>> {
        while let Some(node) = self.next_node()? {
            if node.name == name {
                return Ok(Some(node));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lockgate_types::{Digest, Timestamp};

    use super::*;
    use crate::format::{NodeKind, Time, Xattr};

    fn lazily(json: &[u8]) -> Result<Vec<Node>> {
        let mut nodes = TreeNodes::new(Bytes::copy_from_slice(json))?;
        let mut found = Vec::new();
        while let Some(node) = nodes.next_node()? {
            found.push(node);
        }
        Ok(found)
    }

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    /// Printed by restic 0.18.1 from files made for the purpose, shortened to the lines that differ.
    #[test]
    fn nodes_of_restic_print_as_it_printed_them() {
        let json = concat!(
            r#"{"nodes":[{"name":"\\x01\\xff","type":"file","mode":420,"#,
            r#""mtime":"2014-12-06T17:50:23.34513538+01:00","#,
            r#""atime":"2014-12-06T17:50:23.34513538+01:00","ctime":"0001-01-01T00:00:00Z","#,
            r#""uid":0,"gid":0,"user":"root","group":"root","inode":7,"device_id":65024,"size":5,"#,
            r#""links":2,"extended_attributes":[{"name":"user.x","value":"AP8="}],"content":["#,
            r#""0101010101010101010101010101010101010101010101010101010101010101"]},"#,
            r#"{"name":"a\u003cb\u003e\u0026\\\"\\\\","type":"file","mode":420,"#,
            r#""mtime":"1969-12-31T23:59:59.5Z","atime":"1969-12-31T23:59:59.5Z","#,
            r#""ctime":"1969-12-31T23:59:59.5Z","uid":1,"gid":2,"content":[]},"#,
            r#"{"name":"dir","type":"dir","mode":2147484141,"mtime":"2020-01-01T00:00:00Z","#,
            r#""atime":"2020-01-01T00:00:00Z","ctime":"2020-01-01T00:00:00Z","uid":0,"gid":0,"#,
            r#""content":null,"subtree":"#,
            r#""0202020202020202020202020202020202020202020202020202020202020202"},"#,
            r#"{"name":"link","type":"symlink","mode":134218239,"mtime":"2020-01-01T00:00:00Z","#,
            r#""atime":"2020-01-01T00:00:00Z","ctime":"2020-01-01T00:00:00Z","uid":0,"gid":0,"#,
            r#""links":1,"linktarget":"\ufffdx","linktarget_raw":"/3g=","content":null},"#,
            r#"{"name":"win","type":"file","mtime":"2020-01-01T00:00:00Z","#,
            r#""atime":"2020-01-01T00:00:00Z","ctime":"2020-01-01T00:00:00Z","uid":0,"gid":0,"#,
            r#""generic_attributes":{"windows.creation_time":"AA==","windows.x":{"a":[1,2]}},"#,
            r#""content":null,"error":"read failed"}]}"#,
            "\n"
        );
        let nodes = parse_tree(json.as_bytes()).unwrap();
        assert_eq!(nodes[0].name, b"\x01\xff");
        assert_eq!(nodes[1].name, b"a<b>&\"\\");
        assert_eq!((nodes[0].content.as_ref().unwrap().len(), nodes[1].blobs().len()), (1, 0));
        assert_eq!(nodes[1].mtime.timestamp.seconds, -1);
        assert_eq!(nodes[3].linktarget, b"\xffx");
        assert_eq!(nodes[4].content, None);
        let mut printer = TreePrinter::new();
        for node in &nodes {
            printer.add(node).unwrap();
        }
        assert_eq!(String::from_utf8(printer.finish()).unwrap(), json);
        assert_eq!(lazily(json.as_bytes()).unwrap(), nodes);
    }

    #[test]
    fn missing_members_have_the_values_of_go() {
        let json = br#"{"future":{"x":[]},"nodes":[{"name":"a","type":"fifo","extended_attributes":null}],"more":1}"#;
        let nodes = parse_tree(json).unwrap();
        assert_eq!((nodes[0].kind, nodes[0].mtime), (NodeKind::Fifo, Time::ZERO));
        assert_eq!(lazily(json).unwrap(), nodes);
        assert_eq!(lazily(br#"{"nodes":[],"more":[1]}"#).unwrap(), []);
        assert_eq!(lazily(br#"{"nodes":null}"#).unwrap(), []);
    }

    #[test]
    fn what_is_no_text_is_passed_over_and_never_taken_for_a_name() {
        let json = b"{\"nodes\":[{\"name\":\"a\",\"type\":\"fifo\",\"later\":\"\xff\"}]}";
        let nodes = parse_tree(json).unwrap();
        assert_eq!(lazily(json).unwrap(), nodes);
        assert_eq!(TreeNodes::new(Bytes::from_static(json)).unwrap().all().unwrap(), nodes);
        let json = b"{\"nodes\":[{\"name\":\"\xff\",\"type\":\"fifo\"}]}";
        assert!(parse_tree(json).is_err() && lazily(json).is_err());
    }

    #[test]
    fn an_old_tree_that_is_not_in_order_is_sorted() {
        let json = br#"{"nodes": [{"name":"b","type":"fifo"},{"name":"a","type":"fifo"}]}"#;
        assert_eq!(parse_tree(json).unwrap()[0].name, b"a");
    }

    #[test]
    fn hostile_trees_are_refused() {
        let node = |name: &str| format!(r#"{{"name":"{name}","type":"file","content":[]}}"#);
        let named = |name: &str| format!(r#"{{"nodes":[{}]}}"#, node(name));
        let deep = format!(r#"{{"x":{}}}"#, "[".repeat(100_000));
        let mut trees = vec![
            String::new(),
            "{}".into(),
            "[]".into(),
            "null".into(),
            deep.clone(),
            r#"{"nodes":[}"#.into(),
            r#"{"nodes":[]"#.into(),
            r#"{"nodes":[,]}"#.into(),
            r#"{"nodes":[]} x"#.into(),
            r#"{"nodes":[1]}"#.into(),
            r#"{"nodes":[{"name":"a","type":"gold"}]}"#.into(),
            r#"{"nodes":[{"name":"a","type":"file","content":["00"]}]}"#.into(),
            r#"{"nodes":[{"name":"a","type":"file","size":-1}]}"#.into(),
            r#"{"nodes":[{"name":"a","type":"file","mode":4294967296}]}"#.into(),
            format!(r#"{{"nodes":[{},{}]}}"#, node("a"), node("a")),
            format!(r#"{{"nodes":[{}{}]}}"#, node("a"), node("b")),
            format!(r#"{{"nodes":[{},]}}"#, node("a")),
            format!(r#"{{"nodes":[{}"#, node("a")),
            format!(r#"{{"nodes":[{}]{deep}"#, node("a")),
        ];
        trees.extend(["", ".", "..", "a/b", "a\\\\x00b", "\\\\", "\\\\q"].map(named));
        for tree in trees {
            let shown: String = tree.chars().take(80).collect();
            assert!(parse_tree(tree.as_bytes()).is_err(), "{shown}");
            assert!(lazily(tree.as_bytes()).is_err(), "{shown}");
        }
    }

    #[test]
    fn names_are_found() {
        let json = br#"{"nodes":[{"name":"a","type":"fifo"},{"name":"b","type":"dir"}]}"#;
        let nodes = TreeNodes::new(Bytes::from_static(json)).unwrap();
        assert_eq!(nodes.clone().find(b"b").unwrap().unwrap().kind, NodeKind::Directory);
        assert_eq!(nodes.find(b"c").unwrap(), None);
    }

    #[test]
    fn a_node_with_everything_comes_back() {
        let node = Node {
            name: b"n".to_vec(),
            kind: NodeKind::BlockDevice,
            mode: 1 << 26,
            mtime: time("2020-01-01T00:00:00.000000001+05:45"),
            atime: time("2020-01-01T00:00:00Z"),
            ctime: Time::utc(Timestamp { seconds: -5, nanoseconds: 7 }),
            uid: u32::MAX,
            gid: 1,
            user: "\u{2028}<".to_owned(),
            group: "g".to_owned(),
            inode: u64::MAX,
            device_id: 2,
            size: 3,
            links: 4,
            linktarget: b"\xfe".to_vec(),
            xattrs: vec![Xattr { name: "\u{0}".to_owned(), value: Vec::new() }],
            generic_attributes: BTreeMap::from([("<".to_owned(), "null".to_owned())]),
            device: 5,
            content: Some(vec![Digest([1; 32]), Digest([2; 32])]),
            subtree: Some(Digest([3; 32])),
            error: "e\n".to_owned(),
        };
        let mut printer = TreePrinter::new();
        printer.add(&node).unwrap();
        assert!(printer.length() > 0);
        assert_eq!(printer.add(&node).unwrap_err().kind(), crate::ErrorKind::Conflict);
        assert_eq!(parse_tree(&printer.finish()).unwrap(), [node]);
    }
}
