use lockgate_types::Digest;
use serde::Deserialize;

use super::Time;
use super::go_json::{ObjectPrinter, print_string};
use crate::error::{Error, Result};

/// A file in `snapshots/`: one backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// SHA-256 of the file, not kept in it.
    pub id: Digest,
    /// When the backup began.
    pub time: Time,
    /// The snapshot that served as the source of unchanged content.
    pub parent: Option<Digest>,
    /// The blob of the root directory.
    pub tree: Digest,
    /// What was backed up.
    pub paths: Vec<String>,
    /// Of the machine; empty when not known.
    pub hostname: String,
    /// Empty when not known.
    pub username: String,
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Patterns that were left out.
    pub excludes: Vec<String>,
    /// For grouping and policies.
    pub tags: Vec<String>,
    /// The snapshot of which this one is an edited copy.
    pub original: Option<Digest>,
    /// Which program wrote it.
    pub program_version: String,
    /// What the backup did.
    pub summary: Option<SnapshotSummary>,
}

/// What a backup did, in the terms of restic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SnapshotSummary {
    /// When it began.
    pub backup_start: Time,
    /// When it ended.
    pub backup_end: Time,
    /// Not in the parent.
    pub files_new: u64,
    /// Different in the parent.
    pub files_changed: u64,
    /// As in the parent.
    pub files_unmodified: u64,
    /// Not in the parent.
    pub dirs_new: u64,
    /// Different in the parent.
    pub dirs_changed: u64,
    /// As in the parent.
    pub dirs_unmodified: u64,
    /// Chunks added to the repository.
    pub data_blobs: u64,
    /// Trees added to the repository.
    pub tree_blobs: u64,
    /// Bytes added before compression.
    pub data_added: u64,
    /// Bytes added as they are stored.
    pub data_added_packed: u64,
    /// Files in the snapshot.
    pub total_files_processed: u64,
    /// Bytes in the snapshot.
    pub total_bytes_processed: u64,
}

#[derive(Deserialize)]
struct SnapshotJson {
    time: Time,
    parent: Option<Digest>,
    tree: Digest,
    paths: Option<Vec<String>>,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    excludes: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    original: Option<Digest>,
    #[serde(default)]
    program_version: String,
    summary: Option<SnapshotSummary>,
}

impl Snapshot {
    /// The JSON that is stored.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(1024);
        let mut object = ObjectPrinter::begin(&mut json);
        object.plain_string("time", self.time);
        if let Some(parent) = self.parent {
            object.plain_string("parent", parent);
        }
        object.plain_string("tree", self.tree);
        print_texts(&mut object, "paths", &self.paths);
        object.string_unless_empty("hostname", self.hostname.as_bytes());
        object.string_unless_empty("username", self.username.as_bytes());
        object.number_unless_zero("uid", self.uid.into());
        object.number_unless_zero("gid", self.gid.into());
        if !self.excludes.is_empty() {
            print_texts(&mut object, "excludes", &self.excludes);
        }
        if !self.tags.is_empty() {
            print_texts(&mut object, "tags", &self.tags);
        }
        if let Some(original) = self.original {
            object.plain_string("original", original);
        }
        object.string_unless_empty("program_version", self.program_version.as_bytes());
        if let Some(summary) = &self.summary {
            summary.print(object.key("summary"));
        }
        object.end();
        json
    }

    /// Reads the JSON of the file named `id`. Unknown members, such as rustic's, are skipped.
    ///
    /// # Errors
    /// `Corrupt` when it does not parse.
    pub fn parse(id: Digest, json: &[u8]) -> Result<Self> {
        let read: SnapshotJson = serde_json::from_slice(json)
            .map_err(|source| Error::corrupt(format!("snapshot {}", id.short()), source))?;
        Ok(Self {
            id,
            time: read.time,
            parent: read.parent,
            tree: read.tree,
            paths: read.paths.unwrap_or_default(),
            hostname: read.hostname,
            username: read.username,
            uid: read.uid,
            gid: read.gid,
            excludes: read.excludes.unwrap_or_default(),
            tags: read.tags.unwrap_or_default(),
            original: read.original,
            program_version: read.program_version,
            summary: read.summary,
        })
    }
}

fn print_texts(object: &mut ObjectPrinter<'_>, key: &str, texts: &[String]) {
    object.list(key, texts, |json, text| print_string(json, text.as_bytes()));
}

impl SnapshotSummary {
    fn print(&self, json: &mut Vec<u8>) {
        let mut object = ObjectPrinter::begin(json);
        object.plain_string("backup_start", self.backup_start);
        object.plain_string("backup_end", self.backup_end);
        object.number("files_new", self.files_new);
        object.number("files_changed", self.files_changed);
        object.number("files_unmodified", self.files_unmodified);
        object.number("dirs_new", self.dirs_new);
        object.number("dirs_changed", self.dirs_changed);
        object.number("dirs_unmodified", self.dirs_unmodified);
        object.number("data_blobs", self.data_blobs);
        object.number("tree_blobs", self.tree_blobs);
        object.number("data_added", self.data_added);
        object.number("data_added_packed", self.data_added_packed);
        object.number("total_files_processed", self.total_files_processed);
        object.number("total_bytes_processed", self.total_bytes_processed);
        object.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "0101010101010101010101010101010101010101010101010101010101010101";

    #[test]
    fn a_snapshot_as_restic_writes_it_comes_back() {
        let json = format!(
            concat!(
                r#"{{"time":"2026-08-01T10:00:00.123456789+02:00","parent":"{0}","tree":"{0}","#,
                r#""paths":["/a\u003cb"],"hostname":"h","username":"u","uid":1000,"gid":100,"#,
                r#""excludes":["*.o"],"tags":["one","two"],"original":"{0}","#,
                r#""program_version":"restic 0.18.1","summary":{{"#,
                r#""backup_start":"2026-08-01T10:00:00.1+02:00","#,
                r#""backup_end":"2026-08-01T10:00:01+02:00","files_new":1,"files_changed":2,"#,
                r#""files_unmodified":3,"dirs_new":4,"dirs_changed":5,"dirs_unmodified":6,"#,
                r#""data_blobs":7,"tree_blobs":8,"data_added":9,"data_added_packed":10,"#,
                r#""total_files_processed":11,"total_bytes_processed":12}}}}"#,
            ),
            TREE
        );
        let snapshot = Snapshot::parse(Digest([9; 32]), json.as_bytes()).unwrap();
        assert_eq!(snapshot.paths, ["/a<b"]);
        assert_eq!(String::from_utf8(snapshot.print()).unwrap(), json);
    }

    #[test]
    fn missing_members_and_unknown_ones_are_no_trouble() {
        let json = format!(
            r#"{{"time":"2026-08-01T10:00:00Z","tree":"{TREE}","paths":null,"label":"","delete":{{}}}}"#
        );
        let snapshot = Snapshot::parse(Digest([9; 32]), json.as_bytes()).unwrap();
        let again = format!(r#"{{"time":"2026-08-01T10:00:00Z","tree":"{TREE}","paths":[]}}"#);
        assert_eq!(String::from_utf8(snapshot.print()).unwrap(), again);
    }

    #[test]
    fn a_snapshot_without_tree_or_time_is_refused() {
        let without_tree = r#"{"time":"2026-08-01T10:00:00Z","tree":null,"paths":[]}"#;
        let without_time = format!(r#"{{"tree":"{TREE}","paths":[]}}"#);
        for json in [without_tree, &without_time, "", "[]", "{"] {
            let error = Snapshot::parse(Digest([9; 32]), json.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "{json}");
        }
    }
}
