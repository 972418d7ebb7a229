//! The REST interface of a node, below `/onos/v1`.

use std::io::Read;

use lockgate_plugin::http::{Request, Response};
use lockgate_plugin::{Error, Failure, Result, printable};
use serde_json::Value;

use crate::limits::ANSWER_BYTES_MAX;

/// Name of the endpoint.
pub const ENDPOINT: &str = "rest";
/// What "some of it could not be done" has for a status here.
const MULTI_STATUS: u16 = 207;

/// Whether the interface answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The endpoint is not granted.
    NotGranted,
    /// Nobody answers; why.
    Silent(String),
    /// A node answers.
    Alive,
}

/// Asks whether a node runs: any answer says that it does.
///
/// # Errors
/// When that cannot be told.
pub fn state() -> Result<State> {
    match Request::get(ENDPOINT, "/onos/v1/system").send() {
        Ok(_) => Ok(State::Alive),
        Err(error) => match error.failure() {
            Failure::Denied(_) => Ok(State::NotGranted),
            Failure::Unreachable(why) => Ok(State::Silent(why.clone())),
            _ => Err(error),
        },
    }
}

/// What is at `path`.
///
/// # Errors
/// When the node does not tell.
pub fn get(path: &str) -> Result<Value> {
    read(path, succeeded(path, Request::get(ENDPOINT, &target(path)).send()?)?)
}

/// The same; none where this ONOS has no such thing.
///
/// # Errors
/// When the node does not tell.
pub fn get_if_there(path: &str) -> Result<Option<Value>> {
    let response = Request::get(ENDPOINT, &target(path)).send()?;
    match response.status() {
        404 | 405 => Ok(None),
        _ => read(path, succeeded(path, response)?).map(Some),
    }
}

/// Bytes of what is at `path`.
///
/// # Errors
/// When the node does not give them.
pub fn open(path: &str) -> Result<Response> {
    let request = Request::get(ENDPOINT, &target(path));
    succeeded(path, request.header("accept", "application/octet-stream").send()?)
}

/// Sends JSON.
///
/// # Errors
/// When the node refuses any of it.
pub fn post(path: &str, body: &Value) -> Result<()> {
    succeeded(path, Request::post(ENDPOINT, &target(path)).send_json(body)?).map(drop)
}

/// Asks for something without a body.
///
/// # Errors
/// When the node refuses.
pub fn act(method: &str, path: &str) -> Result<()> {
    succeeded(path, Request::new(method, ENDPOINT, &target(path)).send()?).map(drop)
}

/// A path in the request line.
#[must_use]
pub fn target(path: &str) -> String {
    format!("/onos/v1/{path}")
}

fn succeeded(path: &str, response: Response) -> Result<Response> {
    if response.status() == MULTI_STATUS {
        let mut body = Vec::new();
        response.take(4096).read_to_end(&mut body)?;
        return Err(Error::conflict(format!(
            "ONOS does not take all of {path}: {}",
            printable(body)
        )));
    }
    response.success().map_err(|error| match error.failure() {
        Failure::Auth(text) => Error::auth(format!(
            "{text}; the credential of endpoint rest must be of an ONOS administrator"
        )),
        _ => error,
    })
}

fn read(path: &str, response: Response) -> Result<Value> {
    let body = response.bytes(ANSWER_BYTES_MAX)?.ok_or_else(|| {
        let most = ANSWER_BYTES_MAX >> 20;
        Error::unsupported(format!("ONOS tells more than {most} MiB of {path}"))
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        let shown = printable(body.get(..200).unwrap_or(&body));
        Error::corrupt(format!("ONOS tells no JSON of {path} ({error}): {shown}"))
    })
}
