//! Asks RESTCONF and Jolokia, and turns refusals into errors that name the cause.
//!
//! Errors: [RFC 8040, section 7.1](https://www.rfc-editor.org/rfc/rfc8040#section-7.1).

use std::io::Read;

use lockgate_plugin::http::{Request, Response};
use lockgate_plugin::{Context, Error, Result, clock, printable};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::limits::{
    BUSY_ATTEMPTS_MAX, REFUSAL_BYTES_MAX, REPLY_BYTES_MAX, WAIT_FIRST_MS, WAIT_MS_MAX,
};

/// The endpoint's name in `plugin.toml`.
const ENDPOINT: &str = "server";
/// [RFC 8040, section 11.3.2](https://www.rfc-editor.org/rfc/rfc8040#section-11.3.2).
const YANG_DATA: &str = "application/yang-data+json";

/// Asks for what is at `target`; none when it is not there.
///
/// # Errors
/// When the server refuses or does not answer.
pub fn get(target: &str) -> Result<Option<Response>> {
    let response = Request::get(ENDPOINT, target).header("accept", YANG_DATA).send()?;
    if (200..300).contains(&response.status()) {
        return Ok(Some(response));
    }
    let refused = Refused::read(response)?;
    if refused.is_missing() {
        Ok(None)
    } else {
        Err(refused.error().context(format!("GET {target}")))
    }
}

/// What is at `target`; none when it is not there.
///
/// # Errors
/// Those of [`get`], or that it is not what `T` needs.
pub fn read<T: DeserializeOwned>(target: &str) -> Result<Option<T>> {
    let Some(response) = get(target)? else { return Ok(None) };
    let body = whole(response).with_context(|| target.to_owned())?;
    serde_json::from_slice(&body).map(Some).with_context(|| format!("the answer to {target}"))
}

/// Sends `body`, again when the server is busy.
///
/// # Errors
/// When the server refuses.
pub fn send(method: &str, target: &str, body: &[u8]) -> Result<()> {
    let mut attempt = 0;
    loop {
        let request = Request::new(method, ENDPOINT, target);
        let request = request.header("accept", YANG_DATA).header("content-type", YANG_DATA);
        let response = request.send_bytes(body)?;
        if (200..300).contains(&response.status()) {
            return Ok(());
        }
        let refused = Refused::read(response)?;
        if !refused.is_busy() || attempt >= BUSY_ATTEMPTS_MAX {
            return Err(refused.error().context(format!("{method} {target}")));
        }
        let pause = WAIT_FIRST_MS.saturating_mul(1 << attempt.min(16)).min(WAIT_MS_MAX);
        clock::sleep(pause)?;
        attempt += 1;
    }
}

/// What Jolokia gives at `target` (<https://jolokia.org/reference/html/manual/jolokia_protocol.html>); none where there is no Jolokia.
///
/// # Errors
/// When the server does not answer, refuses the account, or what it says is not what `T` needs.
pub fn jolokia<T: DeserializeOwned>(target: &str) -> Result<Option<T>> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        #[serde(default)]
        value: Value,
        status: u16,
    }
    let response = Request::get(ENDPOINT, target).send()?;
    if matches!(response.status(), 404 | 405) {
        return Ok(None);
    }
    if !(200..300).contains(&response.status()) {
        return Err(Refused::read(response)?.error().context(format!("GET {target}")));
    }
    let body = whole(response)?;
    let envelope: Envelope =
        serde_json::from_slice(&body).with_context(|| format!("the answer to {target}"))?;
    if envelope.status != 200 {
        return Ok(None);
    }
    let value = serde_json::from_value(envelope.value);
    value.map(Some).with_context(|| format!("the answer to {target}"))
}

/// Whether anybody answers HTTP there.
///
/// # Errors
/// When it cannot be told.
pub fn is_up() -> Result<bool> {
    match Request::get(ENDPOINT, "/rests/yang-library-version").send() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.failure(), lockgate_plugin::Failure::Unreachable(_)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn whole(response: Response) -> Result<Vec<u8>> {
    response.bytes(REPLY_BYTES_MAX)?.ok_or_else(|| {
        Error::corrupt(format!("the answer is longer than {} MiB", REPLY_BYTES_MAX >> 20))
    })
}

/// A response that says no.
struct Refused {
    status: u16,
    tag: String,
    text: String,
}

impl Refused {
    fn read(response: Response) -> Result<Self> {
        let status = response.status();
        let mut body = Vec::new();
        response.take(REFUSAL_BYTES_MAX as u64).read_to_end(&mut body)?;
        Ok(Self::parse(status, &body))
    }

    fn parse(status: u16, body: &[u8]) -> Self {
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = ["/errors/error/0", "/ietf-restconf:errors/error/0"]
            .into_iter()
            .find_map(|pointer| parsed.pointer(pointer));
        let word = |key: &str| error.and_then(|error| error.get(key)).and_then(Value::as_str);
        let said: Vec<&str> =
            ["error-tag", "error-message", "error-info"].into_iter().filter_map(word).collect();
        let text = if said.is_empty() {
            let plain = String::from_utf8_lossy(body);
            plain.chars().take(200).collect()
        } else {
            said.join(": ")
        };
        Self {
            status,
            tag: word("error-tag").unwrap_or_default().to_owned(),
            text: printable(text),
        }
    }

    fn is_missing(&self) -> bool {
        self.tag == "data-missing"
    }

    /// Another transaction was first, or too many wait.
    fn is_busy(&self) -> bool {
        matches!(self.status, 429 | 503)
            || matches!(self.tag.as_str(), "in-use" | "lock-denied" | "resource-denied")
            || self.text.contains("Optimistic lock failed")
    }

    fn error(self) -> Error {
        let text = format!("{} (status {})", self.text.trim(), self.status);
        match self.status {
            401 | 403 => Error::auth(format!(
                "the account is refused: {text}; docs/plugins/opendaylight.md says what it needs"
            )),
            404 => Error::unreachable(
                "RESTCONF is not there (status 404): the node is starting, or does not have the feature odl-restconf-nb",
            ),
            409 | 412 => Error::conflict(text),
            408 | 429 | 502..=504 => Error::unreachable(text),
            _ => Error::other(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::Failure;

    use super::*;

    #[test]
    fn refusals_say_the_cause() {
        let body = br#"{"errors":{"error":[{"error-tag":"operation-failed",
            "error-message":"Failed to back up datastore to file /x/b: (No such file or directory)","error-type":"rpc"}]}}"#;
        let error = Refused::parse(500, body).error();
        assert!(error.message().contains("No such file"), "{error}");
        assert!(matches!(error.failure(), Failure::Other(_)));
        let missing = br#"{"errors":{"error":[{"error-tag":"data-missing","error-message":"x"}]}}"#;
        assert!(Refused::parse(409, missing).is_missing());
        let first = br#"{"errors":{"error":[{"error-tag":"operation-failed","error-info":"Optimistic lock failed for path /a"}]}}"#;
        assert!(Refused::parse(500, first).is_busy());
    }

    #[test]
    fn hostile_refusals_are_refusals() {
        for body in
            [&b""[..], b"{", b"<html>\x1b[2J", b"[1]", b"{\"errors\":{\"error\":{}}}", b"\xff"]
        {
            let error = Refused::parse(401, body).error();
            assert!(matches!(error.failure(), Failure::Auth(_)));
            assert!(!error.message().contains('\x1b'), "{error}");
        }
        assert!(matches!(Refused::parse(404, b"x").error().failure(), Failure::Unreachable(_)));
    }
}
