use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that the operator or a plugin author chose: 1 to 64 of `a-z0-9_-`, starting with a letter or digit. Safe as a
/// component of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name: use 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit")]
pub struct NameError(String);

impl Name {
    /// Longest name, in bytes.
    pub const LENGTH_MAX: usize = 64;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let starts_well =
            text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
        let all_allowed =
            text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if starts_well && all_allowed && text.len() <= Self::LENGTH_MAX {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError(text.chars().take(Self::LENGTH_MAX).collect()))
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_a_folder_are_refused() {
        for text in ["", ".", "..", "a/b", "A", "-a", "a b", "a\0", &"a".repeat(65)] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
        for text in ["a", "0", "shop-db_2", &"a".repeat(64)] {
            assert!(text.parse::<Name>().is_ok(), "{text:?}");
        }
    }
}
