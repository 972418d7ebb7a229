//! Java's management (JMX) over HTTP, as the agent Jolokia offers it on a node.
//! Protocol: <https://jolokia.org/reference/html/manual/jolokia_protocol.html>.

use std::io::Write;

use lockgate_plugin::http::{Body, Request};
use lockgate_plugin::{Context, Error, Result, printable};
use serde_json::{Map, Value, json};

use crate::limits::MANAGEMENT_BYTES_MAX;

/// The object that stands for the node.
pub const STORAGE: &str = "org.apache.cassandra.db:type=StorageService";
/// Where the agent answers.
const PATH: &str = "/jolokia/";

/// A question that was sent and is not answered yet.
#[derive(Debug)]
pub struct Asked {
    endpoint: String,
    body: Body,
}

/// Attributes of an object.
///
/// # Errors
/// When the node does not answer, or refuses.
pub fn read(endpoint: &str, object: &str, attributes: &[&str]) -> Result<Map<String, Value>> {
    let question = json!({ "type": "read", "mbean": object, "attribute": attributes });
    match ask(endpoint, &question)?.answer()? {
        Value::Object(values) => Ok(values),
        _ => Err(Error::corrupt(format!("endpoint {endpoint}: the attributes are no object"))),
    }
}

/// Runs an operation, named with the types of its arguments, and gives what it returns.
///
/// # Errors
/// When the node does not answer, or the operation fails.
pub fn execute(endpoint: &str, object: &str, operation: &str, arguments: Value) -> Result<Value> {
    start(endpoint, object, operation, arguments)?.answer()
}

/// Sends the order to run an operation.
///
/// # Errors
/// When the node cannot be reached.
pub fn start(endpoint: &str, object: &str, operation: &str, arguments: Value) -> Result<Asked> {
    let question = json!({
        "type": "exec", "mbean": object, "operation": operation, "arguments": arguments
    });
    ask(endpoint, &question)
}

fn ask(endpoint: &str, question: &Value) -> Result<Asked> {
    let text = serde_json::to_vec(question)?;
    let request = Request::post(endpoint, PATH).header("content-type", "application/json");
    let mut body = request.stream(Some(text.len() as u64))?;
    body.write_all(&text)?;
    body.flush()?;
    Ok(Asked { endpoint: endpoint.to_owned(), body })
}

impl Asked {
    /// Waits for what the operation returns.
    ///
    /// # Errors
    /// When the node does not answer, or the operation fails.
    pub fn answer(self) -> Result<Value> {
        let Self { endpoint, body } = self;
        let doing = || format!("endpoint {endpoint}");
        let response = body.finish().with_context(doing)?;
        let response = response.success().with_context(doing)?;
        let text = response
            .bytes(MANAGEMENT_BYTES_MAX)?
            .ok_or_else(|| Error::corrupt("an answer is longer than it may be").context(doing()))?;
        value(&text).with_context(doing)
    }
}

/// The value of an answer. The agent answers in HTTP that all is well, also where the operation failed.
fn value(text: &[u8]) -> Result<Value> {
    let answer: Value =
        serde_json::from_slice(text).context("what answers there is not Jolokia")?;
    match answer.get("status").and_then(Value::as_u64) {
        Some(200) => Ok(answer.get("value").cloned().unwrap_or_default()),
        Some(status) => {
            let said = answer.get("error").and_then(Value::as_str).unwrap_or("no reason");
            // The class of the exception stands in front.
            let said = said.split_once("Exception : ").map_or(said, |(_, words)| words);
            let message = format!("{} (Jolokia status {status})", printable(said));
            Err(match status {
                401 | 403 => Error::auth(message),
                404 => Error::unsupported(format!("{message}: is this a node of Cassandra?")),
                _ => Error::other(message),
            })
        }
        None => Err(Error::corrupt("what answers there is not Jolokia")),
    }
}

/// The texts of a list.
///
/// # Errors
/// When it is none.
pub fn texts(value: Option<&Value>) -> Result<Vec<String>> {
    let list = value.and_then(Value::as_array).context_missing()?;
    list.iter().map(|one| Ok(one.as_str().context_missing()?.to_owned())).collect()
}

/// A text.
///
/// # Errors
/// When it is none.
pub fn text(value: Option<&Value>) -> Result<String> {
    Ok(value.and_then(Value::as_str).context_missing()?.to_owned())
}

trait OrMissing<T> {
    fn context_missing(self) -> Result<T>;
}

impl<T> OrMissing<T> for Option<T> {
    fn context_missing(self) -> Result<T> {
        self.ok_or_else(|| Error::corrupt("an attribute of the node is not what it should be"))
    }
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::Failure;

    use super::*;

    #[test]
    fn what_fails_is_told_although_the_status_of_http_is_well() {
        let well = br#"{"request":{},"value":["a"],"status":200}"#;
        assert_eq!(texts(Some(&value(well).unwrap())).unwrap(), ["a"]);
        assert_eq!(value(br#"{"status":200}"#).unwrap(), Value::Null);
        let fails = br#"{"error":"java.io.IOException : Snapshot a already exists.","status":500}"#;
        let error = value(fails).unwrap_err();
        assert_eq!(error.message(), "Snapshot a already exists. (Jolokia status 500)");
        let denied = value(br#"{"error":"no","status":403}"#).unwrap_err();
        assert!(matches!(denied.failure(), Failure::Auth(_)));
    }

    #[test]
    fn foreign_and_cut_answers_are_refused() {
        let well = br#"{"value":["a"],"status":200}"#;
        for end in 0..well.len() {
            assert!(value(&well[..end]).is_err(), "{end}");
        }
        for foreign in ["<html>", "[]", "null", "{}", r#"{"status":"200"}"#, r#"{"status":-1}"#] {
            assert!(value(foreign.as_bytes()).is_err(), "{foreign}");
        }
        assert!(texts(Some(&json!({}))).is_err() && texts(Some(&json!([1]))).is_err());
        assert!(text(None).is_err() && text(Some(&json!(["a"]))).is_err());
    }
}
