//! Documents of an index, page by page, in an order that stays the same as long as they do.
//!
//! Shard by shard, and in a shard by `_seq_no`: the number of the operation that wrote the document last. It is unique in its
//! shard, the same on each copy of it, indexed, and not changed by merges of segments, which `_shard_doc` and `_doc` are. (An
//! order by `_id` would have the server load all ids into its memory, and many servers refuse that.) So unchanged documents
//! come in the same order again, and changed ones have moved to the end. A page is asked for by a range, so that the server
//! needs not look at what was read before.

use lockgate_plugin::http::{Body, Request, segment};
use lockgate_plugin::{Error, Failure, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;

use crate::client::{self, ENDPOINT, refusal};
use crate::document::Hit;
use crate::limits::{
    ATTEMPTS_MAX, PAGE_BYTES, PAGE_BYTES_MAX, PAGE_DOCUMENTS_FIRST, PAGE_DOCUMENTS_MAX,
};

/// What is read.
#[derive(Clone, Debug)]
pub enum View {
    /// The point in time of that id, kept alive by each page for as long as said.
    Point { id: String, keep_alive: String },
    /// The index as it is now.
    Live { index: String },
}

/// How an index is laid out, as far as reading it needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Primary shards.
    pub shards: u32,
    /// `index.max_result_window`.
    pub window: u64,
}

#[derive(Deserialize)]
struct Page<'a> {
    timed_out: bool,
    _shards: Shards,
    #[serde(borrow)]
    hits: Hits<'a>,
}

#[derive(Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: Vec<Hit<'a>>,
}

/// How many documents the next page may have.
#[derive(Clone, Copy, Debug)]
struct Pace {
    documents: u64,
    max: u64,
}

impl Pace {
    fn new(window: u64) -> Self {
        let max = window.clamp(1, PAGE_DOCUMENTS_MAX);
        Self { documents: PAGE_DOCUMENTS_FIRST.min(max), max }
    }

    /// Aims at [`PAGE_BYTES`], but grows by steps only: the next documents may be larger than the last ones.
    fn learn(&mut self, documents: u64, bytes: usize) {
        let each = (bytes as u64 / documents.max(1)).max(1);
        let fitting = PAGE_BYTES as u64 / each;
        self.documents = fitting.clamp(1, self.documents.saturating_mul(4).min(self.max));
    }

    /// The page did not fit; false when it was one document already.
    fn shrink(&mut self) -> bool {
        let was_one = self.documents == 1;
        self.documents = (self.documents / 8).max(1);
        !was_one
    }
}

/// Reads all documents of a view.
#[derive(Debug)]
pub struct Reader {
    view: View,
    layout: Layout,
    shard: u32,
    /// The last sequence number that was read in the shard.
    after: i64,
    pace: Pace,
}

impl Reader {
    /// Nothing is asked for yet.
    pub fn new(view: View, layout: Layout) -> Self {
        Self { view, layout, shard: 0, after: -1, pace: Pace::new(layout.window) }
    }

    /// Gives each document to `take`. The server is at work on the next page meanwhile.
    ///
    /// # Errors
    /// When the server cannot give all documents, and those of `take`.
    pub fn each(mut self, mut take: impl FnMut(&Hit<'_>) -> Result<()>) -> Result<()> {
        let mut asked = Some(self.ask()?);
        while let Some((body, wanted)) = asked.take() {
            let (bytes, wanted) = self.receive(body, wanted)?;
            let page: Page<'_> = serde_json::from_slice(&bytes)
                .map_err(|error| Error::corrupt(format!("a page of documents: {error}")))?;
            if page.timed_out || page._shards.failed > 0 {
                return Err(Error::unreachable(
                    "a shard did not answer, so that documents are missing",
                ));
            }
            let hits = page.hits.hits;
            let count = hits.len() as u64;
            if let Some(last) = hits.last() {
                if last.sequence <= self.after {
                    return Err(Error::corrupt("the server gives documents twice"));
                }
                self.after = last.sequence;
                self.pace.learn(count, bytes.len());
            }
            let has_more = if count < wanted { self.next_shard() } else { true };
            if has_more {
                asked = Some(self.ask()?);
            }
            for hit in &hits {
                take(hit)?;
            }
        }
        Ok(())
    }

    fn next_shard(&mut self) -> bool {
        self.shard += 1;
        self.after = -1;
        self.shard < self.layout.shards
    }

    /// Sends the request for the next page, and does not wait for it.
    fn ask(&self) -> Result<(Body, u64)> {
        let mut search = json!({
            "size": self.pace.documents,
            "query": { "range": { "_seq_no": { "gt": self.after } } },
            // An index that never had a document has no such field.
            "sort": [{ "_seq_no": { "order": "asc", "unmapped_type": "long" } }],
            "version": true,
            "seq_no_primary_term": true,
            "track_total_hits": false,
        });
        let mut set = |key: &str, value: Value| {
            if let Some(object) = search.as_object_mut() {
                object.insert(key.to_owned(), value);
            }
        };
        let target = match &self.view {
            View::Point { id, keep_alive } => {
                set("pit", json!({ "id": id, "keep_alive": keep_alive }));
                // As many slices as shards: each is one shard. One slice alone is no slice.
                if self.layout.shards > 1 {
                    set("slice", json!({ "id": self.shard, "max": self.layout.shards }));
                }
                "/_search?allow_partial_search_results=false".to_owned()
            }
            View::Live { index } => format!(
                "/{}/_search?allow_partial_search_results=false&preference=_shards:{}",
                segment(index),
                self.shard
            ),
        };
        let search = serde_json::to_vec(&search)?;
        let request = Request::post(ENDPOINT, &target).header("content-type", "application/json");
        let mut body = request.stream(Some(search.len() as u64))?;
        body.write_all(&search)?;
        body.flush()?;
        Ok((body, self.pace.documents))
    }

    /// Waits for a page; asks for a smaller one when it is too large for us, or later when the server is busy.
    fn receive(&mut self, mut body: Body, mut wanted: u64) -> Result<(Vec<u8>, u64)> {
        for attempt in 0..ATTEMPTS_MAX {
            let response = body.finish()?;
            let status = response.status();
            match (status, response.bytes(PAGE_BYTES_MAX)?) {
                (200, Some(bytes)) => return Ok((bytes, wanted)),
                (200, None) => {
                    if !self.pace.shrink() {
                        return Err(self.too_large());
                    }
                }
                // Busy, or short of memory: a smaller page helps with the latter.
                (429, _) => {
                    self.pace.shrink();
                    client::wait(attempt)?;
                }
                (_, said) => return Err(explained(refusal(status, &said.unwrap_or_default()))),
            }
            (body, wanted) = self.ask()?;
        }
        Err(Error::unreachable(format!(
            "the server stayed busy: {ATTEMPTS_MAX} times no page came"
        )))
    }

    fn too_large(&self) -> Error {
        Error::unsupported(format!(
            "a document of shard {} behind _seq_no {} has more than {} MiB, the most that this plugin holds in memory",
            self.shard,
            self.after,
            PAGE_BYTES_MAX >> 20
        ))
    }
}

fn explained(error: Error) -> Error {
    match error.failure() {
        Failure::Other(text)
            if text.contains("search_context_missing") || text.contains("No search context") =>
        {
            Error::other(format!(
                "{text}; the point in time has gone: raise `keep-alive-minutes`, or run the backup again if a node was \
                 restarted"
            ))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_aim_at_a_size_and_grow_by_steps() {
        let mut pace = Pace::new(10_000);
        assert_eq!(pace.documents, 100);
        pace.learn(100, 10_000);
        assert_eq!(pace.documents, 400);
        pace.learn(400, 400 * 100_000);
        assert_eq!(pace.documents, 41);
        pace.learn(41, 41 * (50 << 20));
        assert_eq!(pace.documents, 1);
        assert!(!pace.shrink());
        for _ in 0..20 {
            pace.learn(pace.documents, 10);
        }
        assert_eq!(pace.documents, 10_000);
        assert!(pace.shrink() && pace.documents < 10_000);
        assert_eq!(Pace::new(7).documents, 7);
    }

    #[test]
    fn a_page_is_read_without_touching_the_documents() {
        let text = br#"{"pit_id":"x","took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},
            "hits":{"max_score":null,"hits":[{"_index":"a","_type":"_doc","_id":"1","_version":1,"_seq_no":0,
            "_primary_term":1,"_score":null,"_source":{"n":1.10},"sort":[0]}]}}"#;
        let page: Page<'_> = serde_json::from_slice(text).unwrap();
        assert_eq!(page.hits.hits.len(), 1);
        for broken in [&b"{}"[..], b"{\"hits\":", b"[]", b"", b"\xff"] {
            assert!(serde_json::from_slice::<Page<'_>>(broken).is_err());
        }
    }
}
