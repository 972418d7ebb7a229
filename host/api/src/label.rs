use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an operator calls a backup: 3 to 25 of `A-Za-z0-9_.-`, not starting with `..`. Several backups may have one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = r"^(?!\.\.)[A-Za-z0-9_.-]{3,25}$", example = "nightly")]
pub struct Label(String);

/// The text is not a label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a label: use 3 to 25 of A-Z, a-z, 0-9, _, . and -, not starting with ..")]
pub struct LabelError(String);

/// Names one backup: its label and a random UUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "nightly-1c0b9ac1-9f3c-4c3a-8d59-6dd4de3a6f4f")]
pub struct BackupId(String);

/// The text is not the id of a backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of a backup: that is a label, - and a UUID")]
pub struct BackupIdError(String);

/// Digits and dashes of a UUID.
const UUID_LENGTH: usize = 36;

impl Label {
    /// Fewest characters.
    pub const LENGTH_MIN: usize = 3;
    /// Most characters.
    pub const LENGTH_MAX: usize = 25;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let fits = (Self::LENGTH_MIN..=Self::LENGTH_MAX).contains(&text.len());
        if fits && text.bytes().all(is_allowed) && !text.starts_with("..") {
            return Ok(Self(text.to_owned()));
        }
        Err(LabelError(text.chars().take(2 * Self::LENGTH_MAX).collect()))
    }
}

impl BackupId {
    /// A new id.
    #[must_use]
    pub fn new(label: Label) -> Self {
        Self(format!("{label}-{}", Uuid::new_v4()))
    }

    /// The label in it.
    #[must_use]
    pub fn label(&self) -> Label {
        let end = self.0.len().saturating_sub(UUID_LENGTH + 1);
        Label(self.0.get(..end).unwrap_or_default().to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BackupId {
    type Err = BackupIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = || {
            let at = text.len().checked_sub(UUID_LENGTH)?;
            let label: Label = text.get(..at)?.strip_suffix('-')?.parse().ok()?;
            let uuid = Uuid::try_parse(text.get(at..)?).ok()?;
            Some(Self(format!("{label}-{uuid}")))
        };
        parsed().ok_or_else(|| BackupIdError(text.chars().take(100).collect()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Label {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for BackupId {
    type Error = BackupIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_plain() {
        for good in ["abc", "a.b-c_9", ".ab", "A23456789012345678901234x"] {
            assert!(good.parse::<Label>().is_ok(), "{good}");
        }
        for bad in ["", "ab", "..a", "a b", "äbc", "A23456789012345678901234xy", "a/b", "abc\n"] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_is_a_label_and_a_uuid() {
        let id = BackupId::new("a-b-c".parse().unwrap());
        let again: BackupId = id.to_string().parse().unwrap();
        assert_eq!((again.label().to_string(), &again), ("a-b-c".to_owned(), &id));
        for bad in [
            "",
            "abc",
            "abc-",
            "é-1c0b9ac1-9f3c-4c3a-8d59-6dd4de3a6f4f",
            "1c0b9ac1-9f3c-4c3a-8d59-6dd4de3a6f4f",
        ] {
            assert!(bad.parse::<BackupId>().is_err(), "{bad}");
        }
    }
}
