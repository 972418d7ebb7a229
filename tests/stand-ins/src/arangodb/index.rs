//! `/_api/index`.

use serde_json::{Map, Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, success};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::{Collection, State};

/// What can be asked for; the older names of `persistent` are understood too.
const TYPES: [&str; 10] = [
    "persistent",
    "hash",
    "skiplist",
    "ttl",
    "geo",
    "fulltext",
    "inverted",
    "mdi",
    "mdi-prefixed",
    "zkd",
];

/// Those that the system makes.
fn system_indexes(collection: &Collection) -> Vec<Value> {
    let mut all =
        vec![json!({ "id": "0", "type": "primary", "name": "primary", "fields": ["_key"],
        "unique": true, "sparse": false })];
    if collection.is_edge() {
        all.push(json!({ "id": "1", "type": "edge", "name": "edge", "fields": ["_from", "_to"], "unique": false,
            "sparse": false }));
    }
    all
}

fn shown(collection: &Collection, index: &Value) -> Value {
    let mut index = index.clone();
    index["id"] =
        format!("{}/{}", collection.name, index["id"].as_str().unwrap_or_default()).into();
    index
}

/// The definition as the server completes it.
fn complete(state: &mut State, body: &Map<String, Value>) -> Outcome<Value> {
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    if !TYPES.contains(&kind) {
        return Err(Refused::bad("invalid index type"));
    }
    let fields = body.get("fields").and_then(Value::as_array).filter(|fields| !fields.is_empty());
    if fields.is_none() {
        return Err(Refused::bad("'fields' must be a non-empty array"));
    }
    if kind == "ttl" && !body.get("expireAfter").is_some_and(Value::is_number) {
        return Err(Refused::bad("expireAfter attribute must be a number"));
    }
    let mut index = Value::Object(body.clone());
    let defaults = match kind {
        "persistent" | "hash" | "skiplist" => {
            json!({ "unique": false, "sparse": false, "deduplicate": true,
            "estimates": true, "cacheEnabled": false })
        }
        "ttl" => json!({ "unique": false, "sparse": true, "estimates": true }),
        "geo" => {
            json!({ "unique": false, "sparse": true, "geoJson": false, "legacyPolygons": false, "maxNumCoverCells": 8,
            "bestIndexedLevel": 17, "worstIndexedLevel": 4 })
        }
        "fulltext" => json!({ "unique": false, "sparse": true, "minLength": 2 }),
        "inverted" => {
            json!({ "unique": false, "sparse": true, "analyzer": "identity", "features": ["frequency", "norm"],
            "includeAllFields": false, "searchField": false, "trackListPositions": false, "cleanupIntervalStep": 2,
            "commitIntervalMsec": 1000, "consolidationIntervalMsec": 1000, "parallelism": 2, "primaryKeyCache": false, "cache": false, "storedValues": [],
            "optimizeTopK": [], "writebufferActive": 0, "writebufferIdle": 64, "writebufferSizeMax": 33554432, "version": 1,
            "primarySort": { "fields": [], "compression": "lz4", "cache": false },
            "consolidationPolicy": { "type": "tier", "segmentsMin": 1, "segmentsMax": 10, "segmentsBytesFloor": 2097152,
                "segmentsBytesMax": 5368709120_u64, "minScore": 0 } })
        }
        "mdi-prefixed" if !body.get("prefixFields").is_some_and(Value::is_array) => {
            return Err(Refused::bad("prefixFields must be a non-empty array"));
        }
        _ => {
            json!({ "unique": false, "sparse": false, "fieldValueTypes": "double", "estimates": true })
        }
    };
    for (key, value) in defaults.as_object().into_iter().flatten() {
        if index.get(key).is_none_or(Value::is_null) {
            index[key] = value.clone();
        }
    }
    if kind == "inverted" {
        let fields = index["fields"].as_array_mut().into_iter().flatten();
        for field in fields.filter(|field| field.is_string()) {
            *field = json!({ "name": field.clone() });
        }
    }
    let given = body
        .get("id")
        .and_then(Value::as_str)
        .map(|id| id.rsplit('/').next().unwrap_or(id).to_owned());
    let id = given.unwrap_or_else(|| state.tick().to_string());
    if index["name"].as_str().is_none_or(str::is_empty) {
        index["name"] = format!("idx_{id}").into();
    }
    index["id"] = id.into();
    for extra in ["inBackground", "isNewlyCreated", "error", "code", "selectivityEstimate"] {
        index.as_object_mut().map(|index| index.remove(extra));
    }
    Ok(index)
}

/// Whether two definitions mean the same index.
fn is_same(left: &Value, right: &Value) -> bool {
    let bare = |index: &Value| {
        let mut index = index.as_object().cloned().unwrap_or_default();
        index.remove("id");
        index.remove("name");
        index
    };
    bare(left) == bare(right)
}

/// The index, and the change that makes it where it is new.
pub fn creation(
    state: &mut State,
    database: &str,
    collection: &Collection,
    body: &Map<String, Value>,
) -> Outcome<(Value, Option<Value>)> {
    let index = complete(state, body)?;
    if let Some(same) = collection.indexes.iter().find(|known| is_same(known, &index)) {
        return Ok((same.clone(), None));
    }
    let has_name = |known: &&Value| known["name"] == index["name"] || known["id"] == index["id"];
    if collection.indexes.iter().any(|known| has_name(&known)) || index["name"] == "primary" {
        return Err(Refused::new(409, 1207, "duplicate value, an index of that name exists"));
    }
    let mut indexes = collection.indexes.clone();
    indexes.push(index.clone());
    let change = json!({ "op": "collection", "db": database, "c": collection.name, "id": collection.id,
        "properties": collection.properties, "indexes": indexes });
    Ok((index, Some(change)))
}

pub fn answer(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let rest = call.rest();
    let name = rest.first().copied().or(call.query("collection")).unwrap_or_default();
    let collection = call.collection_of(&inner.state, name)?.clone();
    let unknown = || Refused::new(404, 1212, "index not found");
    match (call.method, rest.as_slice()) {
        ("GET", []) => {
            let mut all = system_indexes(&collection);
            all.extend(collection.indexes.iter().cloned());
            let all: Vec<Value> = all.iter().map(|index| shown(&collection, index)).collect();
            let by_id: Map<String, Value> = all
                .iter()
                .map(|it| (it["id"].as_str().unwrap_or_default().to_owned(), it.clone()))
                .collect();
            Ok(success(200, json!({ "indexes": all, "identifiers": by_id })))
        }
        ("POST", []) => {
            let body = call.object()?;
            let (index, change) = creation(&mut inner.state, &call.database, &collection, &body)?;
            let is_new = change.is_some();
            change.iter().try_for_each(|change| inner.commit(change))?;
            let mut told = shown(&collection, &index);
            told["isNewlyCreated"] = is_new.into();
            Ok(success(if is_new { 201 } else { 200 }, told))
        }
        (_, [_, id]) => {
            let mut all = system_indexes(&collection);
            all.extend(collection.indexes.iter().cloned());
            let found = all.into_iter().find(|index| index["id"] == *id || index["name"] == *id);
            let found = found.ok_or_else(unknown)?;
            match call.method {
                "GET" => Ok(success(200, shown(&collection, &found))),
                "DELETE" if matches!(found["type"].as_str(), Some("primary" | "edge")) => {
                    Err(Refused::forbidden())
                }
                "DELETE" => {
                    let indexes: Vec<Value> = collection
                        .indexes
                        .iter()
                        .filter(|index| index["id"] != found["id"])
                        .cloned()
                        .collect();
                    inner.commit(&json!({ "op": "collection", "db": call.database, "c": collection.name,
                        "id": collection.id, "properties": collection.properties, "indexes": indexes }))?;
                    Ok(success(200, json!({ "id": shown(&collection, &found)["id"] })))
                }
                _ => Err(Refused::no_method()),
            }
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}
