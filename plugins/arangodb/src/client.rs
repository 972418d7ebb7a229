//! Asks the server, and turns its refusals into errors that name the cause.
//!
//! The form of errors: <https://docs.arangodb.com/stable/develop/http-api/general-request-handling/#error-handling>.

use lockgate_plugin::http::{Request, segment};
use lockgate_plugin::{Context, Error, Result, clock, printable};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::limits::{REPLY_BYTES_MAX, WAIT_FIRST_MS};

/// The endpoint's name in `plugin.toml`.
pub const ENDPOINT: &str = "server";

/// What the server answered, as a whole.
#[derive(Debug)]
pub struct Reply {
    /// For example 200.
    pub status: u16,
    /// At most [`REPLY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
}

/// A path of the interface in a database.
pub fn path(database: &str, rest: &str) -> String {
    format!("/_db/{}/_api/{rest}", segment(database))
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
    let body = response.bytes(REPLY_BYTES_MAX)?.ok_or_else(|| {
        Error::corrupt(format!("{method} {target}: the answer is longer than it may be"))
    })?;
    Ok(Reply { status, body })
}

/// Asks for something that must succeed.
///
/// # Errors
/// What the server said against it.
pub fn must(method: &str, target: &str, body: Option<&Value>) -> Result<Reply> {
    ask(method, target, body)?.success(&format!("{method} {target}"))
}

/// What is at `target`.
///
/// # Errors
/// When it cannot be had, or is not what `T` needs.
pub fn get<T: DeserializeOwned>(target: &str) -> Result<T> {
    must("GET", target, None)?.json(target)
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

    /// The server's own number of the error, 0 where there is none.
    pub fn error_number(&self) -> u64 {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body.get("errorNum").and_then(Value::as_u64).unwrap_or(0)
    }
}

/// The error that a status and a body stand for.
pub fn refusal(status: u16, body: &[u8]) -> Error {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let number = parsed.get("errorNum").and_then(Value::as_u64).unwrap_or(0);
    let words = parsed.get("errorMessage").and_then(Value::as_str);
    let words =
        words.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), str::to_owned);
    let text = format!("{} (status {status}, error {number})", printable(words));
    match status {
        401 => Error::auth(format!(
            "{text}; the server knows no such account and password as the endpoint `{ENDPOINT}` was given"
        )),
        403 => Error::auth(format!(
            "{text}; docs/plugins/arangodb.md has the grants that the account needs"
        )),
        409 | 412 => Error::conflict(text),
        404 | 405 | 501 if number == 9 || number == 404 => Error::unsupported(text),
        408 | 429 | 500 | 502.. => Error::unreachable(text),
        _ => Error::other(text),
    }
}

/// Waits before something is asked for the `attempt`th time again, longer each time.
///
/// # Errors
/// When the run was cancelled or no clock is granted.
pub fn wait(attempt: u32) -> Result<()> {
    Ok(clock::sleep(WAIT_FIRST_MS.saturating_mul(1 << attempt.min(8)))?)
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::Failure;

    use super::*;

    #[test]
    fn names_are_one_segment() {
        assert_eq!(path("a/b é", "x"), "/_db/a%2Fb%20%C3%A9/_api/x");
    }

    #[test]
    fn refusals_keep_their_kind_and_say_the_cause() {
        let body =
            br#"{"error":true,"code":404,"errorNum":1203,"errorMessage":"collection\nnot found"}"#;
        assert_eq!(refusal(404, body).message(), "collection not found (status 404, error 1203)");
        for (status, body, is_it) in [
            (401, &b""[..], (|it| matches!(it, Failure::Auth(_))) as fn(&Failure) -> bool),
            (409, b"", |it| matches!(it, Failure::Conflict(_))),
            (503, b"<html>", |it| matches!(it, Failure::Unreachable(_))),
            (501, br#"{"errorNum":9}"#, |it| matches!(it, Failure::Unsupported(_))),
            (400, br#"{"errorNum":"x"}"#, |it| matches!(it, Failure::Other(_))),
            (404, b"[1", |it| matches!(it, Failure::Other(_))),
        ] {
            assert!(is_it(refusal(status, body).failure()), "{status}");
        }
    }

    #[test]
    fn the_number_of_an_error_is_0_where_there_is_none() {
        let reply = |body: &[u8]| Reply { status: 400, body: body.to_vec() }.error_number();
        assert_eq!((reply(b"{\"errorNum\":1207}"), reply(b"[]"), reply(b"\xff")), (1207, 0, 0));
    }
}
