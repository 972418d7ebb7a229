use serde::{Deserialize, Serialize};

/// Why a call of the contract failed, in the plugin's words. Mirrors `types.failure` of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The operator's configuration is wrong.
    #[error("configuration: {0}")]
    Config(String),
    /// Credentials refused.
    #[error("credentials refused: {0}")]
    Auth(String),
    /// A capability was not granted.
    #[error("not granted: {0}")]
    Denied(String),
    /// Endpoint down or timed out.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// Server version, feature or topology that the plugin does not handle.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// The target is not in the needed state.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Data does not parse or does not verify.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The operator stopped the run.
    #[error("cancelled")]
    Cancelled,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
