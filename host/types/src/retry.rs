use serde::{Deserialize, Serialize};

/// Whether the same call can succeed when it is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// It cannot.
    Never,
    /// It may, without anybody doing anything.
    Later,
    /// It may, once the operator has followed the hint.
    AfterFix,
}
