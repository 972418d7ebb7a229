//! A request in the terms of the interface: database, path, query, body.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::{Collection, Database, SYSTEM, State};
use crate::service::{Answer, Request};

pub struct Call<'a> {
    pub method: &'a str,
    pub database: String,
    /// Without the database, decoded.
    pub path: Vec<String>,
    query: BTreeMap<String, String>,
    pub request: &'a Request,
}

fn decode(text: &str) -> Outcome<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.map(char::from));
        let [Some(high), Some(low)] = digits else { return Err(Refused::bad("invalid URL")) };
        let pair = (high.to_digit(16), low.to_digit(16));
        let (Some(high), Some(low)) = pair else { return Err(Refused::bad("invalid URL")) };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| Refused::bad("the URL is no UTF-8"))
}

impl<'a> Call<'a> {
    pub fn parse(request: &'a Request) -> Outcome<Self> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(decode);
        let mut path: Vec<String> = segments.collect::<Outcome<_>>()?;
        let mut database = SYSTEM.to_owned();
        if path.first().is_some_and(|first| first == "_db") {
            database = path.get(1).cloned().ok_or_else(Refused::no_database)?;
            path.drain(..2);
        }
        let mut parsed = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, "true"));
            parsed.insert(decode(key)?, decode(&value.replace('+', " "))?);
        }
        Ok(Self { method: &request.method, database, path, query: parsed, request })
    }

    /// Whether this is the whole path.
    pub fn is(&self, path: &[&str]) -> bool {
        self.path == path
    }

    pub fn shown(&self) -> String {
        format!("/{}", self.path.join("/"))
    }

    /// What comes after `/_api/THING`.
    pub fn rest(&self) -> Vec<&str> {
        self.path.iter().skip(2).map(String::as_str).collect()
    }

    pub fn query(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(String::as_str)
    }

    pub fn needs(&self, key: &str) -> Outcome<&str> {
        self.query(key).ok_or_else(|| Refused::bad(format!("expecting '{key}'")))
    }

    /// A query parameter that is yes or no.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.query(key), Some("true" | "1" | "yes"))
    }

    pub fn json(&self) -> Outcome<Value> {
        let body = &self.request.body;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(body)
            .map_err(|error| Refused::new(400, 600, format!("invalid JSON: {error}")))
    }

    pub fn object(&self) -> Outcome<serde_json::Map<String, Value>> {
        match self.json()? {
            Value::Object(object) => Ok(object),
            Value::Null => Ok(serde_json::Map::new()),
            _ => Err(Refused::bad("expecting a JSON object")),
        }
    }

    pub fn database_of<'s>(&self, state: &'s State) -> Outcome<&'s Database> {
        state.databases.get(&self.database).ok_or_else(Refused::no_database)
    }

    pub fn collection_of<'s>(&self, state: &'s State, name: &str) -> Outcome<&'s Collection> {
        let database = self.database_of(state)?;
        let by_id = || database.collections.values().find(|collection| collection.id == name);
        database.collections.get(name).or_else(by_id).ok_or_else(|| Refused::no_collection(name))
    }
}

/// An answer with `error` and `code` added, as most have them.
pub fn success(status: u16, mut body: Value) -> Answer {
    if let Some(body) = body.as_object_mut() {
        body.insert("error".to_owned(), false.into());
        body.insert("code".to_owned(), status.into());
    }
    Answer::json(status, &body)
}

/// The common form `{"error": false, "code": ..., "result": ...}`.
pub fn result(status: u16, result: Value) -> Answer {
    success(status, serde_json::json!({ "result": result }))
}
