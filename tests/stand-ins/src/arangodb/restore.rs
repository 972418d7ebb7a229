//! `/_api/replication/restore-*`: what a dump had becomes collections, documents, indexes and views.

use serde_json::{Map, Value, json};

use crate::arangodb::call::{Call, result};
use crate::arangodb::collection::{creation, must_lead_nobody};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::revision_number;
use crate::arangodb::{Inner, index, view as views};
use crate::service::Answer;

fn done() -> Answer {
    result(200, Value::Bool(true))
}

fn parameters(body: &Map<String, Value>) -> Outcome<&Map<String, Value>> {
    let parameters = body.get("parameters").and_then(Value::as_object);
    let parameters =
        parameters.ok_or_else(|| Refused::bad("collection parameters declaration is invalid"))?;
    match body.get("indexes").is_some_and(Value::is_array) {
        true => Ok(parameters),
        false => Err(Refused::bad("collection indexes declaration is invalid")),
    }
}

pub fn collection(is_cluster: bool, inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let mut wanted = parameters(&body)?.clone();
    let name = wanted.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(Refused::bad("collection name is missing"));
    }
    let known = call.collection_of(&inner.state, &name).ok().cloned();
    if let Some(known) = known {
        if !call.flag("overwrite") {
            return Err(Refused::duplicate_name(&name));
        }
        if known.is_system() {
            if name != "_users" {
                inner.commit(&json!({ "op": "truncate", "db": call.database, "c": name }))?;
            }
            return Ok(done());
        }
        must_lead_nobody(inner, call, &name)?;
        inner.commit(&json!({ "op": "drop", "db": call.database, "c": name }))?;
    }
    if !wanted.get("type").is_some_and(Value::is_number) {
        return Err(Refused::bad("collection type not given or wrong"));
    }
    if name.starts_with('_') {
        wanted.insert("isSystem".to_owned(), true.into());
    }
    if !is_cluster {
        for key in [
            "numberOfShards",
            "replicationFactor",
            "writeConcern",
            "minReplicationFactor",
            "shardKeys",
            "shardingStrategy",
            "distributeShardsLike",
        ] {
            wanted.remove(key);
        }
    }
    let change = creation(is_cluster, &mut inner.state, &call.database, &wanted)?;
    inner.commit(&change)?;
    Ok(done())
}

pub fn data(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let name = call.needs("collection")?;
    let collection = call.collection_of(&inner.state, name)?.clone();
    let text = std::str::from_utf8(&call.request.body)
        .map_err(|_| Refused::bad("the body is no UTF-8"))?;
    let mut put: Vec<(String, u64, String)> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let invalid = |what: &str| {
            Refused::new(
                400,
                1412,
                format!(
                    "received invalid JSON data for collection {name} on line {}: {what}",
                    number + 1
                ),
            )
        };
        let value: Value =
            serde_json::from_str(line).map_err(|error| invalid(&error.to_string()))?;
        let Value::Object(mut document) = value else { return Err(invalid("no object")) };
        if call.query("useEnvelope") != Some("false")
            && let Some(Value::Object(inner)) = document.remove("data")
        {
            document = inner;
        }
        let key = document.remove("_key").and_then(|key| key.as_str().map(str::to_owned));
        document.remove("_id");
        let revision = document.remove("_rev").and_then(|text| revision_number(text.as_str()?));
        let key = match name {
            // Users are replaced by their names, and their keys are new.
            "_users" => user_key(inner, &document),
            _ => key.ok_or_else(|| invalid("no _key"))?,
        };
        let taken = |revision: &u64| {
            let other = collection.documents.by_revision.get(revision);
            other.is_none_or(|other| other.key == key)
                && !put.iter().rev().take(1).any(|(_, other, _)| other == revision)
        };
        let revision = revision.filter(|revision| name != "_users" && taken(revision));
        let revision = revision.unwrap_or_else(|| inner.state.tick());
        put.push((key, revision, Value::Object(document).to_string()));
    }
    inner
        .commit(&json!({ "op": "documents", "db": call.database, "c": name, "documents": put }))?;
    Ok(done())
}

fn user_key(inner: &mut Inner, document: &Map<String, Value>) -> String {
    let users = inner.state.databases.get("_system").and_then(|it| it.collections.get("_users"));
    let known = users.into_iter().flat_map(|users| users.documents.by_revision.values());
    let mut known = known.filter(|it| {
        serde_json::from_str::<Value>(&it.body)
            .is_ok_and(|it| Some(&it["user"]) == document.get("user"))
    });
    let key = known.next().map(|it| it.key.clone());
    key.unwrap_or_else(|| inner.state.tick().to_string())
}

pub fn indexes(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let wanted = parameters(&body)?;
    let name = wanted.get("name").and_then(Value::as_str).unwrap_or_default();
    for one in body["indexes"].as_array().into_iter().flatten() {
        if matches!(one["type"].as_str(), Some("primary" | "edge")) {
            continue;
        }
        let collection = call.collection_of(&inner.state, name)?.clone();
        let definition = one.as_object().cloned().unwrap_or_default();
        let (_, change) =
            index::creation(&mut inner.state, &call.database, &collection, &definition)?;
        change.iter().try_for_each(|change| inner.commit(change))?;
    }
    Ok(done())
}

pub fn view(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() || !body.get("type").is_some_and(Value::is_string) {
        return Err(Refused::bad("bad parameter"));
    }
    if call.database_of(&inner.state)?.views.contains_key(name) {
        if !call.flag("overwrite") {
            return Err(Refused::duplicate_name(name));
        }
        inner.commit(&json!({ "op": "view", "db": call.database, "c": name, "value": null }))?;
    }
    let change = views::creation(&mut inner.state, &call.database, &body)?;
    inner.commit(&change)?;
    Ok(done())
}
