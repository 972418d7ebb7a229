//! Documents as they are archived: one JSON object in a line, what `arangorestore` reads too
//! (<https://docs.arangodb.com/stable/components/tools/arangorestore/>).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, Read};

use lockgate_plugin::{Error, Hasher, Result, printable};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::limits::DOCUMENT_BYTES_MAX;

/// Path of the entry with the documents of a collection.
pub const ENTRY: &str = "data.jsonl";

/// The members of a document, in the order and with the bytes that the server gave.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a document")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Reading).map(Self)
    }
}

/// New names of collections, for what edges point to.
pub type Renames = BTreeMap<String, String>;

/// How many documents there were, and the sum of their hashes, which does not depend on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Documents.
    pub count: u64,
    sum: u128,
}

impl Tally {
    /// Counts one. `_id` is left out, which has the collection's name in it; `renames` go from the names of now to those that
    /// were archived.
    ///
    /// # Errors
    /// When it is no document.
    pub fn add(&mut self, line: &[u8], renames: &Renames) -> Result<()> {
        let members = parse(line)?;
        let mut sum = 0_u128;
        for (name, value) in &members.0 {
            if name == "_id" {
                continue;
            }
            let renamed = point(name, value, renames);
            let value = renamed.as_deref().unwrap_or(value.get());
            let mut hasher = Hasher::default();
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(value.as_bytes());
            sum = sum.wrapping_add(hasher.finish());
        }
        self.sum = self.sum.wrapping_add(Hasher::hash(&sum.to_le_bytes()));
        self.count += 1;
        Ok(())
    }

    /// For a fingerprint.
    pub fn text(&self) -> String {
        format!("{}-{:032x}", self.count, self.sum)
    }
}

fn parse(line: &[u8]) -> Result<Members<'_>> {
    let start = line.get(..80).unwrap_or(line);
    serde_json::from_slice(line).map_err(|error| {
        Error::corrupt(format!("this is no document ({error}): {}", printable(start)))
    })
}

/// Where an edge points to after a rename; none where nothing changes.
fn point(name: &str, value: &RawValue, renames: &Renames) -> Option<String> {
    if renames.is_empty() || !matches!(name, "_from" | "_to") {
        return None;
    }
    let end: String = serde_json::from_str(value.get()).ok()?;
    let (collection, key) = end.split_once('/')?;
    serde_json::to_string(&format!("{}/{key}", renames.get(collection)?)).ok()
}

/// A line with its edge's ends renamed.
///
/// # Errors
/// When it is no document.
pub fn rename(line: &[u8], renames: &Renames) -> Result<Vec<u8>> {
    let mut renamed = Vec::with_capacity(line.len() + 64);
    renamed.push(b'{');
    for (number, (name, value)) in parse(line)?.0.iter().enumerate() {
        if number > 0 {
            renamed.push(b',');
        }
        serde_json::to_writer(&mut renamed, name)?;
        renamed.push(b':');
        renamed.extend_from_slice(
            point(name, value, renames).as_deref().unwrap_or(value.get()).as_bytes(),
        );
    }
    renamed.push(b'}');
    Ok(renamed)
}

/// Reads the next line that is not empty into `line`, without its end. False at the end.
///
/// # Errors
/// When it is longer than a document may be, or breaks off.
pub fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    loop {
        line.clear();
        if input.by_ref().take(DOCUMENT_BYTES_MAX as u64 + 1).read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        if line.pop() != Some(b'\n') {
            return Err(Error::corrupt(format!(
                "a document is cut off, or longer than {} MiB",
                DOCUMENT_BYTES_MAX >> 20
            )));
        }
        if !line.trim_ascii().is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str], renames: &Renames) -> String {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.add(line.as_bytes(), renames).unwrap());
        tally.text()
    }

    #[test]
    fn order_and_ids_make_no_difference_and_content_does() {
        let none = Renames::new();
        let a = r#"{"_key":"a","_id":"c/a","_rev":"_x","n":1.50}"#;
        let b = r#"{"_id":"other/b","_key":"b","_rev":"_y","t":"\u00e9"}"#;
        assert_eq!(tally(&[a, b], &none), tally(&[&b.replace("other", "c"), a], &none));
        let turned = r#"{"n":1.50,"_rev":"_x","_key":"a"}"#;
        assert_eq!(tally(&[a], &none), tally(&[turned], &none));
        for other in [a.replace("1.50", "1.5"), a.replace("_x", "_z"), a.replace("\"n\"", "\"m\"")]
        {
            assert_ne!(tally(&[a], &none), tally(&[&other], &none));
        }
        assert_ne!(tally(&[a], &none), tally(&[a, a], &none));
    }

    #[test]
    fn edges_follow_a_renamed_collection_there_and_back() {
        let there = Renames::from([("people".to_owned(), "persons".to_owned())]);
        let back = Renames::from([("persons".to_owned(), "people".to_owned())]);
        let edge = r#"{"_from":"people/a\"b","_to":"places/x","n":{"_from":"people/y"}}"#;
        let renamed = rename(edge.as_bytes(), &there).unwrap();
        let text = String::from_utf8(renamed.clone()).unwrap();
        assert_eq!(text, edge.replacen("people", "persons", 1));
        assert_eq!(tally(&[&text], &back), tally(&[edge], &Renames::new()));
        assert_eq!(rename(edge.as_bytes(), &Renames::new()).unwrap(), edge.as_bytes());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "[".repeat(100_000);
        for line in [
            "",
            "{",
            "[]",
            "3",
            "{\"a\":}",
            "{\"a\":1}x",
            "{3:4}",
            "\u{0}",
            &format!("{{\"a\":{deep}}}"),
        ] {
            assert!(Tally::default().add(line.as_bytes(), &Renames::new()).is_err());
            assert!(rename(line.as_bytes(), &Renames::new()).is_err());
        }
        assert!(parse(b"{\"a\xff\":1}").is_err());
    }

    #[test]
    fn lines_are_read_one_by_one_and_a_cut_is_noticed() {
        let mut line = Vec::new();
        let mut input: &[u8] = b"{}\n\n{\"a\":1}\n";
        assert!(read_line(&mut input, &mut line).unwrap() && line == b"{}");
        assert!(read_line(&mut input, &mut line).unwrap() && line == b"{\"a\":1}");
        assert!(!read_line(&mut input, &mut line).unwrap());
        assert!(read_line(&mut &b"{\"a\""[..], &mut line).is_err());
    }
}
