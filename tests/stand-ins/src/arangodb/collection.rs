//! `/_api/collection`.

use serde_json::{Map, Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, result, success};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::shard;
use crate::arangodb::state::{Collection, State, revision_text};

/// What can be changed after a collection was made.
const CHANGEABLE: [&str; 6] = [
    "waitForSync",
    "schema",
    "computedValues",
    "cacheEnabled",
    "replicationFactor",
    "writeConcern",
];

/// <https://docs.arangodb.com/stable/concepts/data-structure/collections/#collection-names>, extended names allowed.
pub fn is_legal(name: &str, is_system: bool) -> bool {
    let first = name.chars().next().unwrap_or('0');
    !name.is_empty()
        && name.len() <= 256
        && !first.is_ascii_digit()
        && (first != '_' || is_system)
        && first != '.'
        && !name.chars().any(|it| it.is_control() || it == '/')
        && name.trim() == name
}

/// The properties of a new collection.
fn defaults(is_cluster: bool, is_system: bool) -> Map<String, Value> {
    let common = json!({ "type": 2, "status": 3, "waitForSync": false, "isSystem": is_system,
        "cacheEnabled": false, "computedValues": null, "schema": null, "syncByRevision": true,
        "usesRevisionsAsDocumentIds": true, "isDisjoint": false, "isSmart": false, "isSmartChild": false,
        "internalValidatorType": 0, "allowUserKeys": true,
        "keyOptions": { "allowUserKeys": true, "type": "traditional", "lastValue": 0 } });
    let mut all = common.as_object().cloned().unwrap_or_default();
    if is_cluster {
        let more = json!({ "numberOfShards": 1, "replicationFactor": 1, "writeConcern": 1,
            "minReplicationFactor": 1, "shardKeys": ["_key"], "shardingStrategy": "hash" });
        all.extend(more.as_object().cloned().unwrap_or_default());
    }
    all
}

/// What makes a collection, after checks that the server does too.
pub fn creation(
    is_cluster: bool,
    state: &mut State,
    database: &str,
    body: &Map<String, Value>,
) -> Outcome<Value> {
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let is_system = body.get("isSystem") == Some(&json!(true));
    if !is_legal(name, is_system) {
        return Err(Refused::illegal_name());
    }
    let known = state.databases.get(database).ok_or_else(Refused::no_database)?;
    if known.collections.contains_key(name) || known.views.contains_key(name) {
        return Err(Refused::duplicate_name(name));
    }
    let mut properties = defaults(is_cluster, is_system);
    for (key, value) in body {
        let is_own = matches!(
            key.as_str(),
            "name"
                | "id"
                | "cid"
                | "globallyUniqueId"
                | "planId"
                | "shards"
                | "count"
                | "statusString"
                | "deleted"
                | "indexes"
                | "objectId"
                | "version"
                | "isVolatile"
        );
        if !is_own && (!value.is_null() || properties.contains_key(key)) {
            properties.insert(key.clone(), value.clone());
        }
    }
    let kind = properties.get("type").and_then(Value::as_u64);
    if !matches!(kind, Some(2 | 3)) {
        return Err(Refused::new(400, 1218, "collection type invalid"));
    }
    if let Some(like) = properties.get("distributeShardsLike").and_then(Value::as_str) {
        let leader = known.collections.get(like);
        let leader = leader.filter(|_| !like.is_empty());
        if let Some(leader) = leader {
            let shards = leader.shard_count();
            properties.insert("numberOfShards".to_owned(), shards.into());
        } else if !like.is_empty() {
            return Err(Refused::new(404, 4005, "unknown collection in distributeShardsLike"));
        }
    }
    if let Some(options) = body.get("keyOptions").and_then(Value::as_object) {
        let mut merged = defaults(is_cluster, false)["keyOptions"].clone();
        for (key, value) in options {
            merged[key.clone()] = value.clone();
        }
        properties.insert("keyOptions".to_owned(), merged);
    }
    let schema = properties.get("schema").cloned().unwrap_or_default();
    properties.insert("schema".to_owned(), checked_schema(schema)?);
    let id = state.tick().to_string();
    Ok(
        json!({ "op": "collection", "db": database, "c": name, "id": id, "properties": properties, "indexes": [] }),
    )
}

fn checked_schema(mut schema: Value) -> Outcome<Value> {
    if schema.is_null() || schema.as_object().is_some_and(Map::is_empty) {
        return Ok(Value::Null);
    }
    let level = schema.get("level").map_or(Some("strict"), Value::as_str);
    let is_known = level.is_some_and(|it| ["none", "new", "moderate", "strict"].contains(&it));
    if !schema["rule"].is_object() || !is_known {
        return Err(Refused::new(400, 1621, "invalid schema"));
    }
    for (key, value) in [("level", "strict"), ("message", ""), ("type", "json")] {
        if schema.get(key).is_none() {
            schema[key] = value.into();
        }
    }
    Ok(schema)
}

fn head(collection: &Collection) -> Value {
    json!({ "id": collection.id, "name": collection.name, "status": 3, "statusString": "loaded",
        "type": collection.properties["type"], "isSystem": collection.is_system(),
        "globallyUniqueId": format!("h{}/{}", "STANDIN", collection.id) })
}

/// All that a collection says of itself.
pub fn shown(collection: &Collection) -> Value {
    let mut all = head(collection);
    for (key, value) in &collection.properties {
        all[key] = value.clone();
    }
    all["isSystem"] = collection.is_system().into();
    all
}

/// The change that sets properties.
pub fn update(database: &str, collection: &Collection, properties: &Map<String, Value>) -> Value {
    json!({ "op": "collection", "db": database, "c": collection.name, "id": collection.id,
        "properties": properties, "indexes": collection.indexes })
}

pub fn answer(is_cluster: bool, inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let rest = call.rest();
    match (call.method, rest.as_slice()) {
        ("GET", []) => {
            let database = call.database_of(&inner.state)?;
            let all = database.collections.values();
            let all = all.filter(|it| !call.flag("excludeSystem") || !it.is_system());
            Ok(result(200, all.map(head).collect()))
        }
        ("POST", []) => {
            let change = creation(is_cluster, &mut inner.state, &call.database, &call.object()?)?;
            inner.commit(&change)?;
            let name = change["c"].as_str().unwrap_or_default();
            Ok(success(200, shown(call.collection_of(&inner.state, name)?)))
        }
        ("GET", [name]) => Ok(success(200, head(call.collection_of(&inner.state, name)?))),
        ("GET", [name, what]) => {
            let collection = call.collection_of(&inner.state, name)?;
            look(is_cluster, call, collection, what)
        }
        ("DELETE", [name]) => delete(inner, call, name),
        ("PUT", [name, action]) => {
            let name = call.collection_of(&inner.state, name)?.name.clone();
            act(inner, call, &name, action, is_cluster)
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

fn delete(inner: &mut Inner, call: &Call<'_>, name: &str) -> Outcome {
    let collection = call.collection_of(&inner.state, name)?;
    if collection.is_system() && !call.flag("isSystem") {
        return Err(Refused::forbidden());
    }
    let (id, name) = (collection.id.clone(), collection.name.clone());
    must_lead_nobody(inner, call, &name)?;
    inner.commit(&json!({ "op": "drop", "db": call.database, "c": name }))?;
    Ok(success(200, json!({ "id": id })))
}

/// A collection that others are distributed like stays as long as they do.
pub fn must_lead_nobody(inner: &Inner, call: &Call<'_>, name: &str) -> Outcome<()> {
    let database = call.database_of(&inner.state)?;
    let follows = |it: &Collection| it.properties.get("distributeShardsLike") == Some(&json!(name));
    if database.collections.values().any(follows) {
        let text = "must not drop collection while another has a distributeShardsLike attribute pointing to it";
        return Err(Refused::new(403, 1485, text));
    }
    Ok(())
}

fn look(is_cluster: bool, call: &Call<'_>, collection: &Collection, what: &str) -> Outcome {
    let mut all = shown(collection);
    let count = collection.documents.len();
    let last = collection.documents.by_revision.keys().next_back().copied().unwrap_or(0);
    match what {
        "properties" => {}
        "count" => all["count"] = count.into(),
        "figures" => {
            all["count"] = count.into();
            let size: usize =
                collection.documents.by_revision.values().map(|it| it.body.len()).sum();
            all["figures"] = json!({ "indexes": { "count": collection.indexes.len() + 1, "size": 0 },
                "documentsSize": size, "cacheInUse": false, "cacheSize": 0, "cacheUsage": 0 });
        }
        "revision" => all["revision"] = revision_text(last).into(),
        "checksum" => {
            all["revision"] = revision_text(last).into();
            all["checksum"] =
                checksum(collection, call.flag("withRevisions"), call.flag("withData")).into();
        }
        "shards" if is_cluster => {
            let shards = shard::of(collection);
            all["shards"] = match call.flag("details") {
                true => shard::map(collection),
                false => shards.iter().map(|(name, _)| name.clone()).collect(),
            };
        }
        "shards" => return Err(Refused::new(501, 9, "only allowed on coordinators")),
        _ => return Err(Refused::unknown_path(&call.shown())),
    }
    Ok(success(200, all))
}

fn checksum(collection: &Collection, has_revisions: bool, has_data: bool) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let sum = collection.documents.by_revision.values().fold(0_u64, |sum, document| {
        let mut hasher = DefaultHasher::new();
        document.key.hash(&mut hasher);
        has_revisions.then(|| document.revision.hash(&mut hasher));
        has_data.then(|| document.body.hash(&mut hasher));
        sum.wrapping_add(hasher.finish())
    });
    sum.to_string()
}

fn act(inner: &mut Inner, call: &Call<'_>, name: &str, action: &str, is_cluster: bool) -> Outcome {
    let collection = call.collection_of(&inner.state, name)?.clone();
    match action {
        "properties" => {
            let mut properties = collection.properties.clone();
            for (key, value) in call.object()? {
                if key == "schema" {
                    properties.insert(key, checked_schema(value)?);
                } else if CHANGEABLE.contains(&key.as_str()) {
                    properties.insert(key, value);
                }
            }
            inner.commit(&update(&call.database, &collection, &properties))?;
            Ok(success(200, shown(call.collection_of(&inner.state, name)?)))
        }
        "truncate" => {
            inner.commit(&json!({ "op": "truncate", "db": call.database, "c": name }))?;
            Ok(success(200, head(&collection)))
        }
        "rename" if is_cluster => {
            Err(Refused::new(501, 1470, "operation only valid on single servers"))
        }
        "rename" => {
            let body = call.object()?;
            let to = body.get("name").and_then(Value::as_str).unwrap_or_default();
            if !is_legal(to, false) {
                return Err(Refused::illegal_name());
            }
            if call.database_of(&inner.state)?.collections.contains_key(to) {
                return Err(Refused::duplicate_name(to));
            }
            inner.commit(&json!({ "op": "rename", "db": call.database, "c": name, "to": to }))?;
            Ok(success(200, head(call.collection_of(&inner.state, to)?)))
        }
        "load" | "unload" => {
            let mut all = head(&collection);
            all["count"] = collection.documents.len().into();
            Ok(success(200, all))
        }
        "loadIndexesIntoMemory" => Ok(result(200, Value::Bool(true))),
        "recalculateCount" => {
            let count = collection.documents.len();
            Ok(success(200, json!({ "result": true, "count": count })))
        }
        "compact" => Ok(success(200, head(&collection))),
        "responsibleShard" if is_cluster => {
            let first = shard::of(&collection).into_iter().next().map(|(name, _)| name);
            Ok(success(200, json!({ "shardId": first })))
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}
