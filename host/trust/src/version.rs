use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest version, in bytes.
const VERSION_BYTES_MAX: usize = 64;

/// Version of a plugin, after <https://semver.org>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(semver::Version);

/// The text is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no version: expected three numbers such as 1.2.3, as https://semver.org has them")]
pub struct VersionError;

impl Version {
    /// Whether it comes before `other`. Build metadata does not count.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.0.cmp_precedence(&other.0) == Ordering::Less
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.len() > VERSION_BYTES_MAX {
            return Err(VersionError);
        }
        text.parse().map(Self).map_err(|_| VersionError)
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let older = |one: &str, other: &str| {
            one.parse::<Version>().unwrap().is_older_than(&other.parse().unwrap())
        };
        assert!(
            older("0.9.0", "0.10.0") && older("1.0.0-rc.1", "1.0.0") && older("1.0.0", "1.0.1")
        );
        assert!(!older("1.0.0", "1.0.0") && !older("1.0.0+a", "1.0.0+b"));
        for text in
            ["", "1", "1.0", "01.0.0", "1.0.0 ", "v1.0.0", &format!("1.0.0-{}", "a".repeat(60))]
        {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
