//! `/_api/gharial`. Graphs are documents of `_graphs`.

use serde_json::{Map, Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, success};
use crate::arangodb::collection;
use crate::arangodb::document::condition;
use crate::arangodb::modify::{Action, Changes, Wish};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::revision_text;

const GRAPHS: &str = "_graphs";

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

/// The graph as it is shown.
fn find(inner: &Inner, call: &Call<'_>, name: &str) -> Outcome<Value> {
    let graphs = call.collection_of(&inner.state, GRAPHS)?;
    let document = graphs.documents.get(name).ok_or_else(|| Refused::no_graph(name))?;
    let mut graph = document.value(GRAPHS);
    graph["name"] = name.into();
    Ok(graph)
}

/// Collections of vertices that the edge definitions name.
fn used(graph: &Value) -> Vec<String> {
    let definitions = graph["edgeDefinitions"].as_array().into_iter().flatten();
    definitions.flat_map(|one| [strings(&one["from"]), strings(&one["to"])].concat()).collect()
}

fn sorted(definition: &Value) -> Outcome<Value> {
    let collection = definition["collection"].as_str().filter(|name| !name.is_empty());
    let collection =
        collection.ok_or_else(|| Refused::new(400, 1923, "invalid edge definition"))?;
    let ends = ["from", "to"].map(|end| {
        let mut names = strings(&definition[end]);
        names.sort();
        names.dedup();
        names
    });
    if ends.iter().any(Vec::is_empty) {
        return Err(Refused::new(400, 1923, "invalid edge definition"));
    }
    Ok(json!({ "collection": collection, "from": ends[0], "to": ends[1] }))
}

/// Makes collections that are not there yet.
fn make_collections(
    is_cluster: bool,
    inner: &mut Inner,
    call: &Call<'_>,
    graph: &Value,
) -> Outcome<()> {
    let edges = graph["edgeDefinitions"].as_array().into_iter().flatten();
    let edges: Vec<(String, u8)> =
        edges.map(|one| (one["collection"].as_str().unwrap_or_default().to_owned(), 3)).collect();
    let vertices = [used(graph), strings(&graph["orphanCollections"])].concat();
    for (name, kind) in edges.into_iter().chain(vertices.into_iter().map(|name| (name, 2))) {
        if let Ok(known) = call.collection_of(&inner.state, &name) {
            if kind == 3 && !known.is_edge() {
                return Err(Refused::new(400, 1942, format!("{name} is no edge collection")));
            }
            continue;
        }
        let mut body = Map::new();
        for key in ["numberOfShards", "replicationFactor", "writeConcern"] {
            if let Some(value) = graph.get(key).filter(|value| value.is_number()) {
                body.insert(key.to_owned(), value.clone());
            }
        }
        body.insert("name".to_owned(), name.into());
        body.insert("type".to_owned(), kind.into());
        let change = collection::creation(is_cluster, &mut inner.state, &call.database, &body)?;
        inner.commit(&change)?;
    }
    Ok(())
}

fn save(inner: &mut Inner, call: &Call<'_>, name: &str, graph: &Value) -> Outcome<Value> {
    let mut body = graph.as_object().cloned().unwrap_or_default();
    for key in ["_key", "_id", "_rev", "name"] {
        body.remove(key);
    }
    let revision = inner.state.tick();
    inner.commit(&json!({ "op": "documents", "db": call.database, "c": GRAPHS,
        "documents": [[name, revision, Value::Object(body).to_string()]] }))?;
    find(inner, call, name)
}

pub fn answer(is_cluster: bool, inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let rest = call.rest();
    match (call.method, rest.as_slice()) {
        ("GET", []) => {
            let keys: Vec<String> = {
                let graphs = call.collection_of(&inner.state, GRAPHS)?;
                graphs.documents.by_revision.values().map(|it| it.key.clone()).collect()
            };
            let all: Vec<Value> =
                keys.iter().map(|key| find(inner, call, key)).collect::<Outcome<_>>()?;
            Ok(success(200, json!({ "graphs": all })))
        }
        ("POST", []) => create(is_cluster, inner, call),
        ("GET", [name]) => Ok(success(200, json!({ "graph": find(inner, call, name)? }))),
        ("DELETE", [name]) => delete(inner, call, name),
        (_, [name, "vertex"])
            if call.method != "POST" || call.object()?.contains_key("collection") =>
        {
            vertices(is_cluster, inner, call, name)
        }
        (_, [name, "vertex", gone]) if call.method == "DELETE" => {
            remove_vertex(inner, call, name, gone)
        }
        (_, [name, "edge"]) => edges(is_cluster, inner, call, name, None),
        (_, [name, "edge", which]) if call.method != "POST" => {
            edges(is_cluster, inner, call, name, Some(which))
        }
        (_, [name, kind @ ("vertex" | "edge"), collection, key @ ..]) => {
            find(inner, call, name)?;
            item(inner, call, kind, collection, key.first().copied())
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

fn create(is_cluster: bool, inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let name = body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refused::new(400, 1920, "invalid graph name"))?;
    if find(inner, call, name).is_ok() {
        return Err(Refused::new(409, 1925, "graph already exists"));
    }
    let definitions =
        body.get("edgeDefinitions").and_then(Value::as_array).cloned().unwrap_or_default();
    let definitions: Vec<Value> = definitions.iter().map(sorted).collect::<Outcome<_>>()?;
    let orphans = strings(body.get("orphanCollections").unwrap_or(&Value::Null));
    let mut graph = json!({ "edgeDefinitions": definitions, "orphanCollections": orphans });
    if is_cluster {
        for (key, default) in [("numberOfShards", 1), ("replicationFactor", 1), ("writeConcern", 1)]
        {
            graph[key] =
                body.get("options").and_then(|it| it.get(key)).cloned().unwrap_or(default.into());
        }
    }
    make_collections(is_cluster, inner, call, &graph)?;
    let graph = save(inner, call, name, &graph)?;
    let status = if call.flag("waitForSync") { 201 } else { 202 };
    Ok(success(status, json!({ "graph": graph })))
}

fn delete(inner: &mut Inner, call: &Call<'_>, name: &str) -> Outcome {
    let graph = find(inner, call, name)?;
    inner.commit(
        &json!({ "op": "documents", "db": call.database, "c": GRAPHS, "remove": [name] }),
    )?;
    if call.flag("dropCollections") {
        let edges = graph["edgeDefinitions"].as_array().into_iter().flatten();
        let edges = edges.filter_map(|one| one["collection"].as_str().map(str::to_owned));
        let all = edges.chain(used(&graph)).chain(strings(&graph["orphanCollections"]));
        for collection in all.collect::<Vec<_>>() {
            inner.commit(&json!({ "op": "drop", "db": call.database, "c": collection }))?;
        }
    }
    Ok(success(202, json!({ "removed": true })))
}

fn vertices(is_cluster: bool, inner: &mut Inner, call: &Call<'_>, name: &str) -> Outcome {
    let mut graph = find(inner, call, name)?;
    if call.method == "GET" {
        let mut all = [used(&graph), strings(&graph["orphanCollections"])].concat();
        all.sort();
        all.dedup();
        return Ok(success(200, json!({ "collections": all })));
    }
    let body = call.object()?;
    let added = body.get("collection").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut orphans = strings(&graph["orphanCollections"]);
    if orphans.contains(&added) {
        return Err(Refused::new(400, 1938, "collection already used in orphans"));
    }
    if used(&graph).contains(&added) {
        return Err(Refused::new(400, 1929, "collection used in edge definitions"));
    }
    orphans.push(added);
    graph["orphanCollections"] = json!(orphans);
    make_collections(is_cluster, inner, call, &graph)?;
    let graph = save(inner, call, name, &graph)?;
    Ok(success(202, json!({ "graph": graph })))
}

fn remove_vertex(inner: &mut Inner, call: &Call<'_>, name: &str, gone: &str) -> Outcome {
    let mut graph = find(inner, call, name)?;
    if used(&graph).iter().any(|it| it == gone) {
        return Err(Refused::new(400, 1946, "collection is used in edge definitions"));
    }
    let mut orphans = strings(&graph["orphanCollections"]);
    if !orphans.iter().any(|it| it == gone) {
        return Err(Refused::new(404, 1928, "collection is not in list of orphan collections"));
    }
    orphans.retain(|it| it != gone);
    graph["orphanCollections"] = json!(orphans);
    let graph = save(inner, call, name, &graph)?;
    if call.flag("dropCollection") {
        inner.commit(&json!({ "op": "drop", "db": call.database, "c": gone }))?;
    }
    Ok(success(202, json!({ "graph": graph })))
}

fn edges(
    is_cluster: bool,
    inner: &mut Inner,
    call: &Call<'_>,
    name: &str,
    which: Option<&str>,
) -> Outcome {
    let mut graph = find(inner, call, name)?;
    let mut definitions = graph["edgeDefinitions"].as_array().cloned().unwrap_or_default();
    let before = used(&graph);
    match (call.method, which) {
        ("GET", None) => {
            let mut all: Vec<Value> =
                definitions.iter().map(|one| one["collection"].clone()).collect();
            all.sort_by_key(Value::to_string);
            return Ok(success(200, json!({ "collections": all })));
        }
        ("POST", None) => {
            let added = sorted(&Value::Object(call.object()?))?;
            if definitions.iter().any(|one| one["collection"] == added["collection"]) {
                return Err(Refused::new(400, 1920, "multi use of edge collection in edge def"));
            }
            definitions.push(added);
        }
        (method, Some(which)) => {
            let position = definitions.iter().position(|one| one["collection"] == which);
            let position = position
                .ok_or_else(|| Refused::new(404, 1930, "edge collection not used in graph"))?;
            match method {
                "PUT" => definitions[position] = sorted(&Value::Object(call.object()?))?,
                "DELETE" => drop(definitions.remove(position)),
                _ => return Err(Refused::no_method()),
            }
        }
        _ => return Err(Refused::no_method()),
    }
    graph["edgeDefinitions"] = definitions.into();
    // What no edge definition uses any more stays in the graph.
    let after = used(&graph);
    let mut orphans = strings(&graph["orphanCollections"]);
    orphans.extend(before.into_iter().filter(|it| !after.contains(it)));
    orphans.retain(|it| !after.contains(it));
    orphans.sort();
    orphans.dedup();
    graph["orphanCollections"] = json!(orphans);
    make_collections(is_cluster, inner, call, &graph)?;
    let graph = save(inner, call, name, &graph)?;
    if let Some(which) = which.filter(|_| call.method == "DELETE" && call.flag("dropCollections")) {
        inner.commit(&json!({ "op": "drop", "db": call.database, "c": which }))?;
    }
    Ok(success(202, json!({ "graph": graph })))
}

/// One vertex or edge.
fn item(inner: &mut Inner, call: &Call<'_>, kind: &str, name: &str, key: Option<&str>) -> Outcome {
    let collection = call.collection_of(&inner.state, name)?.clone();
    if let ("GET", Some(key)) = (call.method, key) {
        let document = collection.documents.get(key).ok_or_else(Refused::no_document)?;
        let revision = revision_text(document.revision);
        let wanted = condition(call, "if-match").or(call.query("rev"));
        if wanted.is_some_and(|wanted| wanted != revision) {
            return Err(Refused::conflict());
        }
        let answer = success(200, json!({ kind: document.value(name) }));
        return Ok(answer.with("etag", &format!("\"{revision}\"")));
    }
    let action = match call.method {
        "POST" => Action::Insert,
        "PUT" => Action::Replace,
        "PATCH" => Action::Update,
        "DELETE" => Action::Remove,
        _ => return Err(Refused::no_method()),
    };
    let body = call.json()?;
    if kind == "edge" && action != Action::Remove {
        for end in ["_from", "_to"] {
            let Some(text) = body.get(end).and_then(Value::as_str) else { continue };
            let (owner, key) = text.split_once('/').unwrap_or((text, ""));
            let known = call.collection_of(&inner.state, owner)?;
            known.documents.get(key).ok_or_else(Refused::no_document)?;
        }
    }
    let wish = Wish { has_new: true, has_old: true, ..Wish::of(call) };
    let mut changes = Changes::of(&collection);
    let tick = inner.state.tick();
    let mut told = changes.change(action, &body, key, &wish, tick)?;
    inner.commit(&changes.entry(&call.database))?;
    let mut all = json!({});
    for (which, flag) in [("new", "returnNew"), ("old", "returnOld")] {
        let value = told.as_object_mut().and_then(|told| told.remove(which));
        if let Some(value) = value.filter(|_| call.flag(flag)) {
            all[which] = value;
        }
    }
    let etag = format!("\"{}\"", told["_rev"].as_str().unwrap_or_default());
    if action == Action::Remove {
        all["removed"] = true.into();
    } else {
        all[kind] = told;
    }
    let status = match (action, call.flag("waitForSync")) {
        (Action::Insert, true) => 201,
        (_, true) => 200,
        (_, false) => 202,
    };
    Ok(success(status, all).with("etag", &etag))
}
