use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Trouble, as RFC 9457 sends it (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of trouble it is, in one word: `not-found`, `conflict`, `denied`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The status of the answer that carries it; 0 where it stands in a job or a backup.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub status: u16,
    /// The thing and the cause, in one line.
    pub detail: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(status: &u16) -> bool {
    *status == 0
}

impl Problem {
    /// Trouble without a next step.
    #[must_use]
    pub fn new(kind: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind: kind.into(), status: 0, detail: detail.into(), hint: None }
    }

    /// The same with a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
