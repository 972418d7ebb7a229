//! Changes of a target, in transactions of bounded size.

use std::fmt::Write as _;

use lockgate_plugin::Error as Told;
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::json::base64;
use crate::keyspace::shown;
use crate::limits::{BATCH_BYTES, BATCH_CHANGES};
use crate::message::Done;
use crate::scan::KeyValue;

/// Gathers changes and sends them. What was not [`flush`](Self::flush)ed is not done.
#[derive(Debug, Default)]
pub struct Batch {
    /// Members of the arrays of a transaction.
    conditions: String,
    changes: String,
    count: usize,
    bytes: usize,
    /// For messages.
    first: Vec<u8>,
    /// Whether a key that is there may be replaced.
    may_replace: bool,
}

impl Batch {
    /// Nothing yet.
    #[must_use]
    pub fn new(may_replace: bool) -> Self {
        Self { may_replace, ..Self::default() }
    }

    /// Sets a key. Without leave to replace, the transaction holds only while the key is not there.
    ///
    /// # Errors
    /// Those of [`Batch::flush`].
    pub fn put(&mut self, client: &mut Client, record: &KeyValue) -> Result<(), Error> {
        let name = if self.may_replace { record.key.len() } else { 2 * record.key.len() };
        let bytes = name + record.value.len();
        self.make_room(client, bytes, &record.key)?;
        let (key, value) = (base64(&record.key), base64(&record.value));
        if bytes > BATCH_BYTES {
            return self.put_alone(client, record, &key, &value);
        }
        if !self.may_replace {
            let comma = if self.conditions.is_empty() { "" } else { "," };
            // Writing into a string cannot fail.
            let _ = write!(
                self.conditions,
                r#"{comma}{{"key":"{key}","target":"CREATE","result":"EQUAL","create_revision":"0"}}"#
            );
        }
        let lease = record.lease;
        self.add(
            &format!(r#"{{"request_put":{{"key":"{key}","value":"{value}","lease":"{lease}"}}}}"#),
            bytes,
        );
        Ok(())
    }

    /// Removes a key.
    ///
    /// # Errors
    /// Those of [`Batch::flush`].
    pub fn remove(&mut self, client: &mut Client, key: &[u8]) -> Result<(), Error> {
        self.make_room(client, key.len(), key)?;
        let change = format!(r#"{{"request_delete_range":{{"key":"{}"}}}}"#, base64(key));
        self.add(&change, key.len());
        Ok(())
    }

    fn add(&mut self, change: &str, bytes: usize) {
        if !self.changes.is_empty() {
            self.changes.push(',');
        }
        self.changes.push_str(change);
        self.count += 1;
        self.bytes += bytes;
    }

    fn make_room(&mut self, client: &mut Client, bytes: usize, key: &[u8]) -> Result<(), Error> {
        if self.count >= BATCH_CHANGES || self.bytes + bytes > BATCH_BYTES {
            self.flush(client)?;
        }
        if self.count == 0 {
            self.first = key.to_vec();
        }
        Ok(())
    }

    /// A value that hardly fits into a request leaves no room for a transaction around it.
    fn put_alone(
        &mut self,
        client: &mut Client,
        record: &KeyValue,
        key: &str,
        value: &str,
    ) -> Result<(), Error> {
        let lease = record.lease;
        let body = format!(r#"{{"key":"{key}","value":"{value}","lease":"{lease}"}}"#);
        let done = client.ask_bytes::<Done>("/v3/kv/put", body.as_bytes());
        done.map(drop).map_err(|error| self.explain(error))
    }

    /// Sends what was gathered.
    ///
    /// # Errors
    /// When the server refuses, or a key is there that may not be replaced.
    pub fn flush(&mut self, client: &mut Client) -> Result<(), Error> {
        if self.count == 0 {
            return Ok(());
        }
        let body = format!(r#"{{"compare":[{}],"success":[{}]}}"#, self.conditions, self.changes);
        let done = client.ask_bytes::<Done>("/v3/kv/txn", body.as_bytes());
        let Done { succeeded, .. } = done.map_err(|error| self.explain(error))?;
        if !succeeded {
            let text = format!(
                "somebody else wrote one of the {} keys from {} on while they were restored",
                self.count,
                shown(&self.first)
            );
            return Err(Told::conflict(text).into());
        }
        self.conditions.clear();
        self.changes.clear();
        (self.count, self.bytes) = (0, 0);
        Ok(())
    }

    fn explain(&self, error: Error) -> Error {
        match error {
            // What it means is up to whoever knows the leases.
            error if error.is_lease_gone() => error,
            error => error.during(&format!(
                "writing {} keys from {} on",
                self.count.max(1),
                shown(&self.first)
            )),
        }
    }
}

/// The key whose writes raise the revision; it is removed again.
pub const SCRATCH_KEY: &[u8] = b"lockgate/bump-revision";

/// Raises the store's revision to `wanted` by writing the scratch key. Returns the revision that was reached.
///
/// # Errors
/// When the server refuses.
pub fn bump(client: &mut Client, from: i64, wanted: i64) -> Result<i64, Error> {
    let put = serde_json::to_vec(&json!({ "key": base64(SCRATCH_KEY) }))?;
    let mut revision = from;
    // The removal is one more.
    let bumped = loop {
        if revision + 1 >= wanted {
            break Ok(());
        }
        match client
            .ask_bytes::<Done>("/v3/kv/put", &put)
            .and_then(|done| Ok(done.header.revision.signed()?))
        {
            Ok(reached) => revision = reached,
            Err(error) => break Err(error),
        }
    };
    let removed: Result<Done, Error> = client.ask_bytes("/v3/kv/deleterange", &put);
    bumped?;
    Ok(removed?.header.revision.signed()?)
}

/// Has the store forget all revisions before `revision`.
///
/// # Errors
/// When the server refuses.
pub fn compact(client: &mut Client, revision: i64) -> Result<(), Error> {
    client.ask::<Done>("/v3/kv/compaction", &json!({ "revision": revision.to_string() })).map(drop)
}
