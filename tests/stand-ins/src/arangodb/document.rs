//! `/_api/document`: reading, and the way to [`modify`].

use serde_json::{Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::Call;
use crate::arangodb::modify::{self, Action};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::{Collection, revision_text};
use crate::service::Answer;

pub fn answer(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let rest = call.rest();
    let collection = rest.first().copied().unwrap_or_default();
    match (call.method, rest.as_slice()) {
        ("GET" | "HEAD", [_, key]) => {
            let found = read(call, call.collection_of(&inner.state, collection)?, key)?;
            Ok(if call.method == "HEAD" { Answer { body: Vec::new(), ..found } } else { found })
        }
        ("PUT", [_]) if call.flag("onlyget") => {
            read_many(call, call.collection_of(&inner.state, collection)?)
        }
        ("POST", [_]) => modify::answer(inner, call, collection, None, Action::Insert),
        ("PUT", [_]) => modify::answer(inner, call, collection, None, Action::Replace),
        ("PATCH", [_]) => modify::answer(inner, call, collection, None, Action::Update),
        ("DELETE", [_]) => modify::answer(inner, call, collection, None, Action::Remove),
        ("PUT", [_, key]) => modify::answer(inner, call, collection, Some(key), Action::Replace),
        ("PATCH", [_, key]) => modify::answer(inner, call, collection, Some(key), Action::Update),
        ("DELETE", [_, key]) => modify::answer(inner, call, collection, Some(key), Action::Remove),
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

/// The revision in a header, without its quotes.
pub fn condition<'a>(call: &'a Call<'_>, name: &str) -> Option<&'a str> {
    call.request.header(name).map(|text| text.trim().trim_matches('"'))
}

fn read(call: &Call<'_>, collection: &Collection, key: &str) -> Outcome {
    let document = collection.documents.get(key).ok_or_else(Refused::no_document)?;
    let revision = revision_text(document.revision);
    if condition(call, "if-match").is_some_and(|wanted| wanted != revision) {
        return Err(Refused::conflict());
    }
    let quoted = format!("\"{revision}\"");
    if condition(call, "if-none-match") == Some(revision.as_str()) {
        return Ok(Answer::empty(304).with("etag", &quoted));
    }
    let answer = Answer {
        status: 200,
        headers: Vec::new(),
        body: document.text(&collection.name).into_bytes(),
    };
    Ok(answer.with("content-type", "application/json").with("etag", &quoted))
}

fn read_many(call: &Call<'_>, collection: &Collection) -> Outcome {
    let wanted = call.json()?;
    let wanted = wanted.as_array().ok_or_else(|| Refused::bad("expecting an array"))?;
    let mut all = Vec::new();
    for one in wanted {
        let key = key_of(one).ok_or_else(|| Refused::new(400, 1221, "illegal document key"))?;
        let found = collection.documents.get(&key);
        let rev = one.get("_rev").and_then(Value::as_str).filter(|_| !call.flag("ignoreRevs"));
        all.push(match found {
            None => Refused::no_document().item(),
            Some(document) if rev.is_some_and(|rev| rev != revision_text(document.revision)) => {
                Refused::conflict().item()
            }
            Some(document) => document.value(&collection.name),
        });
    }
    Ok(Answer::json(200, &json!(all)))
}

/// The key of a document, an id or a key.
pub fn key_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.as_str(),
        Value::Object(object) => {
            object.get("_key").or_else(|| object.get("_id")).and_then(Value::as_str)?
        }
        _ => return None,
    };
    Some(text.split_once('/').map_or(text, |(_, key)| key).to_owned())
}
