//! Asks the server, and turns its refusals into errors that name the cause.
//!
//! The forms of errors: <https://github.com/mesosphere/marathon/blob/v1.10.26/docs/docs/rest-api/public/api/traits.raml>.

use std::io::Read;

use lockgate_plugin::http::{Request, Response};
use lockgate_plugin::{Context as _, Error, Result, printable};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::limits::{ANSWER_BYTES_MAX, NAMED_MAX, REFUSAL_BYTES_MAX};

/// The endpoint's name in `plugin.toml`.
const ENDPOINT: &str = "server";

/// What is at `target`.
///
/// # Errors
/// When it cannot be had, or is not what `T` needs.
pub fn get<T: DeserializeOwned>(target: &str) -> Result<T> {
    get_if_there(target)?
        .ok_or_else(|| Error::other(format!("GET {target}: there is no such thing")))
}

/// What is at `target`, if anything is.
///
/// # Errors
/// Those of [`get`].
pub fn get_if_there<T: DeserializeOwned>(target: &str) -> Result<Option<T>> {
    let doing = format!("GET {target}");
    let response = Request::get(ENDPOINT, target).header("accept", "application/json").send()?;
    match response.status() {
        200 => parse(response, ANSWER_BYTES_MAX).context(doing).map(Some),
        404 => Ok(None),
        status => Err(Refusal::read(status, response)?.told().context(doing)),
    }
}

/// The header with which a server names the one that leads.
///
/// # Errors
/// When the server does not answer.
pub fn leader_header() -> Result<Option<String>> {
    let response = Request::get(ENDPOINT, "/ping").send()?.success()?;
    Ok(response.header("x-marathon-leader").map(printable))
}

/// Asks for a change. The server's refusal is an answer too.
///
/// # Errors
/// When there is no answer.
pub fn change(method: &str, target: &str, body: Option<&Value>) -> Result<Result<Change, Refusal>> {
    let request = Request::new(method, ENDPOINT, target).header("accept", "application/json");
    let response = match body {
        Some(body) => request.send_json(body)?,
        None => request.send()?,
    };
    let status = response.status();
    if !(200..300).contains(&status) {
        return Ok(Err(Refusal::read(status, response)?));
    }
    let named = response.header("marathon-deployment-id").map(str::to_owned);
    let mut body = Vec::new();
    response.take(ANSWER_BYTES_MAX).read_to_end(&mut body)?;
    // Some changes are answered with the definition, some with nothing.
    let started = serde_json::from_slice::<Started>(&body).ok();
    Ok(Ok(Change { deployment: named.or_else(|| started?.deployment_id) }))
}

/// What a change started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The deployment's id; none when there is nothing to deploy.
    pub deployment: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    deployment_id: Option<String>,
}

fn parse<T: DeserializeOwned>(response: Response, max: u64) -> Result<T> {
    let mut limited = response.take(max);
    let parsed = serde_json::from_reader(&mut limited);
    if parsed.is_err() && limited.limit() == 0 {
        return Err(Error::unsupported(format!("the answer has more than {max} bytes")));
    }
    // An answer that breaks off is the connection's fault and not the text's.
    parsed.map_err(|error: serde_json::Error| match error.io_error_kind() {
        Some(_) => std::io::Error::from(error).into(),
        None => Error::corrupt(format!("the answer: {error}")),
    })
}

/// Why the server did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    message: String,
    /// Running deployments that lock what was to be changed.
    deployments: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    message: Option<String>,
    details: Value,
    deployments: Vec<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl Refusal {
    fn read(status: u16, response: Response) -> Result<Self> {
        let mut body = Vec::new();
        response.take(REFUSAL_BYTES_MAX).read_to_end(&mut body)?;
        Ok(Self::parse(status, &body))
    }

    /// What a status and a body say.
    #[must_use]
    pub fn parse(status: u16, body: &[u8]) -> Self {
        let parsed: Body = serde_json::from_slice(body).unwrap_or_default();
        let mut message = match &parsed.message {
            Some(message) => printable(message),
            None => printable(String::from_utf8_lossy(body).trim()),
        };
        let details = details(&parsed.details);
        if !details.is_empty() {
            message = format!("{message}: {}", details.join("; "));
        }
        let deployments = parsed.deployments.into_iter().map(|it| printable(&it.id)).collect();
        Self { status, message, deployments }
    }

    /// Whether it works once running deployments have ended.
    #[must_use]
    pub fn is_lock(&self) -> bool {
        let is_locked = self.status == 409 && !self.deployments.is_empty();
        is_locked || (self.status == 403 && self.message.contains("running deployments"))
    }

    /// The deployments that are in the way, as far as they are named.
    #[must_use]
    pub fn deployments(&self) -> &[String] {
        &self.deployments
    }

    /// The error for the operator.
    #[must_use]
    pub fn told(&self) -> Error {
        let text = format!("{} (status {})", self.message, self.status);
        match self.status {
            401 => Error::auth(format!(
                "{text}; check the account that `endpoints.server.credential` names, and its secret"
            )),
            403 if !self.is_lock() => Error::auth(format!(
                "{text}; docs/plugins/marathon.md says what the account must be allowed"
            )),
            403 | 409 => Error::conflict(text),
            408 | 429 | 500.. => Error::unreachable(text),
            _ => Error::other(text),
        }
    }
}

/// `[{"path": "/cpus", "errors": ["..."]}]`, or a text.
fn details(details: &Value) -> Vec<String> {
    if let Some(text) = details.as_str() {
        return vec![printable(text)];
    }
    let mut lines = Vec::new();
    for detail in details.as_array().into_iter().flatten().take(NAMED_MAX) {
        let path = detail.get("path").and_then(Value::as_str).unwrap_or_default();
        let errors = detail.get("errors").and_then(Value::as_array).into_iter().flatten();
        let errors: Vec<&str> = errors.filter_map(Value::as_str).collect();
        lines.push(printable(format!("{path} {}", errors.join(", ")).trim()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::Failure;

    use super::*;

    #[test]
    fn a_refusal_says_what_is_wrong_and_where() {
        let body = br#"{"message":"Object is not valid","details":[{"path":"/cpus","errors":["got -1, expected 0 or more"]}]}"#;
        let told = Refusal::parse(422, body).told();
        let text = "Object is not valid: /cpus got -1, expected 0 or more (status 422)";
        assert_eq!(told.message(), text);
        let text = br#"{"message":"Invalid JSON","details":"Unexpected end"}"#;
        assert!(Refusal::parse(400, text).told().message().starts_with("Invalid JSON: Unexpected"));
    }

    #[test]
    fn a_lock_is_told_from_a_conflict_that_stays() {
        let locked = br#"{"message":"App is locked","deployments":[{"id":"d-1"}]}"#;
        let locked = Refusal::parse(409, locked);
        assert!(locked.is_lock());
        assert_eq!(locked.deployments(), ["d-1"]);
        assert!(
            !Refusal::parse(409, br#"{"message":"An app with id [/a] already exists."}"#).is_lock()
        );
        let many = br#"{"message":"Max number (100) of running deployments is achieved."}"#;
        assert!(Refusal::parse(403, many).is_lock());
    }

    #[test]
    fn kinds_follow_the_status_whatever_the_body_is() {
        for body in
            [&b""[..], b"{", b"[]", b"\xff\xfe", br#"{"message":7}"#, br#"{"details":[1,{}]}"#]
        {
            let kind = |status| Refusal::parse(status, body).told();
            assert!(matches!(kind(401).failure(), Failure::Auth(_)));
            assert!(matches!(kind(403).failure(), Failure::Auth(_)));
            assert!(matches!(kind(409).failure(), Failure::Conflict(_)));
            assert!(matches!(kind(503).failure(), Failure::Unreachable(_)));
            assert!(matches!(kind(422).failure(), Failure::Other(_)));
        }
        assert_eq!(Refusal::parse(500, b"a\nb\x1b").told().message().matches('\n').count(), 0);
    }
}
