use lockgate_types::Digest;
use serde::{Deserialize, Serialize};

use super::{BlobKind, PackedBlob, Time};
use crate::error::{Error, Result};

/// A file in `index/`: which packs hold which blobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexFile {
    /// Index files that this one replaces; older versions of restic wrote it, nobody reads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub supersedes: Vec<Digest>,
    /// In use.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub packs: Vec<IndexPack>,
    /// Marked by rustic's prune: will be deleted later, so that nothing new may rely on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub packs_to_delete: Vec<IndexPack>,
}

/// One pack of an index file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPack {
    /// SHA-256 of the pack.
    pub id: Digest,
    /// In the order of their offsets, as far as the writer kept it.
    #[serde(with = "blobs")]
    pub blobs: Vec<PackedBlob>,
    /// When the pack was made or marked; of rustic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// Bytes of the pack; of rustic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct BlobJson {
    id: Digest,
    #[serde(rename = "type")]
    kind: KindJson,
    offset: u32,
    length: u32,
    /// Rustic writes `null` for a blob that is not compressed.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "null_is_zero")]
    uncompressed_length: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindJson {
    Data,
    Tree,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn null_is_zero<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl IndexFile {
    /// The JSON that is stored.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).expect("texts and numbers print");
        json.push(b'\n');
        json
    }

    /// Reads the JSON that is stored.
    ///
    /// # Errors
    /// `Corrupt` when it does not parse.
    pub fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|source| Error::corrupt("index", source))
    }
}

impl From<&PackedBlob> for BlobJson {
    fn from(blob: &PackedBlob) -> Self {
        let kind = match blob.kind {
            BlobKind::Data => KindJson::Data,
            BlobKind::Tree => KindJson::Tree,
        };
        let uncompressed_length = blob.uncompressed_length.unwrap_or(0);
        Self { id: blob.id, kind, offset: blob.offset, length: blob.length, uncompressed_length }
    }
}

impl From<BlobJson> for PackedBlob {
    fn from(json: BlobJson) -> Self {
        let kind = match json.kind {
            KindJson::Data => BlobKind::Data,
            KindJson::Tree => BlobKind::Tree,
        };
        let uncompressed_length =
            (json.uncompressed_length > 0).then_some(json.uncompressed_length);
        Self { id: json.id, kind, offset: json.offset, length: json.length, uncompressed_length }
    }
}

mod blobs {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{BlobJson, PackedBlob};

    pub(super) fn serialize<S: Serializer>(blobs: &[PackedBlob], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(blobs.iter().map(BlobJson::from))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<PackedBlob>, D::Error> {
        let blobs = Option::<Vec<BlobJson>>::deserialize(from)?.unwrap_or_default();
        Ok(blobs.into_iter().map(PackedBlob::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest([byte; 32])
    }

    #[test]
    fn an_index_prints_as_restic_prints_it() {
        let blob = PackedBlob {
            id: digest(2),
            kind: BlobKind::Data,
            offset: 38,
            length: 112,
            uncompressed_length: Some(511),
        };
        let plain =
            PackedBlob { kind: BlobKind::Tree, uncompressed_length: None, offset: 0, ..blob };
        let pack = IndexPack { id: digest(1), blobs: vec![plain, blob], time: None, size: None };
        let index = IndexFile { packs: vec![pack], ..IndexFile::default() };
        let (one, two) = (digest(1), digest(2));
        let expected = format!(
            concat!(
                r#"{{"packs":[{{"id":"{}","blobs":["#,
                r#"{{"id":"{}","type":"tree","offset":0,"length":112}},"#,
                r#"{{"id":"{}","type":"data","offset":38,"length":112,"uncompressed_length":511}}"#,
                "]}}]}}\n"
            ),
            one, two, two
        );
        assert_eq!(String::from_utf8(index.print()).unwrap(), expected);
        assert_eq!(IndexFile::parse(&index.print()).unwrap(), index);
    }

    #[test]
    fn what_rustic_adds_is_kept() {
        let json = format!(
            concat!(
                r#"{{"supersedes":["{}"],"packs":[],"packs_to_delete":[{{"id":"{}","blobs":[],"#,
                r#""time":"2026-01-02T03:04:05.6+01:00","size":7}}]}}"#,
                "\n"
            ),
            digest(3),
            digest(4)
        );
        let index = IndexFile::parse(json.as_bytes()).unwrap();
        assert_eq!(index.packs_to_delete.len(), 1);
        assert_eq!(String::from_utf8(index.print()).unwrap(), json);
    }

    #[test]
    fn an_uncompressed_blob_of_rustic_has_no_length_before_compression() {
        let id = digest(1);
        let blob = format!(
            r#"{{"id":"{id}","type":"data","offset":0,"length":33,"uncompressed_length":null}}"#
        );
        let json = format!(r#"{{"packs":[{{"id":"{id}","blobs":[{blob}]}}]}}"#);
        let index = IndexFile::parse(json.as_bytes()).unwrap();
        assert_eq!(index.packs[0].blobs[0].uncompressed_length, None);
    }

    #[test]
    fn missing_and_null_lists_are_empty() {
        let empty = IndexFile::default();
        assert_eq!(IndexFile::parse(b"{}").unwrap(), empty);
        assert_eq!(IndexFile::parse(br#"{"packs":null,"supersedes":null}"#).unwrap(), empty);
    }

    #[test]
    fn unknown_types_and_large_numbers_are_refused() {
        for blob in
            [r#""type":"gold","offset":0,"length":1"#, r#""type":"data","offset":-1,"length":1"#]
        {
            let id = digest(1);
            let json = format!(r#"{{"packs":[{{"id":"{id}","blobs":[{{"id":"{id}",{blob}}}]}}]}}"#);
            assert!(IndexFile::parse(json.as_bytes()).is_err(), "{blob}");
        }
    }
}
