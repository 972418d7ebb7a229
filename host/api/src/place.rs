use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Backup, BackupId};

/// Where a backup stands in lists, which have the newest first: its `created`, a comma, and its `id`. It stays the same when backups
/// before or behind it come or go, and when the backup itself goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place {
    /// When the backup was begun.
    pub created: Timestamp,
    /// Which one, of several that were begun at the same time.
    pub id: BackupId,
}

/// The text is no place in a list of backups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place in a list: that is `created` of a backup, a comma, and its `id`")]
pub struct PlaceError(String);

/// Characters of a wrong text that are told.
const SHOWN_MAX: usize = 100;

impl Backup {
    /// Where it stands in lists.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { created: self.created, id: self.id.clone() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{},{}", self.created, self.id)
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = || {
            let (created, id) = text.split_once(',')?;
            Some(Self { created: created.parse().ok()?, id: id.parse().ok()? })
        };
        parsed().ok_or_else(|| PlaceError(text.chars().take(SHOWN_MAX).collect()))
    }
}

impl TryFrom<String> for Place {
    type Error = PlaceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_way_through_a_text() {
        let text = "2026-01-02T03:04:05.006Z,nightly-1c0b9ac1-9f3c-4c3a-8d59-6dd4de3a6f4f";
        let place: Place = text.parse().expect("a place");
        assert_eq!(place.to_string(), text);
        for wrong in ["", ",", "now,nightly-1c0b9ac1-9f3c-4c3a-8d59-6dd4de3a6f4f", &text[..30]] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
