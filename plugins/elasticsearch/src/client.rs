//! Asks the server, and turns its refusals into errors that name the cause.
//!
//! The form of errors: <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/rest-apis.html>.

use std::fmt::Write as _;

use lockgate_plugin::http::Request;
use lockgate_plugin::{Context, Error, Result, clock, printable};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::limits::{REPLY_BYTES_MAX, WAIT_FIRST_MS, WAIT_MS_MAX};

/// The endpoint's name in `plugin.toml`.
pub const ENDPOINT: &str = "server";

/// What the server answered, as a whole.
#[derive(Debug)]
pub struct Reply {
    /// For example 200.
    pub status: u16,
    /// What says which product it is.
    pub product: Option<String>,
    /// At most [`REPLY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
}

/// Asks and takes whatever the answer is.
///
/// # Errors
/// When there is no answer.
pub fn ask(method: &str, target: &str, body: Option<&Value>) -> Result<Reply> {
    let request = Request::new(method, ENDPOINT, target);
    let response = match body {
        Some(body) => request.send_json(body)?,
        None => request.send()?,
    };
    let status = response.status();
    let product = response.header("x-elastic-product").map(str::to_owned);
    let body = response
        .bytes(REPLY_BYTES_MAX)?
        .ok_or_else(|| Error::corrupt(format!("{method} {target}: {TOO_LONG}")))?;
    Ok(Reply { status, product, body })
}

const TOO_LONG: &str = "the answer is longer than it may be";

/// Asks for something that must succeed.
///
/// # Errors
/// What the server said against it.
pub fn must(method: &str, target: &str, body: Option<&Value>) -> Result<Value> {
    let reply = ask(method, target, body)?;
    reply.success(&format!("{method} {target}"))?.json(target)
}

/// What is at `target`.
///
/// # Errors
/// When it cannot be had, or is not what `T` needs.
pub fn get<T: DeserializeOwned>(target: &str) -> Result<T> {
    ask("GET", target, None)?.success(&format!("GET {target}"))?.json(target)
}

/// What is at `target`, if anything is.
///
/// # Errors
/// Those of [`get`].
pub fn get_if_there<T: DeserializeOwned>(target: &str) -> Result<Option<T>> {
    let reply = ask("GET", target, None)?;
    if reply.status == 404 {
        return Ok(None);
    }
    Ok(Some(reply.success(&format!("GET {target}"))?.json(target)?))
}

/// What is at `target`, on servers that know such a thing: others have no handler, or take the path for something else.
///
/// # Errors
/// Those of [`get`].
pub fn get_if_known<T: DeserializeOwned>(target: &str) -> Result<Option<T>> {
    let reply = ask("GET", target, None)?;
    if matches!(reply.status, 400 | 404 | 405 | 410) {
        return Ok(None);
    }
    Ok(Some(reply.success(&format!("GET {target}"))?.json(target)?))
}

impl Reply {
    /// The reply, unless it is a refusal.
    ///
    /// # Errors
    /// What the server said.
    pub fn success(self, doing: &str) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(refusal(self.status, &self.body).context(doing))
    }

    /// The body.
    ///
    /// # Errors
    /// When it is not what `T` needs.
    pub fn json<T: DeserializeOwned>(&self, target: &str) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| format!("the answer to {target}"))
    }
}

/// The error that a status and a body stand for.
pub fn refusal(status: u16, body: &[u8]) -> Error {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = parsed.get("error").unwrap_or(&parsed);
    let text = format!("{} (status {status})", reason(error, body));
    let kind = error.get("type").and_then(Value::as_str).unwrap_or_default();
    match (status, kind) {
        (401, _) => Error::auth(text),
        (403, _) => Error::auth(format!(
            "{text}; docs/plugins/elasticsearch.md has the privileges that the account needs"
        )),
        (409 | 412, _) | (_, "resource_already_exists_exception") => Error::conflict(text),
        (413, _) => Error::unsupported(format!(
            "{text}; `http.max_content_length` of the server says how long a request may be"
        )),
        (408 | 429 | 500.., _) => Error::unreachable(text),
        _ => Error::other(text),
    }
}

/// The words of an error: its own and those of what caused it, or the beginning of a body that has another form.
pub fn reason(error: &Value, body: &[u8]) -> String {
    let of = |error: &Value| {
        let words = ["type", "reason"].map(|key| error.get(key).and_then(Value::as_str));
        let words: Vec<&str> = words.into_iter().flatten().collect();
        if words.is_empty() { None } else { Some(words.join(": ")) }
    };
    let mut text = match (of(error), error.as_str()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.to_owned(),
        (None, None) => String::from_utf8_lossy(body).trim().to_owned(),
    };
    let first = error.pointer("/root_cause/0").and_then(of);
    let cause = error.get("caused_by").and_then(of);
    for more in first.into_iter().chain(cause) {
        if !text.contains(&more) {
            // Writing into a string cannot fail.
            let _ = write!(text, "; caused by {more}");
        }
    }
    printable(&text)
}

/// Waits before a busy server is asked for the `attempt`th time again, longer each time.
///
/// # Errors
/// When the run was cancelled or no clock is granted.
pub fn wait(attempt: u32) -> Result<()> {
    let milliseconds = WAIT_FIRST_MS.saturating_mul(1 << attempt.min(16)).min(WAIT_MS_MAX);
    Ok(clock::sleep(milliseconds)?)
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::Failure;

    use super::*;

    #[test]
    fn refusals_keep_their_kind_and_say_the_cause() {
        let body = br#"{"error":{"root_cause":[{"type":"a_exception","reason":"first"}],
            "type":"b_exception","reason":"all\nfailed","caused_by":{"type":"c","reason":"deep"}},"status":500}"#;
        let error = refusal(500, body);
        assert!(matches!(error.failure(), Failure::Unreachable(_)));
        let text =
            "b_exception: all failed; caused by a_exception: first; caused by c: deep (status 500)";
        assert_eq!(error.message(), text);
        let exists = br#"{"error":{"type":"resource_already_exists_exception","reason":"x"}}"#;
        assert!(matches!(refusal(400, exists).failure(), Failure::Conflict(_)));
        assert!(matches!(refusal(401, b"").failure(), Failure::Auth(_)));
        assert!(matches!(refusal(429, b"<html>").failure(), Failure::Unreachable(_)));
        assert_eq!(refusal(404, br#"{"error":"no handler"}"#).message(), "no handler (status 404)");
    }

    #[test]
    fn long_answers_are_cut() {
        let error = refusal(400, "é".repeat(10_000).as_bytes());
        assert!(error.message().chars().count() < 520);
    }
}
