//! `/_api/dump`: batches of whole collections or shards, numbered by the caller, so that one that got lost can be asked for
//! again until a later one says that it has arrived.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, success};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::shard;
use crate::arangodb::state::{Collection, Document};
use crate::service::Answer;

pub struct Dump {
    user: String,
    database: String,
    server: Option<String>,
    /// Collections with names of their shards, and what is left of them, the next document last.
    rest: Vec<(Collection, String, Vec<Arc<Document>>)>,
    batch_size: usize,
    sent: BTreeMap<u64, (String, Vec<u8>)>,
    expires: Instant,
    lifetime: Duration,
}

fn unknown() -> Refused {
    Refused::new(404, 404, "requested dump context not found")
}

fn server_of(is_cluster: bool, call: &Call<'_>) -> Outcome<Option<String>> {
    match (is_cluster, call.query("dbserver")) {
        (false, _) => Ok(None),
        (true, Some(server)) if shard::SERVERS.contains(&server) => Ok(Some(server.to_owned())),
        (true, _) => Err(Refused::bad("need a 'dbserver' parameter")),
    }
}

impl Dump {
    pub fn is_open(&self, now: Instant) -> bool {
        self.expires > now
    }
}

pub fn answer(is_cluster: bool, inner: &mut Inner, call: &Call<'_>, user: &str) -> Outcome {
    let now = Instant::now();
    inner.sessions.dumps.retain(|_, dump| dump.expires > now);
    let server = server_of(is_cluster, call)?;
    let is_mine = |dump: &&mut Dump| {
        dump.user == user && dump.database == call.database && dump.server == server
    };
    match (call.method, call.rest().as_slice()) {
        ("POST", ["start"]) => start(inner, call, user, server),
        ("POST", ["next", id]) => {
            let number = |key: &str| call.query(key).and_then(|text| text.parse::<u64>().ok());
            let batch = number("batchId").ok_or_else(|| Refused::bad("expecting 'batchId'"))?;
            let dump = inner.sessions.dumps.get_mut(*id).filter(is_mine).ok_or_else(unknown)?;
            dump.expires = now + dump.lifetime;
            if let Some(last) = number("lastBatch") {
                dump.sent.remove(&last);
            }
            dump.next(batch)
        }
        ("DELETE", [id]) => {
            inner.sessions.dumps.get_mut(*id).filter(is_mine).ok_or_else(unknown)?;
            inner.sessions.dumps.remove(*id);
            Ok(success(200, json!({})))
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

fn start(inner: &mut Inner, call: &Call<'_>, user: &str, server: Option<String>) -> Outcome {
    let body = call.object()?;
    let number = |key: &str, default: u64| body.get(key).and_then(Value::as_u64).unwrap_or(default);
    let lifetime = Duration::from_secs(number("ttl", 600).clamp(1, 86_400));
    let database = call.database_of(&inner.state)?;
    let mut rest = Vec::new();
    let names = body.get("shards").and_then(Value::as_array).cloned().unwrap_or_default();
    for name in names.iter().filter_map(Value::as_str).rev() {
        let (collection, part) = match &server {
            Some(server) => (shard::owner(database, name, server), Some(name)),
            None => (database.collections.get(name), None),
        };
        let collection = collection.ok_or_else(|| Refused::no_collection(name))?;
        let mut documents: Vec<Arc<Document>> =
            shard::documents(collection, part, 0).cloned().collect();
        documents.reverse();
        rest.push((collection.clone(), name.to_owned(), documents));
    }
    let dump = Dump {
        user: user.to_owned(),
        database: call.database.clone(),
        server,
        rest,
        batch_size: number("batchSize", 16 << 20).clamp(4 << 10, 96 << 20) as usize,
        sent: BTreeMap::new(),
        expires: Instant::now() + lifetime,
        lifetime,
    };
    let id = format!("dump-{}", inner.state.tick());
    inner.sessions.dumps.insert(id.clone(), dump);
    Ok(Answer::empty(201).with("x-arango-dump-id", &id))
}

impl Dump {
    fn next(&mut self, number: u64) -> Outcome {
        if !self.sent.contains_key(&number) {
            let Some(batch) = self.produce() else { return Ok(Answer::empty(204)) };
            self.sent.insert(number, batch);
        }
        let (shard, body) = self.sent.get(&number).cloned().unwrap_or_default();
        Ok(Answer { status: 200, headers: Vec::new(), body }
            .with("content-type", "application/x-arango-dump; charset=utf-8")
            .with("x-arango-dump-shard-id", &shard)
            .with("x-arango-dump-block-counts", "0"))
    }

    /// A batch is of one shard.
    fn produce(&mut self) -> Option<(String, Vec<u8>)> {
        while self.rest.last().is_some_and(|(_, _, documents)| documents.is_empty()) {
            self.rest.pop();
        }
        let (collection, shard, documents) = self.rest.last_mut()?;
        let mut body = Vec::new();
        while body.len() < self.batch_size {
            let Some(document) = documents.pop() else { break };
            body.extend_from_slice(document.text(&collection.name).as_bytes());
            body.push(b'\n');
        }
        Some((shard.clone(), body))
    }
}
