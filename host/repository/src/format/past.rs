//! Nodes as far as the next backup looks at them: it looks at all of them in every run.

use std::borrow::Cow;

use lockgate_types::{Digest, Entry, Metadata, Stamp};
use serde::Deserialize;

use super::entry::{ETAG, etag, is_stream};
use super::node::{XattrJson, parse_kind, parse_name, parse_xattrs};
use super::tree::FromJson;
use super::{NodeKind, Time};

/// A node of the snapshot that a new one follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastNode {
    /// Any bytes but NUL and `/`.
    pub name: Vec<u8>,
    /// Bytes of content.
    pub size: u64,
    /// The blobs of the content in order; none of all but files.
    pub content: Option<Vec<Digest>>,
    /// The tree of a directory; none of all else.
    pub subtree: Option<Digest>,
    /// None of an entry without metadata, because its node's are made up.
    stamp: Option<Stamp>,
    etag: Option<Vec<u8>>,
}

impl PastNode {
    /// Whether the content of an entry that is as `now` may be taken to be that of this node: it is the same file and was not
    /// changed, or has the same attribute `etag`.
    #[must_use]
    pub fn has_content_of(&self, now: &Entry) -> bool {
        let is_same_file =
            self.stamp.is_some() && self.stamp == now.metadata.as_ref().map(Metadata::stamp);
        let tag = now.attributes.get(ETAG).map(String::as_bytes);
        is_same_file || (tag.is_some() && self.etag.as_deref() == tag)
    }
}

/// As serde reads it; null and missing mean the same to Go.
#[derive(Deserialize)]
pub(super) struct PastNodeJson<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    mtime: Option<Time>,
    ctime: Option<Time>,
    inode: Option<u64>,
    size: Option<u64>,
    extended_attributes: Option<Vec<XattrJson>>,
    content: Option<Vec<Digest>>,
    subtree: Option<Digest>,
}

impl FromJson for PastNode {
    type Json<'a> = PastNodeJson<'a>;

    fn from_json(json: PastNodeJson<'_>) -> Result<Self, String> {
        let name = parse_name(&json.name)?;
        let kind = parse_kind(&name, &json.kind)?;
        let xattrs = parse_xattrs(&name, json.extended_attributes)?;
        let size = json.size.unwrap_or(0);
        let stamp = Stamp {
            kind: kind.of_entry(),
            size,
            modified: json.mtime.unwrap_or_default().timestamp,
            changed: json.ctime.unwrap_or_default().timestamp,
            inode: json.inode.unwrap_or(0),
        };
        Ok(Self {
            size,
            content: json.content,
            subtree: json.subtree.filter(|_| kind == NodeKind::Directory),
            stamp: (!is_stream(&xattrs)).then_some(stamp),
            etag: etag(&xattrs).map(<[u8]>::to_vec),
            name,
        })
    }

    fn name(&self) -> &[u8] {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use lockgate_types::{EntryPath, Kind, Timestamp};

    use super::*;
    use crate::format::{Node, TreePrinter, parse_past_tree};

    /// What the next backup sees of the node.
    fn past(node: &Node) -> PastNode {
        let mut printer = TreePrinter::new();
        printer.add(node).unwrap();
        parse_past_tree(&printer.finish()).unwrap().remove(0)
    }

    fn file() -> Entry {
        let at = |seconds| Timestamp { seconds, nanoseconds: 123_456_789 };
        let metadata = Metadata {
            kind: Kind::Regular,
            mode: 0o6751,
            owner: 1000,
            group: 100,
            owner_name: "u".to_owned(),
            group_name: "g".to_owned(),
            size: 9,
            modified: at(1),
            accessed: at(-2),
            changed: at(3),
            inode: 7,
            device: 0,
            links: 1,
            device_number: 0,
            link_target: None,
            extended_attributes: Vec::new(),
        };
        Entry { metadata: Some(metadata), attributes: [].into(), ..stream("") }
    }

    fn stream(tag: &str) -> Entry {
        Entry {
            path: EntryPath::try_from("a/b").unwrap(),
            media_type: String::new(),
            size_hint: Some(9),
            metadata: None,
            attributes: [("etag".to_owned(), tag.to_owned())].into(),
        }
    }

    #[test]
    fn content_is_taken_over_of_the_same_file_and_of_the_same_etag_only() {
        let file = file();
        let node = past(&Node::from_entry(&file));
        let changed = |change: fn(&mut Metadata)| {
            let mut now = file.clone();
            now.metadata.as_mut().map(change).unwrap();
            now
        };
        assert!(node.has_content_of(&changed(|it| (it.mode, it.accessed.seconds) = (0, 9))));
        for differs in [
            changed(|it| it.size += 1),
            changed(|it| it.modified.nanoseconds += 1),
            changed(|it| it.changed.seconds += 1),
            changed(|it| it.inode += 1),
            changed(|it| it.kind = Kind::Symlink),
            Entry { metadata: None, ..file.clone() },
        ] {
            assert!(!node.has_content_of(&differs), "{differs:?}");
        }
        // Of an entry without metadata everything is made up but the tag.
        let of_stream = Node::from_entry(&stream("1"));
        assert!(past(&of_stream).has_content_of(&stream("1")));
        assert!(!past(&of_stream).has_content_of(&stream("2")));
        let made_up = changed(|it| {
            let unknown = Time::ZERO.timestamp;
            (it.modified, it.changed, it.inode) = (unknown, unknown, 0);
        });
        assert!(!past(&of_stream).has_content_of(&made_up));
    }

    #[test]
    fn a_folder_has_a_tree_and_a_file_has_content() {
        let digest = Digest([7; 32]);
        let node = Node {
            name: b"\xff".to_vec(),
            size: 5,
            content: Some(vec![digest, digest]),
            subtree: Some(digest),
            ..Node::default()
        };
        let file = past(&node);
        assert_eq!((file.name.as_slice(), file.size), (&b"\xff"[..], 5));
        assert_eq!((file.content, file.subtree), (Some(vec![digest, digest]), None));
        let folder = past(&Node { kind: NodeKind::Directory, content: None, ..node });
        assert_eq!((folder.content, folder.subtree), (None, Some(digest)));
    }
}
