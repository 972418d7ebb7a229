//! Documents of the archive into an index, in `_bulk` requests of a bounded size.
//!
//! <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/docs-bulk.html>

use std::io::{BufRead, Write};

use lockgate_plugin::http::{Body, Request, segment};
use lockgate_plugin::{Error, Result, job};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{ENDPOINT, reason, refusal, wait};
use crate::document::read_document;
use crate::limits::{
    ATTEMPTS_MAX, BATCH_BYTES, BATCH_DOCUMENTS, LARGE_ATTEMPTS_MAX, REPLY_BYTES_MAX,
};

/// Some documents on their way.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Where each document begins.
    starts: Vec<usize>,
}

#[derive(Deserialize)]
struct Answer {
    errors: bool,
    #[serde(default)]
    items: Vec<Value>,
}

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// All documents are in.
    Done,
    /// The server had no room for these documents (by number), and why; it may have later.
    Again(Vec<usize>, String),
}

impl Batch {
    fn fill(&mut self, input: &mut impl BufRead) -> Result<()> {
        while self.bytes.len() < BATCH_BYTES && self.starts.len() < BATCH_DOCUMENTS {
            let start = self.bytes.len();
            if !read_document(input, &mut self.bytes)? {
                break;
            }
            self.starts.push(start);
        }
        Ok(())
    }

    /// What is far larger than a batch should be is one large document.
    fn is_large(&self) -> bool {
        self.bytes.len() > 4 * BATCH_BYTES
    }

    /// The documents of these numbers.
    fn only(&self, numbers: &[usize]) -> Self {
        let mut batch = Self::default();
        for number in numbers {
            let start = self.starts.get(*number).copied().unwrap_or(self.bytes.len());
            let end = self.starts.get(number + 1).copied().unwrap_or(self.bytes.len());
            batch.starts.push(batch.bytes.len());
            batch.bytes.extend_from_slice(self.bytes.get(start..end).unwrap_or_default());
        }
        batch
    }
}

/// Loads documents into the index or data stream `target`. Returns their number. One batch is under way at a time: two would
/// meet in the shard, and in another order a restored index would be stored anew by its next backup.
///
/// # Errors
/// When the archive cannot be read, or the server does not take a document.
pub fn load(part: &str, target: &str, input: &mut impl BufRead) -> Result<u64> {
    let mut sent: Option<(Batch, Body)> = None;
    let mut loaded = 0;
    loop {
        // Two large documents at once would be too much to hold.
        if sent.as_ref().is_some_and(|(batch, _)| batch.is_large()) {
            loaded += settle(target, sent.take())?;
        }
        // While the server is at work on the one before.
        let mut batch = Batch::default();
        batch.fill(input)?;
        loaded += settle(target, sent.take())?;
        job::progress(part, 0, loaded);
        if batch.starts.is_empty() {
            return Ok(loaded);
        }
        let body = send(target, &batch)?;
        sent = Some((batch, body));
    }
}

/// Sends a batch and does not wait for what becomes of it.
fn send(target: &str, batch: &Batch) -> Result<Body> {
    // No pipeline may change what one has changed already.
    let path = format!(
        "/{}/_bulk?pipeline=_none&filter_path=errors,items.*.status,items.*.error",
        segment(target)
    );
    let request = Request::post(ENDPOINT, &path).header("content-type", "application/x-ndjson");
    let mut body = request.stream(Some(batch.bytes.len() as u64))?;
    body.write_all(&batch.bytes)?;
    body.flush()?;
    Ok(body)
}

/// Waits for what becomes of a batch, and sends again what the server had no room for.
fn settle(target: &str, sent: Option<(Batch, Body)>) -> Result<u64> {
    let Some((mut batch, mut body)) = sent else { return Ok(0) };
    let count = batch.starts.len() as u64;
    let mut why = String::new();
    let attempts = if batch.is_large() { LARGE_ATTEMPTS_MAX } else { ATTEMPTS_MAX };
    for attempt in 0..attempts {
        let response = body.finish()?;
        let status = response.status();
        let said = response
            .bytes(REPLY_BYTES_MAX)?
            .ok_or_else(|| Error::corrupt("the answer to _bulk is longer than it may be"))?;
        match judge(status, &said, batch.starts.len())? {
            Verdict::Done => return Ok(count),
            Verdict::Again(numbers, reason) => (batch, why) = (batch.only(&numbers), reason),
        }
        wait(attempt)?;
        body = send(target, &batch)?;
    }
    Err(Error::unreachable(format!(
        "the server stayed busy: {} documents with {} bytes were refused {attempts} times: {why}; a document must fit into \
         the server's `indexing_pressure.memory.limit`",
        batch.starts.len(),
        batch.bytes.len()
    )))
}

fn judge(status: u16, said: &[u8], documents: usize) -> Result<Verdict> {
    match status {
        200 => {}
        // The whole request was refused.
        429 | 503 => {
            let why = refusal(status, said).message().to_owned();
            return Ok(Verdict::Again((0..documents).collect(), why));
        }
        _ => return Err(refusal(status, said)),
    }
    let answer: Answer = serde_json::from_slice(said)?;
    if !answer.errors {
        return Ok(Verdict::Done);
    }
    if answer.items.len() != documents {
        return Err(Error::corrupt("the server answered for another number of documents"));
    }
    let mut again = Vec::new();
    let mut why = String::new();
    for (number, item) in answer.items.iter().enumerate() {
        let item = item.as_object().and_then(|item| item.values().next()).unwrap_or(&Value::Null);
        let status = item.get("status").and_then(Value::as_u64).unwrap_or_default();
        match (status, item.get("error")) {
            (200..300, None) => {}
            (429 | 503, error) => {
                again.push(number);
                why = reason(error.unwrap_or(&Value::Null), b"no reason given");
            }
            (409, error) => return Err(Error::conflict(rejected(error))),
            (_, error) => return Err(Error::other(rejected(error))),
        }
    }
    Ok(Verdict::Again(again, why))
}

fn rejected(error: Option<&Value>) -> String {
    format!(
        "the server does not take a document: {}",
        reason(error.unwrap_or(&Value::Null), b"no reason given")
    )
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::Failure;

    use super::*;

    #[test]
    fn what_the_server_had_no_room_for_is_sent_again() {
        let said = br#"{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":429,"error":{"type":"x"}}},
            {"create":{"status":503,"error":{"type":"x"}}}]}"#;
        assert_eq!(judge(200, said, 3).unwrap(), Verdict::Again(vec![1, 2], "x".to_owned()));
        let all = judge(429, b"full", 2).unwrap();
        assert_eq!(all, Verdict::Again(vec![0, 1], "full (status 429)".to_owned()));
        assert_eq!(judge(200, br#"{"errors":false}"#, 2).unwrap(), Verdict::Done);
    }

    #[test]
    fn a_document_that_is_refused_ends_the_load() {
        let said = br#"{"errors":true,"items":[{"index":{"status":400,"error":{"type":"t","reason":"r"}}}]}"#;
        assert!(judge(200, said, 1).unwrap_err().message().ends_with("t: r"));
        let conflict =
            br#"{"errors":true,"items":[{"index":{"status":409,"error":{"type":"t"}}}]}"#;
        assert!(matches!(judge(200, conflict, 1).unwrap_err().failure(), Failure::Conflict(_)));
        assert!(judge(200, conflict, 2).is_err());
        assert!(judge(200, b"{", 1).is_err() && judge(413, b"", 1).is_err());
    }

    #[test]
    fn batches_are_cut_between_documents() {
        let mut input: &[u8] = b"{}\n{\"n\":0}\n{}\n{\"n\":1}\n{}\n{\"n\":2}\n";
        let mut batch = Batch::default();
        batch.fill(&mut input).unwrap();
        assert_eq!(batch.starts, [0, 11, 22]);
        let some = batch.only(&[0, 2]);
        assert_eq!(some.bytes, b"{}\n{\"n\":0}\n{}\n{\"n\":2}\n");
        assert_eq!(some.starts, [0, 11]);
    }
}
