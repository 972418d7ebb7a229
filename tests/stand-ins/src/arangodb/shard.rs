//! Shards of a cluster: of each collection as many as it wants, dealt out to three DB-Servers.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::arangodb::state::{Collection, Database, Document};

/// The DB-Servers' ids.
pub const SERVERS: [&str; 3] = ["PRMR-1", "PRMR-2", "PRMR-3"];

/// Names and servers of a collection's shards, the leader first.
pub fn of(collection: &Collection) -> Vec<(String, Vec<&'static str>)> {
    let first: u64 = collection.id.parse().unwrap_or(0);
    let copies =
        collection.properties.get("replicationFactor").and_then(Value::as_u64).unwrap_or(1);
    let servers = |n: u64| {
        (0..copies.clamp(1, 3))
            .map(move |copy| SERVERS[((first + n + copy) % 3) as usize])
            .collect()
    };
    (0..collection.shard_count()).map(|n| (format!("s{first}{n:02}"), servers(n))).collect()
}

/// As an inventory has them.
pub fn map(collection: &Collection) -> Value {
    let all = of(collection).into_iter().map(|(name, servers)| (name, json!(servers)));
    Value::Object(all.collect::<Map<_, _>>())
}

/// The number of the shard of a key.
fn number(collection: &Collection, key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() % collection.shard_count().max(1)
}

/// Documents of one shard from a revision on, in their order.
pub fn documents<'a>(
    collection: &'a Collection,
    shard: Option<&str>,
    after: u64,
) -> impl Iterator<Item = &'a Arc<Document>> {
    let wanted = shard.and_then(|shard| of(collection).iter().position(|(name, _)| name == shard));
    let all = collection.documents.by_revision.range(after + 1..).map(|(_, document)| document);
    all.filter(move |document| {
        wanted.is_none_or(|wanted| number(collection, &document.key) == wanted as u64)
    })
}

/// The collection that a shard belongs to, if it is led by that server.
pub fn owner<'a>(database: &'a Database, shard: &str, server: &str) -> Option<&'a Collection> {
    database.collections.values().find(|collection| {
        of(collection)
            .iter()
            .any(|(name, servers)| name == shard && servers.first() == Some(&server))
    })
}

pub fn distribution(database: &Database) -> Value {
    let mut all = Map::new();
    for collection in database.collections.values() {
        let shards: Map<String, Value> = of(collection)
            .into_iter()
            .map(|(name, servers)| {
                let entry = json!({ "leader": servers[0], "followers": servers[1..] });
                (name, entry)
            })
            .collect();
        all.insert(collection.name.clone(), json!({ "Current": shards, "Plan": shards }));
    }
    json!({ "results": all })
}
