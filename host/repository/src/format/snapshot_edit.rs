use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Snapshot;
use super::go_json::ObjectPrinter;
use crate::error::{Error, Result};

/// The JSON of a snapshot, member by member, so that a copy keeps what only the program knows that wrote it.
#[derive(Debug)]
pub struct SnapshotEdit(Vec<(String, Box<RawValue>)>);

/// What an edited copy has of its own.
const EDITED: [&str; 4] = ["tree", "tags", "original", "summary"];

impl SnapshotEdit {
    /// Of the JSON of a snapshot.
    ///
    /// # Errors
    /// `Corrupt` when it is no object.
    pub fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|source| Error::corrupt("snapshot", source))
    }

    /// The JSON with the tree, the tags, the original and the summary of `edited`. A summary of the same figures stays as
    /// it is.
    #[must_use]
    pub fn print(&self, edited: &Snapshot) -> Vec<u8> {
        let printed = edited.print();
        let own: Self = serde_json::from_slice(&printed).expect("what was printed parses");
        let has_same_summary = self.summary().is_some_and(|it| Some(it) == edited.summary);
        let is_own = |key: &str| EDITED.contains(&key) && !(key == "summary" && has_same_summary);
        let mut json = Vec::with_capacity(printed.len());
        let mut object = ObjectPrinter::begin(&mut json);
        for (key, value) in self.0.iter().filter(|(key, _)| !is_own(key)) {
            object.foreign_key(key).extend_from_slice(value.get().as_bytes());
        }
        for (key, value) in own.0.iter().filter(|(key, _)| is_own(key)) {
            object.foreign_key(key).extend_from_slice(value.get().as_bytes());
        }
        object.end();
        json
    }

    fn summary(&self) -> Option<super::SnapshotSummary> {
        let member = self.0.iter().find(|(key, _)| key == "summary");
        member.and_then(|(_, value)| serde_json::from_str(value.get()).ok())
    }
}

impl<'de> Deserialize<'de> for SnapshotEdit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = SnapshotEdit;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(SnapshotEdit(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use lockgate_types::Digest;

    use super::*;

    const TREE: &str = "0101010101010101010101010101010101010101010101010101010101010101";

    #[test]
    fn members_of_other_programs_survive() {
        let json = format!(
            concat!(
                r#"{{"time":"2026-08-01T10:00:00Z","delete":{{"after":1}},"tree":"{0}","paths":["/a"],"#,
                r#""tags":["one"],"label":"x","summary":{{"files_new":1,"command":"c"}}}}"#,
            ),
            TREE
        );
        let mut snapshot = Snapshot::parse(Digest([9; 32]), json.as_bytes()).unwrap();
        let edit = SnapshotEdit::parse(json.as_bytes()).unwrap();
        snapshot.tags = vec!["two".to_owned()];
        snapshot.original = Some(snapshot.id);
        let printed = edit.print(&snapshot);
        let value: serde_json::Value = serde_json::from_slice(&printed).unwrap();
        assert_eq!(value["delete"]["after"], 1);
        assert_eq!((&value["label"], &value["tags"][0]), (&"x".into(), &"two".into()));
        assert_eq!(value["summary"]["command"], "c");
        assert_eq!(Snapshot::parse(snapshot.id, &printed).unwrap(), snapshot);

        snapshot.tags.clear();
        snapshot.summary = None;
        let value: serde_json::Value = serde_json::from_slice(&edit.print(&snapshot)).unwrap();
        assert!(value.get("tags").is_none() && value.get("summary").is_none());
    }
}
