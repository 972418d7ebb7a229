//! `/_api/view`: arangosearch and search-alias.

use serde_json::{Map, Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, result, success};
use crate::arangodb::collection::is_legal;
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::{Database, State};

fn search_defaults() -> Value {
    json!({ "cleanupIntervalStep": 2, "commitIntervalMsec": 1000, "consolidationIntervalMsec": 1000,
        "consolidationPolicy": { "type": "tier", "segmentsMin": 1, "segmentsMax": 10, "segmentsBytesFloor": 2097152,
            "segmentsBytesMax": 5368709120_u64, "minScore": 0 },
        "primarySort": [], "primarySortCompression": "lz4", "primarySortCache": false, "primaryKeyCache": false,
        "storedValues": [], "optimizeTopK": [], "writebufferActive": 0, "writebufferIdle": 64,
        "writebufferSizeMax": 33554432, "links": {} })
}

fn link(given: &Value) -> Value {
    let mut link = json!({ "analyzers": ["identity"], "fields": {}, "includeAllFields": false, "storeValues": "none",
        "trackListPositions": false, "cache": false, "storedValues": [] });
    for (key, value) in given.as_object().into_iter().flatten() {
        if key != "inBackground" {
            link[key] = value.clone();
        }
    }
    // What is as it is everywhere is not told.
    if let Some(link) = link.as_object_mut() {
        link.retain(|key, value| match key.as_str() {
            "storedValues" => *value != json!([]),
            "cache" => *value != json!(false),
            _ => true,
        });
    }
    link
}

/// Whether all that a view is about is there.
fn check(database: &Database, view: &Value) -> Outcome<()> {
    for name in view["links"].as_object().into_iter().flatten().map(|(name, _)| name) {
        if !database.collections.contains_key(name) {
            return Err(Refused::no_collection(name));
        }
    }
    for one in view["indexes"].as_array().into_iter().flatten() {
        let name = one["collection"].as_str().unwrap_or_default();
        let collection =
            database.collections.get(name).ok_or_else(|| Refused::no_collection(name))?;
        let is_it = |index: &&Value| index["type"] == "inverted" && index["name"] == one["index"];
        if !collection.indexes.iter().any(|index| is_it(&index)) {
            return Err(Refused::new(404, 1212, "index not found"));
        }
    }
    Ok(())
}

/// The change that makes a view.
pub fn creation(state: &mut State, database: &str, body: &Map<String, Value>) -> Outcome<Value> {
    let known = state.databases.get(database).ok_or_else(Refused::no_database)?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    if !is_legal(name, false) {
        return Err(Refused::illegal_name());
    }
    if known.collections.contains_key(name) || known.views.contains_key(name) {
        return Err(Refused::duplicate_name(name));
    }
    let mut view = match body.get("type").and_then(Value::as_str) {
        Some("arangosearch") => search_defaults(),
        Some("search-alias") => json!({ "indexes": [] }),
        _ => return Err(Refused::bad("invalid view type")),
    };
    for (key, value) in body {
        if key == "id" || key == "globallyUniqueId" {
            continue;
        }
        view[key] = value.clone();
    }
    for (_, one) in view.get_mut("links").and_then(Value::as_object_mut).into_iter().flatten() {
        *one = link(one);
    }
    check(known, &view)?;
    view["id"] = state.tick().to_string().into();
    Ok(json!({ "op": "view", "db": database, "c": name, "value": view }))
}

fn head(view: &Value) -> Value {
    json!({ "id": view["id"], "name": view["name"], "type": view["type"],
        "globallyUniqueId": format!("hSTANDIN/{}", view["id"].as_str().unwrap_or_default()) })
}

/// All that a view says of itself. A link to a collection that is gone is gone too.
pub fn shown(database: &Database, view: &Value) -> Value {
    let mut all = view.clone();
    all["globallyUniqueId"] = head(view)["globallyUniqueId"].clone();
    if let Some(links) = all.get_mut("links").and_then(Value::as_object_mut) {
        links.retain(|name, _| database.collections.contains_key(name));
    }
    all
}

pub fn answer(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let rest = call.rest();
    let view = |inner: &Inner, name: &str| {
        let database = call.database_of(&inner.state)?;
        let by_id = || database.views.values().find(|view| view["id"] == name);
        let found = database.views.get(name).or_else(by_id);
        found.cloned().ok_or_else(|| Refused::no_collection(name))
    };
    match (call.method, rest.as_slice()) {
        ("GET", []) => {
            let database = call.database_of(&inner.state)?;
            Ok(result(200, database.views.values().map(head).collect()))
        }
        ("POST", []) => {
            let change = creation(&mut inner.state, &call.database, &call.object()?)?;
            inner.commit(&change)?;
            Ok(success(201, shown(call.database_of(&inner.state)?, &change["value"])))
        }
        ("GET", [name]) => Ok(success(200, head(&view(inner, name)?))),
        ("GET", [name, "properties"]) => {
            let view = view(inner, name)?;
            Ok(success(200, shown(call.database_of(&inner.state)?, &view)))
        }
        ("DELETE", [name]) => {
            let view = view(inner, name)?;
            inner.commit(
                &json!({ "op": "view", "db": call.database, "c": view["name"], "value": null }),
            )?;
            Ok(result(200, Value::Bool(true)))
        }
        ("PUT", [name, "rename"]) => {
            let mut view = view(inner, name)?;
            let to = call.object()?.get("name").cloned().unwrap_or_default();
            inner.commit(
                &json!({ "op": "view", "db": call.database, "c": view["name"], "value": null }),
            )?;
            view["name"] = to.clone();
            inner.commit(&json!({ "op": "view", "db": call.database, "c": to, "value": view }))?;
            Ok(success(200, head(&view)))
        }
        ("PUT" | "PATCH", [name, "properties"]) => {
            let old = view(inner, name)?;
            let new = changed(&old, &call.object()?, call.method == "PUT");
            check(call.database_of(&inner.state)?, &new)?;
            inner.commit(
                &json!({ "op": "view", "db": call.database, "c": old["name"], "value": new }),
            )?;
            Ok(success(200, shown(call.database_of(&inner.state)?, &new)))
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

/// What cannot be changed stays.
fn changed(old: &Value, body: &Map<String, Value>, is_replacing: bool) -> Value {
    const FIXED: [&str; 9] = [
        "id",
        "name",
        "type",
        "primarySort",
        "primarySortCompression",
        "primarySortCache",
        "primaryKeyCache",
        "storedValues",
        "optimizeTopK",
    ];
    let is_search = old["type"] == "arangosearch";
    let mut new = if is_replacing && is_search { search_defaults() } else { old.clone() };
    for key in FIXED {
        if let Some(value) = old.get(key) {
            new[key] = value.clone();
        }
    }
    for (key, value) in body.iter().filter(|(key, _)| !FIXED.contains(&key.as_str())) {
        match (key.as_str(), value) {
            ("links", Value::Object(links)) => {
                for (name, given) in links {
                    if given.is_null() {
                        new["links"].as_object_mut().map(|links| links.remove(name));
                    } else {
                        new["links"][name] = link(given);
                    }
                }
            }
            ("indexes", Value::Array(changes)) if !is_replacing => {
                let mut indexes = new["indexes"].as_array().cloned().unwrap_or_default();
                for change in changes {
                    let pair =
                        json!({ "collection": change["collection"], "index": change["index"] });
                    indexes.retain(|known| *known != pair);
                    if change["operation"] != "del" {
                        indexes.push(pair);
                    }
                }
                new["indexes"] = indexes.into();
            }
            _ => new[key] = value.clone(),
        }
    }
    new
}
