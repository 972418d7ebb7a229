//! Reads the documents of a collection in the order in which the server keeps them: by revision, shard by shard.
//!
//! <https://docs.arangodb.com/stable/develop/http-api/replication/replication-dump/>

use std::io::BufRead;

use lockgate_plugin::http::{Request, Response, segment};
use lockgate_plugin::{Context, Error, Failure, Result, job};
use serde_json::json;

use crate::client::{ENDPOINT, ask, path, refusal, wait};
use crate::document::read_line;
use crate::limits::{
    ATTEMPTS_MAX, BATCH_BYTES, BATCH_BYTES_MAX, CHUNK_BYTES, DUMP_SECONDS, REPLY_BYTES_MAX,
};
use crate::moment::Moment;
use crate::structure::Structure;

/// Gives each document of a collection to `sink`, as a line without its end.
///
/// # Errors
/// When the server does not give them all, or `sink` fails.
pub fn each(
    moment: &Moment,
    database: &str,
    collection: &Structure,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    match moment {
        Moment::Parallel(false) => parallel(database, collection.name(), "", sink),
        Moment::Parallel(true) => {
            for (shard, server) in &collection.shards {
                parallel(database, shard, server, sink)
                    .with_context(|| format!("shard {shard}"))?;
            }
            Ok(())
        }
        Moment::Batches(batches) => {
            let lost = || Error::conflict("no moment is held on that server any more");
            if let Some(id) = batches.get("") {
                return chunks(database, collection.name(), "", id, sink);
            }
            for (shard, server) in &collection.shards {
                let id = batches.get(server).ok_or_else(lost)?;
                chunks(database, shard, server, id, sink)
                    .with_context(|| format!("shard {shard}"))?;
            }
            Ok(())
        }
    }
}

/// The next number that the server must give to a chunk. It counts those of a collection from 1 on as long as there are more,
/// and another number means that somebody read from the same batch, or that a chunk got lost: documents would be missing.
fn check_number(told: Option<&str>, before: u64, has_more: bool) -> Result<u64> {
    let number = told.and_then(|text| text.parse::<u64>().ok());
    let number = number.ok_or_else(|| Error::corrupt("a chunk of a dump has no number"))?;
    let wanted = if has_more { before + 1 } else { before };
    if number == wanted {
        return Ok(number);
    }
    Err(Error::conflict(format!(
        "the server gave chunk {number} where {wanted} was due: a chunk was lost, and a replication batch cannot go back; \
         run the backup again"
    )))
}

/// From a replication batch. The lines go on as they come.
fn chunks(
    database: &str,
    name: &str,
    server: &str,
    batch: &str,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let server =
        if server.is_empty() { String::new() } else { format!("&DBserver={}", segment(server)) };
    let mut number = 1;
    loop {
        job::go_on()?;
        let query = format!(
            "replication/dump?collection={}&batchId={}&chunkSize={CHUNK_BYTES}&from={number}&useEnvelope=false&ticks=false{server}",
            segment(name),
            segment(batch)
        );
        let request = Request::get(ENDPOINT, &path(database, &query));
        let mut response = admit(request.header("accept", "application/x-arango-dump").send()?)?;
        let has_more = response.header("x-arango-replication-checkmore") == Some("true");
        let told = response.header("x-arango-replication-lastincluded").map(str::to_owned);
        number = check_number(told.as_deref(), number, has_more)?;
        lines(&mut response, sink)?;
        if !has_more {
            return Ok(());
        }
    }
}

/// From a context of its own, whose batches are asked for again when one gets lost.
fn parallel(
    database: &str,
    shard: &str,
    server: &str,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let server =
        if server.is_empty() { String::new() } else { format!("dbserver={}", segment(server)) };
    // One thread, so that the order is that of the shard.
    let body = json!({
        "shards": [shard], "batchSize": BATCH_BYTES, "prefetchCount": 2, "parallelism": 1, "ttl": DUMP_SECONDS,
    });
    let start = Request::post(ENDPOINT, &path(database, &format!("dump/start?{server}")))
        .send_json(&body)?;
    let start = admit(start)?;
    let id = start.header("x-arango-dump-id").map(segment);
    let id =
        id.ok_or_else(|| Error::corrupt("the server started a dump and did not tell its id"))?;
    let read = batches(database, &id, &server, sink);
    let end = ask("DELETE", &path(database, &format!("dump/{id}?{server}")), None);
    // What is left ends by itself.
    read.and(end.map(drop))
}

fn batches(
    database: &str,
    id: &str,
    server: &str,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    for number in 1_u64.. {
        let last = if number > 1 { format!("&lastBatch={}", number - 1) } else { String::new() };
        let target = path(database, &format!("dump/next/{id}?batchId={number}{last}&{server}"));
        match again(|| batch(&target))? {
            Some(body) => lines(&mut body.as_slice(), sink)?,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Asks again for what got lost.
fn again<T>(mut question: impl FnMut() -> Result<T>) -> Result<T> {
    for attempt in 0..ATTEMPTS_MAX {
        match question() {
            Err(error) if matches!(error.failure(), Failure::Unreachable(_)) => {
                lockgate_plugin::log::warn!("a batch got lost and is asked for again: {error}");
                wait(attempt)?;
            }
            other => return other,
        }
    }
    question()
}

/// One batch as a whole; none at the end.
fn batch(target: &str) -> Result<Option<Vec<u8>>> {
    let response = admit(Request::post(ENDPOINT, target).send()?)?;
    if response.status() == 204 {
        return Ok(None);
    }
    let body = response.bytes(BATCH_BYTES_MAX)?;
    Ok(Some(body.ok_or_else(|| Error::unsupported("a batch of a dump is longer than it may be"))?))
}

fn admit(response: Response) -> Result<Response> {
    let status = response.status();
    if (200..300).contains(&status) {
        return Ok(response);
    }
    Err(refusal(status, &response.bytes(REPLY_BYTES_MAX)?.unwrap_or_default()))
}

fn lines(input: &mut impl BufRead, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut line = Vec::new();
    while read_line(input, &mut line)? {
        sink(&line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_that_is_missing_is_noticed() {
        assert_eq!(check_number(Some("2"), 1, true).unwrap(), 2);
        assert_eq!(check_number(Some("1"), 1, false).unwrap(), 1);
        assert_eq!(check_number(Some("7"), 7, false).unwrap(), 7);
        for (told, before, has_more) in
            [(Some("3"), 1, true), (Some("2"), 1, false), (Some("x"), 1, true), (None, 1, false)]
        {
            assert!(check_number(told, before, has_more).is_err(), "{told:?}");
        }
    }

    #[test]
    fn what_is_refused_is_not_asked_for_again() {
        let mut asked = 0;
        let refused: Result<()> = again(|| {
            asked += 1;
            Err(Error::auth("no"))
        });
        assert!(refused.is_err() && asked == 1);
    }
}
