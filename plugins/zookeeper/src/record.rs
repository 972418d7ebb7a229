//! How nodes are archived: one JSON object a line, parents before their children, in the order of the paths' bytes.
//!
//! ```json
//! {"path":"/app/settings","kind":"persistent","text":"a=1","acl":[{"perms":31,"scheme":"world","id":"anyone"}]}
//! ```
//!
//! Data that is text without control characters stands in `text`, any other in `base64`; neither means that the node has none.
//! `ttl` is the time to live in milliseconds. `sequence` is the number that the next sequential child gets; it stands only where
//! there are children with such numbers.

use std::io::{BufRead, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockgate_plugin::{Error as Told, Fingerprint, printable};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::limits::RECORD_BYTES_MAX;
use crate::message::{Acl, Kind, TTL_MAX};
use crate::scope;
use crate::tree::Node;

/// A node as it is archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its path when it was saved.
    pub path: String,
    /// What kind of node.
    pub kind: Kind,
    /// Its data; none when it has none.
    pub data: Option<Vec<u8>>,
    /// Who may do what.
    pub acl: Vec<Acl>,
    /// The number of its next sequential child, where that matters.
    pub sequence: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    path: String,
    kind: KindName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    acl: std::borrow::Cow<'a, [Acl]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    Persistent,
    Container,
    Ttl,
}

fn kind_name(kind: Kind) -> (KindName, Option<i64>) {
    match kind {
        Kind::Persistent => (KindName::Persistent, None),
        Kind::Container => (KindName::Container, None),
        Kind::Ttl(milliseconds) => (KindName::Ttl, Some(milliseconds)),
    }
}

/// Whether bytes are text that a person can read.
fn text(data: &[u8]) -> Option<&str> {
    let is_readable =
        |character: char| !character.is_control() || matches!(character, '\n' | '\r' | '\t');
    std::str::from_utf8(data).ok().filter(|text| text.chars().all(is_readable))
}

/// Writes a node. Returns the number of bytes.
///
/// # Errors
/// When they cannot be taken.
pub fn write(output: &mut impl Write, path: &str, node: &Node, acl: &[Acl]) -> Result<u64, Error> {
    let (kind, ttl) = kind_name(node.kind);
    let readable = node.data.as_deref().and_then(text);
    let base64 =
        node.data.as_deref().filter(|_| readable.is_none()).map(|data| STANDARD.encode(data));
    let line = Line {
        path: path.to_owned(),
        kind,
        ttl,
        text: readable.map(Into::into),
        base64,
        acl: acl.into(),
        sequence: node.sequence,
    };
    let mut json = serde_json::to_vec(&line)?;
    json.push(b'\n');
    output.write_all(&json)?;
    Ok(json.len() as u64)
}

/// Reads the next node; none at the end.
///
/// # Errors
/// When the archive is broken.
pub fn read(input: &mut impl BufRead) -> Result<Option<Record>, Error> {
    let mut json = Vec::new();
    input.take(RECORD_BYTES_MAX).read_until(b'\n', &mut json)?;
    if json.is_empty() {
        return Ok(None);
    }
    if json.last() != Some(&b'\n') {
        return Err(Told::corrupt(
            "the archive of a part is cut off, or has a line that is too long",
        )
        .into());
    }
    let line: Line<'_> = serde_json::from_slice(&json)?;
    let broken = |what: &str| {
        Error::from(Told::corrupt(format!("archived node {}: {what}", printable(&line.path))))
    };
    scope::check(&line.path).map_err(|_| broken("its path is impossible"))?;
    let kind = match (line.kind, line.ttl) {
        (KindName::Persistent, None) => Kind::Persistent,
        (KindName::Container, None) => Kind::Container,
        (KindName::Ttl, Some(ttl @ 1..=TTL_MAX)) => Kind::Ttl(ttl),
        _ => return Err(broken("its time to live is impossible")),
    };
    let data = match (&line.text, &line.base64) {
        (None, None) => None,
        (Some(text), None) => Some(text.as_bytes().to_vec()),
        (None, Some(code)) => {
            Some(STANDARD.decode(code).map_err(|_| broken("its data is no base64"))?)
        }
        (Some(_), Some(_)) => return Err(broken("it has data twice")),
    };
    Ok(Some(Record {
        kind,
        data,
        acl: line.acl.into_owned(),
        sequence: line.sequence,
        path: line.path,
    }))
}

/// Adds a node to the fingerprint of its part. `path` is relative to the part, so that a renamed part has the same one; the
/// lines of an ACL count whatever their order.
pub fn add(
    fingerprint: &mut Fingerprint,
    path: &str,
    kind: Kind,
    data: Option<&[u8]>,
    acl: &[Acl],
) {
    fingerprint.add(path);
    let (name, ttl) = kind_name(kind);
    fingerprint.add_number(name as u64);
    fingerprint.add_number(ttl.unwrap_or(0).cast_unsigned());
    fingerprint.add_number(u64::from(data.is_some()));
    fingerprint.add(data.unwrap_or_default());
    let mut lines: Vec<&Acl> = acl.iter().collect();
    lines.sort();
    fingerprint.add_number(lines.len() as u64);
    for line in lines {
        fingerprint.add_number(u64::from(line.perms.cast_unsigned()));
        fingerprint.add(&line.scheme);
        fingerprint.add(&line.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Stat;

    fn round(kind: Kind, data: Option<&[u8]>) -> (String, Record) {
        let mut node = Node::new(kind, data, &Stat::default());
        node.sequence = Some(7);
        let mut bytes = Vec::new();
        write(&mut bytes, "/a/ü \"'\\", &node, &Acl::open()).unwrap();
        let record = read(&mut bytes.as_slice()).unwrap().unwrap();
        (String::from_utf8(bytes).unwrap(), record)
    }

    #[test]
    fn what_is_written_is_read() {
        for data in
            [None, Some(&b""[..]), Some(b"a=1\n"), Some(&[0, 255, 10]), Some("größe".as_bytes())]
        {
            for kind in [Kind::Persistent, Kind::Container, Kind::Ttl(5000)] {
                let (_, record) = round(kind, data);
                assert_eq!((record.kind, record.data.as_deref()), (kind, data));
                assert_eq!((record.path.as_str(), record.sequence), ("/a/ü \"'\\", Some(7)));
                assert_eq!(record.acl, Acl::open());
            }
        }
        assert!(round(Kind::Persistent, Some(b"a=1")).0.contains(r#""text":"a=1""#));
        assert!(round(Kind::Persistent, Some(b"\0")).0.contains(r#""base64":"AA==""#));
    }

    #[test]
    fn broken_lines_are_refused() {
        for line in [
            "{",
            "{}\n",
            "{\"path\":\"/a\",\"kind\":\"persistent\",\"acl\":[]}",
            "{\"path\":\"a\",\"kind\":\"persistent\",\"acl\":[]}\n",
            "{\"path\":\"/a/../b\",\"kind\":\"persistent\",\"acl\":[]}\n",
            "{\"path\":\"/a\",\"kind\":\"ttl\",\"acl\":[]}\n",
            "{\"path\":\"/a\",\"kind\":\"ttl\",\"ttl\":0,\"acl\":[]}\n",
            "{\"path\":\"/a\",\"kind\":\"persistent\",\"base64\":\"?\",\"acl\":[]}\n",
            "{\"path\":\"/a\",\"kind\":\"persistent\",\"text\":\"\",\"base64\":\"\",\"acl\":[]}\n",
        ] {
            assert!(read(&mut line.as_bytes()).is_err(), "{line}");
        }
        assert!(read(&mut &b""[..]).unwrap().is_none());
    }

    #[test]
    fn the_fingerprint_tells_nodes_apart_and_not_the_order_of_an_acl() {
        let of = |path: &str, kind, data: Option<&[u8]>, acl: &[Acl]| {
            let mut fingerprint = Fingerprint::new();
            add(&mut fingerprint, path, kind, data, acl);
            fingerprint.finish()
        };
        let two = [Acl::open(), Acl::own()].concat();
        let turned = [Acl::own(), Acl::open()].concat();
        let one = of("/a", Kind::Persistent, None, &two);
        assert_eq!(one, of("/a", Kind::Persistent, None, &turned));
        for other in [
            of("/b", Kind::Persistent, None, &two),
            of("/a", Kind::Container, None, &two),
            of("/a", Kind::Persistent, Some(b""), &two),
            of("/a", Kind::Persistent, None, &Acl::open()),
        ] {
            assert_ne!(one, other);
        }
    }
}
