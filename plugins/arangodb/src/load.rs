//! Documents of the archive into a collection: requests of a bounded size that can be repeated, because each document is put
//! under its key with its revision.
//!
//! <https://docs.arangodb.com/stable/develop/http-api/replication/replication-dump/>

use std::io::{BufRead, Write};

use lockgate_plugin::http::{Body, Request, segment};
use lockgate_plugin::{Error, Failure, Result, job};

use crate::client::{ENDPOINT, path, refusal, wait};
use crate::document::{Renames, read_line, rename};
use crate::limits::{ATTEMPTS_MAX, LOAD_BYTES, REPLY_BYTES_MAX};

/// Some documents on their way.
struct Batch {
    bytes: Vec<u8>,
    count: u64,
}

/// Where they go.
pub struct Loader {
    target: String,
    renames: Renames,
}

impl Loader {
    /// Into this collection; the ends of edges get new names.
    pub fn new(database: &str, collection: &str, renames: Renames) -> Self {
        let query = format!(
            "replication/restore-data?collection={}&force=false&useEnvelope=false",
            segment(collection)
        );
        Self { target: path(database, &query), renames }
    }

    /// Loads all documents of `input`, the next batch being read while the server is at work on one; their number.
    ///
    /// # Errors
    /// When the archive cannot be read, or the server does not take a document.
    pub fn load(&self, part: &str, input: &mut impl BufRead) -> Result<u64> {
        let mut sent: Option<(Batch, Body)> = None;
        let mut loaded = 0;
        let mut line = Vec::new();
        loop {
            // Two large ones at once would be too much to hold.
            if sent.as_ref().is_some_and(|(batch, _)| batch.bytes.len() > 4 * LOAD_BYTES) {
                loaded += self.settle(sent.take())?;
            }
            let batch = self.gather(input, &mut line)?;
            loaded += self.settle(sent.take())?;
            job::progress(part, 0, loaded);
            if batch.count == 0 {
                return Ok(loaded);
            }
            let body = self.send(&batch)?;
            sent = Some((batch, body));
        }
    }

    /// Puts these documents, as lines.
    ///
    /// # Errors
    /// When the server does not take one.
    pub fn put(&self, lines: Vec<u8>) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let batch = Batch { bytes: lines, count: 1 };
        let body = self.send(&batch)?;
        self.settle(Some((batch, body))).map(drop)
    }

    fn gather(&self, input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<Batch> {
        let mut batch = Batch { bytes: Vec::new(), count: 0 };
        while batch.bytes.len() < LOAD_BYTES && read_line(input, line)? {
            match self.renames.is_empty() {
                true => batch.bytes.extend_from_slice(line),
                false => batch.bytes.extend(rename(line, &self.renames)?),
            }
            batch.bytes.push(b'\n');
            batch.count += 1;
        }
        Ok(batch)
    }

    /// Sends a batch and does not wait for what becomes of it.
    fn send(&self, batch: &Batch) -> Result<Body> {
        let request = Request::put(ENDPOINT, &self.target)
            .header("content-type", "application/x-arango-dump");
        let mut body = request.stream(Some(batch.bytes.len() as u64))?;
        body.write_all(&batch.bytes)?;
        body.flush()?;
        Ok(body)
    }

    /// Waits for what becomes of a batch, and sends it again where nothing is known of that.
    fn settle(&self, sent: Option<(Batch, Body)>) -> Result<u64> {
        let Some((batch, body)) = sent else { return Ok(0) };
        let mut answer = finish(body);
        for attempt in 0..ATTEMPTS_MAX {
            match &answer {
                Err(error) if matches!(error.failure(), Failure::Unreachable(_)) => {}
                _ => break,
            }
            wait(attempt)?;
            answer = self.send(&batch).and_then(finish);
        }
        answer.map(|()| batch.count)
    }
}

fn finish(body: Body) -> Result<()> {
    let response = body.finish()?;
    let status = response.status();
    let said = response
        .bytes(REPLY_BYTES_MAX)?
        .ok_or_else(|| Error::corrupt("the answer to restore-data is longer than it may be"))?;
    if (200..300).contains(&status) { Ok(()) } else { Err(refusal(status, &said)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_cut_between_documents() {
        let loader = Loader::new("d", "a b", Renames::from([("x".to_owned(), "y".to_owned())]));
        assert!(loader.target.contains("/_db/d/_api/replication/restore-data?collection=a%20b&"));
        let long = format!("{{\"t\":\"{}\"}}", "z".repeat(LOAD_BYTES));
        let text = format!("{{\"_from\":\"x/1\"}}\n{long}\n{{}}\n");
        let (mut input, mut line) = (text.as_bytes(), Vec::new());
        let first = loader.gather(&mut input, &mut line).unwrap();
        assert_eq!(first.count, 2);
        assert!(first.bytes.starts_with(b"{\"_from\":\"y/1\"}\n"));
        assert_eq!(loader.gather(&mut input, &mut line).unwrap().bytes, b"{}\n");
        assert_eq!(loader.gather(&mut input, &mut line).unwrap().count, 0);
    }
}
