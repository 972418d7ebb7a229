//! `/_api/cursor`: of the query language what clients use to read whole collections.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, success};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::State;
use crate::service::Answer;

/// What is left of a result.
pub struct Cursor {
    /// Texts of JSON values, the next one last.
    rest: Vec<String>,
    size: usize,
    count: Option<usize>,
    /// The number of the next batch, and the batch before it, which can be asked for again.
    next: u64,
    last: Option<(u64, Vec<u8>)>,
}

impl Cursor {
    fn batch(&mut self, id: &str) -> Vec<u8> {
        let mut items = Vec::new();
        for _ in 0..self.size {
            items.extend(self.rest.pop());
        }
        let has_more = !self.rest.is_empty();
        let mut body = format!("{{\"result\":[{}],\"hasMore\":{has_more}", items.join(","));
        if has_more {
            body.push_str(&format!(",\"id\":\"{id}\",\"nextBatchId\":\"{}\"", self.next + 1));
        }
        if let Some(count) = self.count {
            body.push_str(&format!(",\"count\":{count}"));
        }
        body.push_str(",\"cached\":false,\"extra\":{\"warnings\":[],\"stats\":{}},\"error\":false,\"code\":201}");
        self.next += 1;
        self.last = Some((self.next - 1, body.clone().into_bytes()));
        body.into_bytes()
    }
}

fn body_answer(status: u16, body: Vec<u8>) -> Answer {
    Answer { status, headers: Vec::new(), body }.with("content-type", "application/json")
}

pub fn answer(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let rest = call.rest();
    let unknown = || Refused::new(404, 1600, "cursor not found");
    match (call.method, rest.as_slice()) {
        ("POST", []) => {
            let body = call.object()?;
            let empty = Map::new();
            let binds = body.get("bindVars").and_then(Value::as_object).unwrap_or(&empty);
            let text = body.get("query").and_then(Value::as_str).unwrap_or_default();
            let mut all = run(&inner.state, call, text, binds)?;
            all.reverse();
            let has_count = body.get("count") == Some(&json!(true));
            let size =
                body.get("batchSize").and_then(Value::as_u64).unwrap_or(1000).max(1) as usize;
            let count = has_count.then_some(all.len());
            let mut cursor = Cursor { rest: all, size, count, next: 1, last: None };
            let id = inner.state.tick().to_string();
            let batch = cursor.batch(&id);
            let can_repeat = body.get("options").is_some_and(|it| it["allowRetry"] == true);
            if !cursor.rest.is_empty() || can_repeat {
                inner.sessions.cursors.insert(id, cursor);
            }
            Ok(body_answer(201, batch))
        }
        ("POST" | "PUT", [id]) => {
            let cursor = inner.sessions.cursors.get_mut(*id).ok_or_else(unknown)?;
            let batch = cursor.batch(id);
            if cursor.rest.is_empty() {
                inner.sessions.cursors.remove(*id);
            }
            Ok(body_answer(200, batch))
        }
        ("POST", [id, number]) => {
            let cursor = inner.sessions.cursors.get_mut(*id).ok_or_else(unknown)?;
            let number: u64 = number.parse().map_err(|_| unknown())?;
            match &cursor.last {
                Some((last, body)) if *last == number => Ok(body_answer(200, body.clone())),
                _ if cursor.next == number => Ok(body_answer(200, cursor.batch(id))),
                _ => Err(unknown()),
            }
        }
        ("DELETE", [id]) => {
            inner.sessions.cursors.remove(*id).ok_or_else(unknown)?;
            Ok(success(202, json!({ "id": id })))
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

/// Words, numbers, texts and signs.
fn tokens(text: &str) -> Outcome<Vec<String>> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || "_@".contains(first) {
            let is_word = |it: char| it.is_alphanumeric() || "_@".contains(it);
            rest.find(|it| !is_word(it)).unwrap_or(rest.len())
        } else if "\"'`".contains(first) {
            let end = rest[1..].find(first).ok_or_else(|| syntax("an open quote"))?;
            end + 2
        } else if rest.starts_with("..") || rest.starts_with("==") {
            2
        } else {
            first.len_utf8()
        };
        all.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Ok(all)
}

fn syntax(near: &str) -> Refused {
    Refused::new(
        400,
        1501,
        format!("syntax error, unexpected {near} (this stand-in knows little of the language)"),
    )
}

/// A query under way.
struct Query<'a> {
    state: &'a State,
    call: &'a Call<'a>,
    tokens: Vec<String>,
    at: usize,
    binds: &'a Map<String, Value>,
}

fn run(
    state: &State,
    call: &Call<'_>,
    text: &str,
    binds: &Map<String, Value>,
) -> Outcome<Vec<String>> {
    let mut query = Query { state, call, tokens: tokens(text)?, at: 0, binds };
    if query.takes("RETURN") {
        let value = query.value(&HashMap::new())?;
        return query.ends().map(|()| vec![value.to_string()]);
    }
    query.loops()
}

impl Query<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn take(&mut self) -> String {
        let token = self.peek().to_owned();
        self.at += 1;
        token
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_it = self.peek().eq_ignore_ascii_case(word);
        self.at += usize::from(is_it);
        is_it
    }

    fn needs(&mut self, word: &str) -> Outcome<()> {
        if self.takes(word) { Ok(()) } else { Err(syntax(self.peek())) }
    }

    fn ends(&self) -> Outcome<()> {
        if self.at >= self.tokens.len() { Ok(()) } else { Err(syntax(self.peek())) }
    }

    /// The name of a collection.
    fn collection(&mut self) -> Outcome<String> {
        let token = self.take();
        match token.strip_prefix("@@") {
            Some(_) => {
                let bound = self.binds.get(&token[1..]).and_then(Value::as_str);
                bound.map(str::to_owned).ok_or_else(|| {
                    Refused::new(400, 1551, format!("no value for bind parameter {token}"))
                })
            }
            None => Ok(token.trim_matches('`').to_owned()),
        }
    }

    /// A literal, a bind parameter, `LENGTH(collection)`, or a variable with a path.
    fn value(&mut self, variables: &HashMap<String, Value>) -> Outcome<Value> {
        let token = self.take();
        if let Some(name) = token.strip_prefix('@') {
            let bound = self.binds.get(name).cloned();
            return bound.ok_or_else(|| {
                Refused::new(400, 1551, format!("no value for bind parameter {name}"))
            });
        }
        if let Ok(number) = serde_json::from_str::<Value>(&token) {
            return Ok(number);
        }
        if token.starts_with(['"', '\'']) {
            return Ok(token[1..token.len() - 1].into());
        }
        if token.eq_ignore_ascii_case("LENGTH") || token.eq_ignore_ascii_case("COUNT") {
            self.needs("(")?;
            let name = self.collection()?;
            self.needs(")")?;
            return Ok(self.call.collection_of(self.state, &name)?.documents.len().into());
        }
        let mut value = variables.get(&token).cloned().ok_or_else(|| syntax(&token))?;
        while self.takes(".") {
            let name = self.take();
            value = value.get(name.trim_matches('`')).cloned().unwrap_or_default();
        }
        Ok(value)
    }

    /// `FOR v IN collection|from..to [FILTER v.a == x] [SORT v.a] [LIMIT [n,] m] RETURN value`.
    fn loops(&mut self) -> Outcome<Vec<String>> {
        self.needs("FOR")?;
        let variable = self.take();
        self.needs("IN")?;
        let mut rows = self.source(&variable)?;
        while !self.takes("RETURN") {
            match self.take().to_ascii_uppercase().as_str() {
                "FILTER" => {
                    let start = self.at;
                    let mut kept = Vec::new();
                    for row in std::mem::take(&mut rows) {
                        self.at = start;
                        let left = self.value(&row)?;
                        self.needs("==")?;
                        if left == self.value(&row)? {
                            kept.push(row);
                        }
                    }
                    if kept.is_empty() {
                        // The condition is passed over even where there was nothing to look at.
                        while !["RETURN", "SORT", "LIMIT", "FILTER", ""]
                            .contains(&self.peek().to_ascii_uppercase().as_str())
                        {
                            self.at += 1;
                        }
                    }
                    rows = kept;
                }
                "SORT" => {
                    let start = self.at;
                    let mut keyed = Vec::new();
                    for row in std::mem::take(&mut rows) {
                        self.at = start;
                        keyed.push((self.value(&row)?, row));
                    }
                    while !["RETURN", "LIMIT", "DESC", "ASC", ""]
                        .contains(&self.peek().to_ascii_uppercase().as_str())
                    {
                        self.at += 1;
                    }
                    let is_descending = self.takes("DESC") && !self.takes("ASC");
                    keyed.sort_by(|(left, _), (right, _)| compare(left, right));
                    if is_descending {
                        keyed.reverse();
                    }
                    rows = keyed.into_iter().map(|(_, row)| row).collect();
                }
                "LIMIT" => {
                    let first = self.limit()?;
                    let (skip, take) = match self.takes(",") {
                        true => (first, self.limit()?),
                        false => (0, first),
                    };
                    rows = rows.into_iter().skip(skip).take(take).collect();
                }
                other => return Err(syntax(other)),
            }
        }
        let start = self.at;
        let texts = rows.iter().map(|row| {
            self.at = start;
            Ok(self.value(row)?.to_string())
        });
        let texts: Vec<String> = texts.collect::<Outcome<_>>()?;
        if !texts.is_empty() {
            self.ends()?;
        }
        Ok(texts)
    }

    /// A number of rows; `null` for all.
    fn limit(&mut self) -> Outcome<usize> {
        let value = self.value(&HashMap::new())?;
        Ok(value.as_u64().map_or(usize::MAX, |number| number as usize))
    }

    fn source(&mut self, variable: &str) -> Outcome<Vec<HashMap<String, Value>>> {
        let row = |value: Value| HashMap::from([(variable.to_owned(), value)]);
        if self.tokens.get(self.at + 1).is_some_and(|it| it == "..") {
            let from = self.value(&HashMap::new())?.as_i64().unwrap_or(0);
            self.needs("..")?;
            let to = self.value(&HashMap::new())?.as_i64().unwrap_or(0);
            return Ok((from..=to.min(from + 1_000_000)).map(|n| row(n.into())).collect());
        }
        let name = self.collection()?;
        let collection = self.call.collection_of(self.state, &name)?;
        let all = collection.documents.by_revision.values();
        Ok(all.map(|document| row(document.value(&collection.name))).collect())
    }
}

fn compare(left: &Value, right: &Value) -> std::cmp::Ordering {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right),
        _ => match (left.as_str(), right.as_str()) {
            (Some(left), Some(right)) => left.cmp(right),
            _ => left.to_string().cmp(&right.to_string()),
        },
    }
}
