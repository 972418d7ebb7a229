use serde::{Deserialize, Serialize};

use super::Time;
use crate::error::{Error, Result};

/// A file in `locks/`: somebody uses the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFile {
    /// When it was made or last refreshed.
    pub time: Time,
    /// Whether nobody else may use the repository.
    #[serde(default)]
    pub exclusive: bool,
    /// Where.
    #[serde(default)]
    pub hostname: String,
    /// By whom.
    #[serde(default)]
    pub username: String,
    /// Process on that machine.
    #[serde(default)]
    pub pid: i64,
    /// User number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uid: u32,
    /// Group number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: u32,
    /// What only our locks tell; others skip it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockgate: Option<LockNote>,
}

/// What a prune wants to know of those who work beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockNote {
    /// Whether the holder is a prune, beside which there is no other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prune: bool,
    /// When the first file of this lock was stored, by the clock of the storage. The first file does not tell: it is that
    /// file's own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl LockFile {
    /// The JSON that is stored.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers print")
    }

    /// Reads the JSON that is stored.
    ///
    /// # Errors
    /// `Corrupt` when it does not parse.
    pub fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|source| Error::corrupt("lock", source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_design_document_is_read_and_printed() {
        let json = br#"{"time":"2015-06-27T12:18:51.759239612+02:00","exclusive":false,"hostname":"kasimir","username":"fd0","pid":13607,"uid":1000,"gid":100}"#;
        assert_eq!(LockFile::parse(json).unwrap().print(), json);
    }

    #[test]
    fn the_lock_of_root_has_no_numbers() {
        let json = br#"{"time":"2015-06-27T12:18:51Z","exclusive":true,"hostname":"h","username":"root","pid":1}"#;
        assert_eq!(LockFile::parse(json).unwrap().print(), json);
    }
}
