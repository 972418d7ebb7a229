//! Documents as they are archived: two lines each, what `_bulk` takes, so that an archived index can be fed to a server
//! without lockgate (<https://www.elastic.co/guide/en/elasticsearch/reference/8.19/docs-bulk.html>).

use std::borrow::Cow;
use std::io::{BufRead, Read, Write};

use lockgate_plugin::{Error, Hasher, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits::{ACTION_BYTES_MAX, PAGE_BYTES_MAX};

/// Path of the entry with the documents of a part.
pub const ENTRY: &str = "documents.ndjson";

/// One document as a search gives it.
#[derive(Debug, Deserialize)]
pub struct Hit<'a> {
    #[serde(rename = "_id", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "_routing", borrow, default)]
    routing: Option<Cow<'a, str>>,
    #[serde(rename = "_version", default)]
    version: Option<i64>,
    /// Where the document is in its shard.
    #[serde(rename = "_seq_no")]
    pub sequence: i64,
    #[serde(rename = "_source", borrow, default)]
    source: Option<&'a RawValue>,
}

/// What the documents of a part become when they are written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Into an index, with the version that they had: `external` lets the client say which.
    Index,
    /// Into a data stream, which takes new documents only and counts versions itself.
    Create,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<Meta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create: Option<Meta<'a>>,
}

#[derive(Serialize)]
struct Meta<'a> {
    _id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    routing: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_type: Option<&'static str>,
}

/// How many documents there were, and the sum of their hashes, which does not depend on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Documents.
    pub count: u64,
    sum: u128,
}

impl Tally {
    fn add(&mut self, action: &[u8], source: &[u8]) {
        let mut hasher = Hasher::default();
        hasher.update(action);
        hasher.update(b"\n");
        hasher.update(source);
        self.sum = self.sum.wrapping_add(hasher.finish());
        self.count += 1;
    }

    /// For a fingerprint.
    pub fn text(&self) -> String {
        format!("{}-{:032x}", self.count, self.sum)
    }
}

/// Writes documents and counts them.
#[derive(Debug)]
pub struct DocumentWriter<W> {
    output: W,
    action: Action,
    tally: Tally,
    line: Vec<u8>,
    /// Only for documents whose JSON has line breaks.
    flat: Vec<u8>,
}

impl<W: Write> DocumentWriter<W> {
    /// Nothing is written yet.
    pub fn new(output: W, action: Action) -> Self {
        Self { output, action, tally: Tally::default(), line: Vec::new(), flat: Vec::new() }
    }

    /// Writes a document: the bytes of its source as they are, but for line breaks between the tokens of its JSON, which
    /// become spaces. In JSON they can stand nowhere else, and `_bulk` has no place for them.
    ///
    /// # Errors
    /// When it has no source, or cannot be written.
    pub fn write(&mut self, hit: &Hit<'_>) -> Result<()> {
        let Some(source) = hit.source else {
            let text = format!("document {:?} comes without its _source", hit.id);
            return Err(Error::unsupported(text));
        };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &line_of(hit, self.action))?;
        let mut source = source.get().as_bytes();
        if source.iter().any(|byte| is_break(*byte)) {
            self.flat.clear();
            let flat = source.iter().map(|byte| if is_break(*byte) { b' ' } else { *byte });
            self.flat.extend(flat);
            source = &self.flat;
        }
        self.tally.add(&self.line, source);
        self.output.write_all(&self.line)?;
        self.output.write_all(b"\n")?;
        self.output.write_all(source)?;
        self.output.write_all(b"\n")?;
        Ok(())
    }

    /// So far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Gives the output back.
    pub fn into_inner(self) -> W {
        self.output
    }
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn line_of<'a>(hit: &'a Hit<'_>, action: Action) -> Line<'a> {
    let is_index = action == Action::Index;
    let version = hit.version.filter(|_| is_index);
    let meta = Meta {
        _id: &hit.id,
        routing: hit.routing.as_deref(),
        version,
        version_type: version.map(|_| "external"),
    };
    if is_index {
        Line { index: Some(meta), create: None }
    } else {
        Line { index: None, create: Some(meta) }
    }
}

/// Appends the next archived document, both lines, to `batch`. False at the end.
///
/// # Errors
/// When the archive is not what [`DocumentWriter`] writes.
pub fn read_document(input: &mut impl BufRead, batch: &mut Vec<u8>) -> Result<bool> {
    let cut = || Error::corrupt(format!("{ENTRY}: a document is cut off or too long"));
    if !read_line(input, ACTION_BYTES_MAX, batch)?.ok_or_else(cut)? {
        return Ok(false);
    }
    match read_line(input, PAGE_BYTES_MAX, batch)? {
        Some(true) => Ok(true),
        _ => Err(cut()),
    }
}

/// True for a line, false at the end, none when there is no end of the line within `max` bytes.
fn read_line(input: &mut impl BufRead, max: u64, batch: &mut Vec<u8>) -> Result<Option<bool>> {
    let read = input.by_ref().take(max).read_until(b'\n', batch)?;
    if read == 0 {
        return Ok(Some(false));
    }
    Ok(if batch.last() == Some(&b'\n') { Some(true) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str, action: Action) -> (String, Tally) {
        let hit: Hit<'_> = serde_json::from_str(json).unwrap();
        let mut writer = DocumentWriter::new(Vec::new(), action);
        writer.write(&hit).unwrap();
        let tally = writer.tally();
        (String::from_utf8(writer.into_inner()).unwrap(), tally)
    }

    const PRETTY: &str = "{\"_id\":\"a\\n\\\"b\",\"_routing\":\"é\",\"_version\":7,\"_seq_no\":3,\"_source\":{\n \"n\" : \
                          1.50,\r\n \"big\":123456789012345678901234567890 , \"s\":\"\\n\"}}";

    #[test]
    fn numbers_and_texts_stay_as_they_were_sent() {
        let (text, _) = written(PRETTY, Action::Index);
        let action =
            r#"{"index":{"_id":"a\n\"b","routing":"é","version":7,"version_type":"external"}}"#;
        let source = r#"{  "n" : 1.50,   "big":123456789012345678901234567890 , "s":"\n"}"#;
        assert_eq!(text, format!("{action}\n{source}\n"));
    }

    #[test]
    fn a_data_stream_gets_no_versions() {
        let (text, _) = written(PRETTY, Action::Create);
        assert!(
            text.starts_with("{\"create\":{\"_id\":\"a\\n\\\"b\",\"routing\":\"é\"}}\n"),
            "{text}"
        );
    }

    #[test]
    fn the_order_of_documents_makes_no_difference_and_their_content_does() {
        let hits = |texts: &[&str]| {
            let mut writer = DocumentWriter::new(std::io::sink(), Action::Index);
            for text in texts {
                writer.write(&serde_json::from_str(text).unwrap()).unwrap();
            }
            writer.tally().text()
        };
        let a = r#"{"_id":"a","_version":1,"_seq_no":0,"_source":{"n":1}}"#;
        let b = r#"{"_id":"b","_version":1,"_seq_no":1,"_source":{"n":2}}"#;
        let moved = r#"{"_id":"b","_version":1,"_seq_no":9,"_source":{"n":2}}"#;
        let newer = r#"{"_id":"b","_version":2,"_seq_no":1,"_source":{"n":2}}"#;
        assert_eq!(hits(&[a, b]), hits(&[moved, a]));
        assert_ne!(hits(&[a, b]), hits(&[a, newer]));
        assert_ne!(hits(&[a, b]), hits(&[a]));
    }

    #[test]
    fn a_document_without_source_is_refused() {
        let hit: Hit<'_> = serde_json::from_str(r#"{"_id":"a","_seq_no":0}"#).unwrap();
        assert!(DocumentWriter::new(std::io::sink(), Action::Index).write(&hit).is_err());
    }

    #[test]
    fn documents_are_read_one_by_one_and_a_torn_archive_is_noticed() {
        let mut input: &[u8] = b"{\"index\":{}}\n{\"n\":1}\n{\"index\":{}}\n{}\n";
        let mut batch = Vec::new();
        assert!(read_document(&mut input, &mut batch).unwrap());
        assert_eq!(batch, b"{\"index\":{}}\n{\"n\":1}\n");
        assert!(read_document(&mut input, &mut batch).unwrap());
        assert!(!read_document(&mut input, &mut batch).unwrap());
        for torn in [&b"{\"index\":{}}\n"[..], b"{\"index\":{}}\n{}", b"{\"index"] {
            assert!(read_document(&mut &torn[..], &mut Vec::new()).is_err());
        }
        let long = vec![b'x'; ACTION_BYTES_MAX as usize + 1];
        assert!(read_document(&mut long.as_slice(), &mut Vec::new()).is_err());
    }
}
