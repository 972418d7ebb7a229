use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Node;
use super::node::NodeJson;
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

/// The nodes of a tree, in the order of their names. Unknown members are skipped.
///
/// # Errors
/// `Corrupt` when it does not parse, or when the names are not in order.
pub fn parse_tree(json: &[u8]) -> Result<Vec<Node>> {
    let damaged = |why: &dyn fmt::Display| Error::corrupt("tree", why);
    let mut nodes: Vec<Node> = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    deserializer.deserialize_map(TreeVisitor(&mut nodes)).map_err(|source| damaged(&source))?;
    deserializer.end().map_err(|source| damaged(&source))?;
    // Old versions of restic did not always sort by bytes; whoever looks names up relies on it.
    if !nodes.is_sorted_by(|left, right| left.name < right.name) {
        nodes.sort_by(|left, right| left.name.cmp(&right.name));
        let twice = nodes.windows(2).find(|pair| pair[0].name == pair[1].name);
        if let Some([node, _]) = twice {
            let name = node.name.escape_ascii().to_string();
            return Err(damaged(&format_args!("name {name:?} stands twice")));
        }
    }
    Ok(nodes)
}

struct TreeVisitor<'a>(&'a mut Vec<Node>);

impl<'de> Visitor<'de> for TreeVisitor<'_> {
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
struct NodesSeed<'a>(&'a mut Vec<Node>);

impl<'de> DeserializeSeed<'de> for NodesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for NodesSeed<'_> {
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
        while let Some(node) = list.next_element::<NodeJson<'de>>()? {
            self.0.push(node.into_node().map_err(serde::de::Error::custom)?);
        }
        Ok(())
    }
}
