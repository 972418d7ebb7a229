//! Documents are written: one, many, or imported.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, success};
use crate::arangodb::document::{condition, key_of};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::{Collection, revision_text};
use crate::service::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Insert,
    Replace,
    Update,
    Remove,
}

/// What is to be done with documents, and what it came to so far.
pub struct Changes {
    collection: Collection,
    /// Keys that were changed: what is there now, or none.
    new: HashMap<String, Option<(u64, Value)>>,
    order: Vec<String>,
}

/// How the caller wants it.
pub struct Wish<'a> {
    pub mode: Option<&'a str>,
    pub keeps_null: bool,
    pub merges: bool,
    /// The revision that the document must have, by the header.
    pub revision: Option<String>,
    pub ignores_revisions: bool,
    pub has_new: bool,
    pub has_old: bool,
}

impl<'a> Wish<'a> {
    pub fn of(call: &'a Call<'_>) -> Self {
        let is_overwriting = call.flag("overwrite").then_some("replace");
        Self {
            mode: call.query("overwriteMode").or(is_overwriting),
            keeps_null: call.query("keepNull") != Some("false"),
            merges: call.query("mergeObjects") != Some("false"),
            revision: condition(call, "if-match").map(str::to_owned),
            ignores_revisions: call.query("ignoreRevs") != Some("false"),
            has_new: call.flag("returnNew"),
            has_old: call.flag("returnOld"),
        }
    }
}

/// <https://docs.arangodb.com/stable/concepts/data-structure/documents/#document-keys>.
fn is_legal_key(key: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-:.@()+,=;$!*'%".contains(&byte);
    (1..=254).contains(&key.len()) && key.bytes().all(is_legal)
}

fn system_of(body: &Value, key: &str) -> Option<String> {
    body.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// `collection/key`, as `_from` and `_to` are.
fn is_handle(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| {
        text.split_once('/')
            .is_some_and(|(collection, key)| !collection.is_empty() && is_legal_key(key))
    })
}

fn merge(old: &mut Map<String, Value>, new: &Map<String, Value>, keeps_null: bool, merges: bool) {
    for (key, value) in new {
        match (old.get_mut(key), value) {
            (_, Value::Null) if !keeps_null => drop(old.remove(key)),
            (Some(Value::Object(old)), Value::Object(new)) if merges => {
                merge(old, new, keeps_null, merges)
            }
            _ => drop(old.insert(key.clone(), value.clone())),
        }
    }
}

impl Changes {
    pub fn of(collection: &Collection) -> Self {
        Self { collection: collection.clone(), new: HashMap::new(), order: Vec::new() }
    }

    /// What is there now: revision and body.
    fn now(&self, key: &str) -> Option<(u64, Value)> {
        if let Some(changed) = self.new.get(key) {
            return changed.clone();
        }
        let document = self.collection.documents.get(key)?;
        Some((document.revision, serde_json::from_str(&document.body).unwrap_or_default()))
    }

    fn set(&mut self, key: &str, value: Option<(u64, Value)>) {
        if self.new.insert(key.to_owned(), value).is_none() {
            self.order.push(key.to_owned());
        }
    }

    /// Does one thing and tells what the server answers.
    pub fn change(
        &mut self,
        action: Action,
        body: &Value,
        key: Option<&str>,
        wish: &Wish<'_>,
        tick: u64,
    ) -> Outcome<Value> {
        let is_insert = action == Action::Insert;
        if action != Action::Remove && !body.is_object() {
            return Err(Refused::new(400, 1227, "invalid document type"));
        }
        let named = key.map(str::to_owned).or_else(|| match is_insert {
            true => system_of(body, "_key"),
            false => key_of(body),
        });
        if is_insert && body.get("_key").is_some_and(|key| !key.is_string()) {
            return Err(Refused::new(400, 1221, "illegal document key"));
        }
        let key = match named {
            Some(key) => key,
            None if is_insert => tick.to_string(),
            None => return Err(Refused::new(400, 1221, "illegal document key")),
        };
        if !is_legal_key(&key) {
            return Err(Refused::new(400, 1221, "illegal document key"));
        }
        let old = self.now(&key);
        let action = match (action, &old, wish.mode) {
            (Action::Insert, Some(_), Some("replace")) => Action::Replace,
            (Action::Insert, Some(_), Some("update")) => Action::Update,
            (Action::Insert, Some((revision, _)), Some("ignore")) => {
                return Ok(self.told(&key, *revision, None));
            }
            (Action::Insert, Some(_), _) => {
                return Err(Refused::unique(&format!(
                    "primary of type primary over '_key'; conflicting key: {key}"
                )));
            }
            (action, _, _) => action,
        };
        if action != Action::Insert {
            let (revision, _) = old.as_ref().ok_or_else(Refused::no_document)?;
            let in_body = system_of(body, "_rev").filter(|_| !wish.ignores_revisions && !is_insert);
            let wanted = wish.revision.clone().or(in_body);
            if wanted.is_some_and(|wanted| wanted != revision_text(*revision)) {
                return Err(Refused::conflict());
            }
        }
        if action == Action::Remove {
            let (revision, body) = old.unwrap_or_default();
            self.set(&key, None);
            let mut told = self.told(&key, revision, None);
            if wish.has_old {
                told["old"] = self.whole(&key, revision, &body);
            }
            return Ok(told);
        }
        let new = self.body(action, body, old.as_ref().map(|(_, body)| body), wish)?;
        self.must_be_unique(&key, &new)?;
        self.set(&key, Some((tick, new.clone())));
        let mut told = self.told(&key, tick, old.as_ref().map(|(revision, _)| *revision));
        if wish.has_new {
            told["new"] = self.whole(&key, tick, &new);
        }
        if let Some((revision, body)) = old.filter(|_| wish.has_old) {
            told["old"] = self.whole(&key, revision, &body);
        }
        Ok(told)
    }

    fn body(
        &self,
        action: Action,
        body: &Value,
        old: Option<&Value>,
        wish: &Wish<'_>,
    ) -> Outcome<Value> {
        let mut new = body.as_object().cloned().unwrap_or_default();
        for key in ["_key", "_id", "_rev"] {
            new.remove(key);
        }
        if !wish.keeps_null && action == Action::Insert {
            new.retain(|_, value| !value.is_null());
        }
        let old = old.and_then(Value::as_object);
        if action == Action::Update {
            let mut merged = old.cloned().unwrap_or_default();
            merge(&mut merged, &new, wish.keeps_null, wish.merges);
            new = merged;
        }
        if self.collection.is_edge() {
            for end in ["_from", "_to"] {
                if let (None, Some(value)) = (new.get(end), old.and_then(|old| old.get(end))) {
                    new.insert(end.to_owned(), value.clone());
                }
            }
            if !is_handle(new.get("_from")) || !is_handle(new.get("_to")) {
                return Err(Refused::new(400, 1233, "edge attribute missing or invalid"));
            }
        }
        Ok(Value::Object(new))
    }

    fn must_be_unique(&self, key: &str, new: &Value) -> Outcome<()> {
        for index in self.collection.indexes.iter().filter(|index| index["unique"] == true) {
            let fields: Vec<&str> = index["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let values = |body: &Value| {
                fields
                    .iter()
                    .map(|field| body.get(*field).cloned().unwrap_or_default())
                    .collect::<Vec<_>>()
            };
            let own = values(new);
            if index["sparse"] == true && own.iter().any(Value::is_null) {
                continue;
            }
            let stored = self.collection.documents.by_revision.values();
            let taken = stored
                .filter(|it| it.key != key && !self.new.contains_key(&it.key))
                .any(|it| values(&serde_json::from_str(&it.body).unwrap_or_default()) == own);
            let changed = self.new.iter().filter(|(other, _)| other.as_str() != key);
            let mut changed = changed.filter_map(|(_, value)| value.as_ref());
            if taken || changed.any(|(_, body)| values(body) == own) {
                return Err(Refused::unique(index["name"].as_str().unwrap_or_default()));
            }
        }
        Ok(())
    }

    fn told(&self, key: &str, revision: u64, old: Option<u64>) -> Value {
        let id = format!("{}/{key}", self.collection.name);
        let mut told = json!({ "_key": key, "_id": id, "_rev": revision_text(revision) });
        if let Some(old) = old {
            told["_oldRev"] = revision_text(old).into();
        }
        told
    }

    fn whole(&self, key: &str, revision: u64, body: &Value) -> Value {
        let mut all = self.told(key, revision, None);
        for (key, value) in body.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        all
    }

    /// The entry of the journal.
    pub fn entry(self, database: &str) -> Value {
        let mut put = Vec::new();
        let mut removed = Vec::new();
        for key in &self.order {
            match &self.new[key] {
                Some((revision, body)) => put.push(json!([key, revision, body.to_string()])),
                None => removed.push(key.clone()),
            }
        }
        json!({ "op": "documents", "db": database, "c": self.collection.name, "documents": put, "remove": removed })
    }
}

pub fn answer(
    inner: &mut Inner,
    call: &Call<'_>,
    name: &str,
    key: Option<&str>,
    action: Action,
) -> Outcome {
    let collection = call.collection_of(&inner.state, name)?.clone();
    let is_waiting =
        call.flag("waitForSync") || collection.properties.get("waitForSync") == Some(&json!(true));
    let status = match (action, is_waiting) {
        (Action::Remove, true) => 200,
        (_, true) => 201,
        (_, false) => 202,
    };
    let wish = Wish::of(call);
    let mut changes = Changes::of(&collection);
    let body = call.json()?;
    let Value::Array(bodies) = &body else {
        let tick = inner.state.tick();
        let told = changes.change(action, &body, key, &wish, tick)?;
        let etag = format!("\"{}\"", told["_rev"].as_str().unwrap_or_default());
        inner.commit(&changes.entry(&call.database))?;
        let told = if call.flag("silent") { json!({}) } else { told };
        return Ok(Answer::json(status, &told).with("etag", &etag));
    };
    let wish = Wish { revision: None, ..wish };
    let mut items = Vec::new();
    let mut failed: HashMap<u32, u32> = HashMap::new();
    for body in bodies {
        let tick = inner.state.tick();
        match changes.change(action, body, None, &wish, tick) {
            Ok(_) if call.flag("silent") => {}
            Ok(told) => items.push(told),
            Err(refused) => {
                *failed.entry(refused.number).or_default() += 1;
                items.push(refused.item());
            }
        }
    }
    inner.commit(&changes.entry(&call.database))?;
    let mut answer = Answer::json(status, &json!(items));
    if !failed.is_empty() {
        let codes: Vec<String> =
            failed.iter().map(|(code, count)| format!("{code}:{count}")).collect();
        answer = answer.with("x-arango-error-codes", &codes.join(","));
    }
    Ok(answer)
}

/// `POST /_api/import`.
pub fn import(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let collection = call.collection_of(&inner.state, call.needs("collection")?)?.clone();
    let text = std::str::from_utf8(&call.request.body)
        .map_err(|_| Refused::bad("the body is no UTF-8"))?;
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let parse = |text: &str| serde_json::from_str::<Value>(text);
    let invalid = |error: serde_json::Error| Refused::new(400, 600, error.to_string());
    let bodies: Vec<Value> = match call.query("type") {
        Some("documents") => lines().map(parse).collect::<Result<_, _>>().map_err(invalid)?,
        Some("list" | "array") => {
            parse(text).map_err(invalid)?.as_array().cloned().unwrap_or_default()
        }
        Some("auto") if text.trim_start().starts_with('[') => {
            parse(text).map_err(invalid)?.as_array().cloned().unwrap_or_default()
        }
        Some("auto") => lines().map(parse).collect::<Result<_, _>>().map_err(invalid)?,
        _ => {
            let rows: Vec<Value> = lines().map(parse).collect::<Result<_, _>>().map_err(invalid)?;
            let (names, rows) = rows.split_first().ok_or_else(|| Refused::bad("no header"))?;
            let object = |row: &Value| {
                let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
                names
                    .zip(row.as_array().into_iter().flatten())
                    .map(|(key, value)| (key.to_owned(), value.clone()))
                    .collect::<Map<_, _>>()
                    .into()
            };
            rows.iter().map(object).collect()
        }
    };
    if call.flag("overwrite") {
        inner.commit(&json!({ "op": "truncate", "db": call.database, "c": collection.name }))?;
    }
    let collection = call.collection_of(&inner.state, &collection.name)?.clone();
    let mode = call.query("onDuplicate").filter(|mode| *mode != "error");
    let wish = Wish { mode, ..Wish::of(call) };
    let mut changes = Changes::of(&collection);
    let mut counts = [0_u64; 4];
    let mut details = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        let exists = key_of(body).is_some_and(|key| changes.now(&key).is_some());
        let tick = inner.state.tick();
        match changes.change(Action::Insert, &prefixed(call, body), None, &wish, tick) {
            Ok(_) if exists && mode == Some("ignore") => counts[3] += 1,
            Ok(_) => counts[usize::from(exists)] += 1,
            Err(refused) if call.flag("complete") => return Err(refused),
            Err(refused) => {
                counts[2] += 1;
                details.push(format!("at position {number}: {}", refused.message));
            }
        }
    }
    inner.commit(&changes.entry(&call.database))?;
    let mut told = json!({ "created": counts[0], "updated": counts[1], "errors": counts[2], "ignored": counts[3], "empty": 0 });
    if call.flag("details") {
        told["details"] = json!(details);
    }
    Ok(success(201, told))
}

/// With what `fromPrefix` and `toPrefix` put in front.
fn prefixed(call: &Call<'_>, body: &Value) -> Value {
    let mut body = body.clone();
    for (parameter, end) in [("fromPrefix", "_from"), ("toPrefix", "_to")] {
        let bare =
            body.get(end).and_then(Value::as_str).filter(|it| !it.contains('/')).map(str::to_owned);
        if let (Some(prefix), Some(bare)) = (call.query(parameter), bare) {
            body[end] = format!("{}/{bare}", prefix.trim_end_matches('/')).into();
        }
    }
    body
}
