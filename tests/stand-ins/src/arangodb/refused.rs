//! How the server refuses: <https://docs.arangodb.com/stable/develop/error-codes-and-meanings/>.

use serde_json::{Value, json};

use crate::service::Answer;

/// A status, the server's own number, and words.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub number: u32,
    pub message: String,
}

/// What a request leads to.
pub type Outcome<T = Answer> = Result<T, Refused>;

impl Refused {
    pub fn new(status: u16, number: u32, message: impl Into<String>) -> Self {
        Self { status, number, message: message.into() }
    }

    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(400, 10, message)
    }

    pub fn unauthorized() -> Self {
        Self::new(401, 11, "not authorized to execute this request")
    }

    pub fn forbidden() -> Self {
        Self::new(403, 11, "forbidden")
    }

    pub fn unknown_path(path: &str) -> Self {
        Self::new(404, 404, format!("unknown path '{path}'"))
    }

    pub fn no_method() -> Self {
        Self::new(405, 405, "method not supported")
    }

    pub fn no_database() -> Self {
        Self::new(404, 1228, "database not found")
    }

    pub fn no_collection(name: &str) -> Self {
        Self::new(404, 1203, format!("collection or view not found: {name}"))
    }

    pub fn no_document() -> Self {
        Self::new(404, 1202, "document not found")
    }

    pub fn no_graph(name: &str) -> Self {
        Self::new(404, 1924, format!("graph '{name}' not found"))
    }

    pub fn duplicate_name(name: &str) -> Self {
        Self::new(409, 1207, format!("duplicate name: {name}"))
    }

    pub fn illegal_name() -> Self {
        Self::new(400, 1208, "illegal name")
    }

    pub fn conflict() -> Self {
        Self::new(412, 1200, "conflict, _rev values do not match")
    }

    pub fn unique(what: &str) -> Self {
        Self::new(409, 1210, format!("unique constraint violated - in index {what}"))
    }

    pub fn body(&self) -> Value {
        json!({
            "error": true, "code": self.status, "errorNum": self.number, "errorMessage": self.message,
        })
    }

    /// As one of many in an answer.
    pub fn item(&self) -> Value {
        json!({ "error": true, "errorNum": self.number, "errorMessage": self.message })
    }

    pub fn answer(&self) -> Answer {
        Answer::json(self.status, &self.body())
    }
}
