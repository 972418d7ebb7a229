//! `/_api/replication`: batches that hold a moment, inventories, dumps.
//!
//! A dump moves on in the batch: the server keeps how far each collection was read, and no request can go back. When a
//! collection was read to its end that is forgotten, so that it can be read again.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arangodb::call::{Call, success};
use crate::arangodb::collection::shown;
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::{Collection, Database};
use crate::arangodb::{Inner, restore, shard, view};
use crate::service::Answer;

/// One moment of all databases.
pub struct Batch {
    databases: BTreeMap<String, Database>,
    /// By database and collection or shard: the last revision that was read, and the number of the next chunk.
    reading: HashMap<(String, String), (u64, u64)>,
    lifetime: Duration,
    expires: Instant,
    server: Option<String>,
}

impl Batch {
    pub fn is_open(&self, now: Instant) -> bool {
        self.expires > now
    }
}

pub fn answer(is_cluster: bool, inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let now = Instant::now();
    inner.sessions.batches.retain(|_, batch| batch.expires > now);
    let rest = call.rest();
    match (call.method, rest.as_slice()) {
        ("POST", ["batch"]) => start(is_cluster, inner, call),
        ("PUT", ["batch", id]) => {
            let lifetime = lifetime(call)?;
            let batch = inner.sessions.batches.get_mut(*id).ok_or_else(no_batch)?;
            batch.lifetime = batch.lifetime.max(lifetime);
            batch.expires = now + batch.lifetime;
            Ok(Answer::empty(204))
        }
        ("DELETE", ["batch", id]) => {
            inner.sessions.batches.remove(*id).ok_or_else(no_batch)?;
            Ok(Answer::empty(204))
        }
        ("GET", ["inventory"]) if !is_cluster => {
            let id = call.needs("batchId")?;
            let batch = inner.sessions.batches.get(id).ok_or_else(no_batch)?;
            let database = batch.databases.get(&call.database).ok_or_else(Refused::no_database)?;
            Ok(inventory(call, database, false))
        }
        ("GET", ["clusterInventory"]) if is_cluster => {
            Ok(inventory(call, call.database_of(&inner.state)?, true))
        }
        ("GET", ["inventory" | "clusterInventory"]) => {
            Err(Refused::new(501, 9, "not on a server of this role"))
        }
        ("GET", ["dump"]) => dump(is_cluster, inner, call),
        ("GET", ["applier-state"]) if !is_cluster => Ok(Answer::json(
            200,
            &json!({
            "state": { "running": false, "phase": "inactive", "lastAppliedContinuousTick": null, "progress": { "message": "", "time": "2026-11-22T00:00:00Z", "failedConnects": 0 },
                "totalRequests": 0, "totalFailedConnects": 0, "totalEvents": 0, "totalOperationsExcluded": 0, "lastError": { "errorNum": 0 }, "time": "2026-11-22T00:00:00Z" },
            "server": { "version": "3.12.5", "serverId": "1" } }),
        )),
        ("GET", ["logger-state"]) => {
            let tick = inner.state.tick().to_string();
            Ok(Answer::json(
                200,
                &json!({ "clients": [], "server": { "version": "3.12.5", "serverId": "1", "engine": "rocksdb" },
                "state": { "running": true, "lastLogTick": tick, "lastUncommittedLogTick": tick, "totalEvents": 0, "time": "2026-11-22T00:00:00Z" } }),
            ))
        }
        ("GET", ["server-id"]) => Ok(Answer::json(200, &json!({ "serverId": "1" }))),
        ("PUT", ["restore-collection"]) => restore::collection(is_cluster, inner, call),
        ("PUT", ["restore-data"]) => restore::data(inner, call),
        ("PUT", ["restore-indexes"]) => restore::indexes(inner, call),
        ("PUT", ["restore-view"]) => restore::view(inner, call),
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

fn no_batch() -> Refused {
    Refused::new(404, 1600, "cursor not found")
}

fn lifetime(call: &Call<'_>) -> Outcome<Duration> {
    let seconds = call.object()?.get("ttl").and_then(Value::as_f64).filter(|ttl| *ttl > 0.0);
    let seconds = seconds.ok_or_else(|| Refused::bad("invalid batch, ttl is missing"))?;
    Ok(Duration::from_secs_f64(seconds.min(1e6)))
}

fn server_of(is_cluster: bool, call: &Call<'_>) -> Outcome<Option<String>> {
    if !is_cluster {
        return Ok(None);
    }
    let server =
        call.query("DBserver").ok_or_else(|| Refused::bad("need \"DBserver\" parameter"))?;
    if !shard::SERVERS.contains(&server) {
        return Err(Refused::new(404, 1500, "no such DB-Server"));
    }
    Ok(Some(server.to_owned()))
}

fn start(is_cluster: bool, inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let server = server_of(is_cluster, call)?;
    let lifetime = lifetime(call)?;
    let id = inner.state.tick().to_string();
    let batch = Batch {
        databases: inner.state.databases.clone(),
        reading: HashMap::new(),
        lifetime,
        expires: Instant::now() + lifetime,
        server,
    };
    inner.sessions.batches.insert(id.clone(), batch);
    let tick = inner.state.tick().to_string();
    Ok(Answer::json(200, &json!({ "id": id, "lastTick": tick })))
}

/// What is left out of inventories.
fn is_excluded(name: &str) -> bool {
    ["_jobs", "_queues", "_frontend"].contains(&name) || name.starts_with("_statistics")
}

fn inventory(call: &Call<'_>, database: &Database, is_cluster: bool) -> Answer {
    let taken = |it: &&Collection| {
        (call.flag("includeSystem") || !it.is_system()) && !is_excluded(&it.name)
    };
    let mut collections: Vec<&Collection> = database.collections.values().filter(taken).collect();
    // Documents before edges, as they must be made.
    collections.sort_by_key(|it| (it.is_edge(), it.name.clone()));
    let entry = |collection: &&Collection| {
        let mut parameters = shown(collection);
        parameters["cid"] = collection.id.clone().into();
        parameters["deleted"] = false.into();
        if is_cluster {
            parameters["shards"] = shard::map(collection);
        }
        let mut all = json!({ "parameters": parameters, "indexes": collection.indexes });
        if is_cluster {
            for key in ["planVersion", "isReady", "allInSync"] {
                all[key] = true.into();
            }
        }
        all
    };
    let views: Vec<Value> = database.views.values().map(|it| view::shown(database, it)).collect();
    let mut properties = json!({ "id": database.id, "name": call.database });
    for (key, value) in database.options.as_object().into_iter().flatten() {
        properties[key] = value.clone();
    }
    success(
        200,
        json!({ "collections": collections.iter().map(entry).collect::<Vec<_>>(), "views": views,
        "properties": properties, "tick": "1",
        "state": { "running": true, "lastLogTick": "1", "time": "2026-11-22T00:00:00Z" } }),
    )
}

fn dump(is_cluster: bool, inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let server = server_of(is_cluster, call)?;
    let name = call.needs("collection")?.to_owned();
    let batch = inner.sessions.batches.get_mut(call.needs("batchId")?).ok_or_else(no_batch)?;
    if batch.server != server {
        return Err(no_batch());
    }
    batch.expires = Instant::now() + batch.lifetime;
    let database = batch.databases.get(&call.database).ok_or_else(Refused::no_database)?;
    let (collection, part) = match &server {
        Some(server) => (shard::owner(database, &name, server), Some(name.as_str())),
        None => (database.collections.get(&name), None),
    };
    let collection = collection.ok_or_else(|| Refused::no_collection(&name))?;
    let chunk_size =
        call.query("chunkSize").and_then(|it| it.parse().ok()).unwrap_or(1 << 20).max(16 << 10);
    let has_envelope = call.query("useEnvelope") != Some("false");
    let place = (call.database.clone(), name.clone());
    let (after, tick) = batch.reading.get(&place).copied().unwrap_or((0, 1));
    let mut body = Vec::new();
    let mut last = after;
    let mut documents = shard::documents(collection, part, after).peekable();
    while body.len() < chunk_size {
        let Some(document) = documents.next() else { break };
        last = document.revision;
        let text = document.text(&collection.name);
        let line = if has_envelope {
            format!("{{\"type\":2300,\"data\":{text}}}\n")
        } else {
            format!("{text}\n")
        };
        body.extend_from_slice(line.as_bytes());
    }
    let has_more = documents.peek().is_some();
    let told = if has_more { tick + 1 } else { tick };
    if has_more {
        batch.reading.insert(place, (last, told));
    } else {
        batch.reading.remove(&place);
    }
    let status = if body.is_empty() { 204 } else { 200 };
    let answer = Answer { status, headers: Vec::new(), body };
    Ok(answer
        .with("content-type", "application/x-arango-dump; charset=utf-8")
        .with("x-arango-replication-checkmore", if has_more { "true" } else { "false" })
        .with("x-arango-replication-lastincluded", &told.to_string()))
}
