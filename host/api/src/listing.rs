use jiff::Timestamp;
use lockgate_types::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Who asks, as the service knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// As the configuration calls the user.
    pub name: String,
    /// Of `viewer`, `operator`, `restorer` and `auditor`.
    pub roles: Vec<String>,
}

/// Entries of one folder of a backup, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entries {
    /// The entries.
    pub entries: Vec<Entry>,
    /// What to give as `after` for those that follow; none when these were the last.
    pub next: Option<String>,
}

/// One entry of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its name in the folder, escaped as its path is.
    pub name: String,
    /// From the top of the backup. A byte that is no UTF-8, and `%` itself, is `%` and two hexadecimal digits.
    pub path: String,
    /// `regular`, `directory`, `symlink`, `fifo`, `socket`, `character-device` or `block-device`.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Bytes of content.
    pub bytes: u64,
    /// When the content was last changed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub modified: Option<Timestamp>,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
}

/// Lines of the audit log, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditLines {
    /// The lines, as `lockgate audit show --json` prints them.
    #[schema(value_type = Vec<Object>)]
    pub lines: Vec<Value>,
    /// What to give as `after` for those that follow, now or later.
    pub next: u64,
    /// Lines in the log.
    pub total: u64,
}
