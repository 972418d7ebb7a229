//! Refusals, in the words of `MarathonExceptionMapper` as `traits.raml` shows them.

use serde_json::{Value, json};

use crate::service::Answer;

/// Why a request is refused.
#[derive(Debug)]
pub struct Problem {
    status: u16,
    body: Value,
}

impl Problem {
    fn new(status: u16, body: Value) -> Self {
        Self { status, body }
    }

    pub fn answer(self) -> Answer {
        Answer::json(self.status, &self.body)
    }

    /// The body is no JSON at all.
    pub fn not_json(error: &serde_json::Error) -> Self {
        Self::new(400, json!({ "message": "Invalid JSON", "details": error.to_string() }))
    }

    /// A property is of another type.
    pub fn wrong_type(path: &str, expected: &str) -> Self {
        let errors = json!([format!("error.expected.js{expected}")]);
        Self::new(
            400,
            json!({ "message": "Invalid JSON", "details": [{ "path": path, "errors": errors }] }),
        )
    }

    /// A property may not be so.
    pub fn invalid(path: &str, error: &str) -> Self {
        let details = json!([{ "path": path, "errors": [error] }]);
        Self::new(422, json!({ "message": "Object is not valid", "details": details }))
    }

    /// Nothing of that id.
    pub fn not_there(what: &str, id: &str) -> Self {
        Self::new(404, json!({ "message": format!("{what} '{id}' does not exist") }))
    }

    /// No such path.
    pub fn no_route() -> Self {
        Self::new(404, json!({ "message": "URI not found" }))
    }

    /// Of two changes, one is too late.
    pub fn conflict(message: &str) -> Self {
        Self::new(409, json!({ "message": message }))
    }

    /// Deployments that run change the same.
    pub fn locked(deployments: &[String]) -> Self {
        let message = "App is locked by one or more deployments. Override with the option '?force=true'. View details at \
                       '/v2/deployments/<DEPLOYMENT_ID>'.";
        let deployments: Vec<Value> = deployments.iter().map(|id| json!({ "id": id })).collect();
        Self::new(409, json!({ "message": message, "deployments": deployments }))
    }

    /// The store does not take it.
    pub fn too_large() -> Self {
        Self::new(500, json!({ "message": "The node is larger than zk_max_node_size" }))
    }
}
