//! `/_api/analyzer`. Own ones are documents of `_analyzers`; the others are built in.

use serde_json::{Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, result, success};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::SYSTEM;

const ANALYZERS: &str = "_analyzers";
const LANGUAGES: [&str; 12] =
    ["de", "en", "es", "fi", "fr", "it", "nl", "no", "pt", "ru", "sv", "zh"];
const TYPES: [&str; 21] = [
    "identity",
    "delimiter",
    "multi_delimiter",
    "stem",
    "norm",
    "ngram",
    "text",
    "collation",
    "aql",
    "pipeline",
    "stopwords",
    "segmentation",
    "geojson",
    "geopoint",
    "geo_s2",
    "classification",
    "nearest_neighbors",
    "minhash",
    "wildcard",
    "tokens",
    "keyword",
];

fn built_in() -> Vec<Value> {
    let mut all = vec![
        json!({ "name": "identity", "type": "identity", "properties": {}, "features": ["frequency", "norm"] }),
    ];
    all.extend(LANGUAGES.map(|language| {
        json!({ "name": format!("text_{language}"), "type": "text", "features": ["frequency", "norm", "position"],
            "properties": { "locale": language, "case": "lower", "accent": false, "stemming": true, "stopwords": [] } })
    }));
    all
}

/// Key and analyzer of each that was made in a database, under its full name.
fn own(inner: &Inner, database: &str) -> Vec<(String, Value)> {
    let found = inner.state.databases.get(database);
    let documents = found.and_then(|it| it.collections.get(ANALYZERS)).map(|it| &it.documents);
    let all = documents.into_iter().flat_map(|documents| documents.by_revision.values());
    let all = all.filter_map(|document| {
        let mut value: Value = serde_json::from_str(&document.body).ok()?;
        let name = value["name"].as_str()?;
        value["name"] = format!("{database}::{name}").into();
        Some((document.key.clone(), shown(&value)))
    });
    all.collect()
}

fn shown(value: &Value) -> Value {
    json!({ "name": value["name"], "type": value["type"], "properties": value["properties"], "features": value["features"] })
}

pub fn answer(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let rest = call.rest();
    let full = |name: &str| match name.split_once("::") {
        Some(("", bare)) => format!("{SYSTEM}::{bare}"),
        Some(_) => name.to_owned(),
        None => format!("{}::{name}", call.database),
    };
    let unknown = || Refused::new(404, 1202, "analyzer not found");
    match (call.method, rest.as_slice()) {
        ("GET", []) => {
            let mut all = built_in();
            if call.database != SYSTEM {
                all.extend(own(inner, SYSTEM).into_iter().map(|(_, value)| value));
            }
            all.extend(own(inner, &call.database).into_iter().map(|(_, value)| value));
            Ok(result(200, all.into()))
        }
        ("GET", [name]) => {
            let own = own(inner, &call.database).into_iter().map(|(_, value)| value);
            let mut all = built_in().into_iter().chain(own);
            let found = all.find(|it| it["name"] == *name || it["name"] == full(name));
            Ok(success(200, found.ok_or_else(unknown)?))
        }
        ("POST", []) => create(inner, call, &full),
        ("DELETE", [name]) => {
            let found =
                own(inner, &call.database).into_iter().find(|(_, it)| it["name"] == full(name));
            let (key, value) = found.ok_or_else(unknown)?;
            inner.commit(
                &json!({ "op": "documents", "db": call.database, "c": ANALYZERS, "remove": [key] }),
            )?;
            Ok(success(200, json!({ "name": value["name"] })))
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

fn create(inner: &mut Inner, call: &Call<'_>, full: &dyn Fn(&str) -> String) -> Outcome {
    let mut body = Value::Object(call.object()?);
    let name = full(body["name"].as_str().unwrap_or_default());
    let bare = name.rsplit("::").next().unwrap_or_default().to_owned();
    let is_legal = bare.chars().next().is_some_and(char::is_alphabetic)
        && bare.chars().all(|it| it.is_alphanumeric() || "_-".contains(it));
    if !is_legal || !TYPES.contains(&body["type"].as_str().unwrap_or_default()) {
        return Err(Refused::bad("invalid analyzer name or type"));
    }
    for (key, default) in [("properties", json!({})), ("features", json!([]))] {
        if body[key].is_null() {
            body[key] = default;
        }
    }
    body["name"] = name.clone().into();
    let same = own(inner, &call.database).into_iter().find(|(_, it)| it["name"] == name);
    if let Some((_, known)) = same {
        return match known == shown(&body) {
            true => Ok(success(200, known)),
            false => Err(Refused::bad(
                "name collision detected: an analyzer of that name has another definition",
            )),
        };
    }
    let told = shown(&body);
    body["name"] = bare.into();
    let (key, revision) = (inner.state.tick().to_string(), inner.state.tick());
    inner.commit(&json!({ "op": "documents", "db": call.database, "c": ANALYZERS,
        "documents": [[key, revision, shown(&body).to_string()]] }))?;
    Ok(success(201, told))
}
