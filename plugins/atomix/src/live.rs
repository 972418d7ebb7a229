//! Asks a member's REST interface (`io.atomix.rest`, under `/v1`). The endpoint has the name of the member's folder.

use std::io::Read;

use lockgate_plugin::http::Request;
use lockgate_plugin::{Error, Failure, Result, printable};
use serde::Deserialize;
use serde_json::Value;

use crate::limits::ANSWER_BYTES_MAX;

/// What is known of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No endpoint of its name is granted.
    Unknown,
    /// Nobody answers; why.
    Silent(String),
    /// It answers.
    Alive,
}

/// A member as another one sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// Its name.
    pub id: String,
    /// Its address.
    #[serde(default)]
    pub host: String,
    /// For the members of the cluster.
    #[serde(default)]
    pub port: u16,
}

/// Whether the member of `folder` runs: any answer at all says that it does.
///
/// # Errors
/// When that cannot be told.
pub fn state(folder: &str) -> Result<State> {
    match Request::get(folder, "/v1/status").send() {
        Ok(_) => Ok(State::Alive),
        Err(error) => match error.failure() {
            Failure::Denied(_) => Ok(State::Unknown),
            Failure::Unreachable(why) => Ok(State::Silent(why.clone())),
            _ => Err(error),
        },
    }
}

/// The members that the one of `folder` sees.
///
/// # Errors
/// When it does not tell.
pub fn nodes(folder: &str) -> Result<Vec<Node>> {
    get(folder, "/v1/cluster/nodes")
}

/// How many primitives the cluster has, as the member of `folder` tells.
///
/// # Errors
/// When it does not tell.
pub fn primitives(folder: &str) -> Result<usize> {
    let all: Value = get(folder, "/v1/primitives")?;
    Ok(all.as_object().map_or(0, serde_json::Map::len))
}

fn get<T: serde::de::DeserializeOwned>(folder: &str, target: &str) -> Result<T> {
    let response = Request::get(folder, target).send()?.success()?;
    let mut text = Vec::new();
    response.take(ANSWER_BYTES_MAX).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|error| {
        let shown = printable(text.get(..200).unwrap_or(&text));
        Error::corrupt(format!("{folder} answered {target} with {shown}: {error}"))
    })
}
