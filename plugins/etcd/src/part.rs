//! What a part is about, and how that stands in the archive.

use lockgate_plugin::path::unescape;
use lockgate_plugin::{Error, Part, Result};

use crate::keyspace::{KeyRange, escape};
use crate::split::Piece;

/// Before the name of a piece in the id of its part.
const KEYS_FOLDER: &str = "keys/";
/// Attributes of parts.
const RANGES: &str = "ranges";
const REST: &str = "rest";
/// The version of the server that was saved.
pub const SERVER: &str = "server";
/// The revision that was saved.
pub const REVISION: &str = "revision";
/// Names of the users, and of the roles, in the part `auth`, as JSON.
pub const USERS: &str = "users";
/// See [`USERS`].
pub const ROLES: &str = "roles";

/// What a part holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Keys of some ranges.
    Keys {
        /// In order, and apart from each other.
        ranges: Vec<KeyRange>,
        /// Whether it is what other parts leave over.
        is_rest: bool,
    },
    /// All leases.
    Leases,
    /// Users and roles.
    Auth,
    /// A description of the cluster.
    Cluster,
    /// The database's file.
    Snapshot,
}

impl Subject {
    /// The kind, as the contract has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Keys { .. } => "keys",
            Self::Leases => "leases",
            Self::Auth => "auth",
            Self::Cluster => "cluster",
            Self::Snapshot => "snapshot",
        }
    }

    /// What an archived part is about.
    ///
    /// # Errors
    /// When its attributes do not say.
    pub fn of(part: &Part) -> Result<Self> {
        let damaged = || Error::corrupt(format!("part {} does not say what it holds", part.id));
        Ok(match part.kind.as_str() {
            "keys" => {
                let ranges = part.attribute(RANGES).and_then(ranges_of).ok_or_else(damaged)?;
                Self::Keys { ranges, is_rest: part.attribute(REST).is_some() }
            }
            "leases" => Self::Leases,
            "auth" => Self::Auth,
            "cluster" => Self::Cluster,
            "snapshot" => Self::Snapshot,
            _ => return Err(damaged()),
        })
    }

    /// A part of which there is one.
    #[must_use]
    pub fn part(&self) -> Part {
        Part::new(self.kind(), self.kind())
    }
}

/// The part of a piece.
#[must_use]
pub fn of_piece(piece: &Piece) -> Part {
    let mut part = Part::new(format!("{KEYS_FOLDER}{}", piece.name), "keys")
        .with_attribute(RANGES, text_of(&piece.ranges));
    if piece.is_rest {
        part = part.with_attribute(REST, "true");
    }
    part.items_estimate = Some(piece.items);
    part
}

/// `a%2F~a0 c~`: pairs of bounds, separated by spaces, which no escaped text has; a bound that is missing is open.
fn text_of(ranges: &[KeyRange]) -> String {
    let texts = ranges.iter().map(|range| {
        let to = range.to.as_deref().map(escape).unwrap_or_default();
        format!("{}~{to}", escape(&range.from))
    });
    texts.collect::<Vec<String>>().join(" ")
}

fn ranges_of(text: &str) -> Option<Vec<KeyRange>> {
    let mut ranges: Vec<KeyRange> = Vec::new();
    for pair in text.split(' ').filter(|pair| !pair.is_empty()) {
        let (from, to) = pair.split_once('~')?;
        let to = if to.is_empty() { None } else { Some(unescape(to)?) };
        let range = KeyRange { from: unescape(from)?, to };
        let is_behind =
            ranges.last().is_none_or(|last| last.to.as_ref().is_some_and(|to| *to <= range.from));
        if !is_behind || range.is_empty() {
            return None;
        }
        ranges.push(range);
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_kept_in_attributes() {
        let b = KeyRange::of_prefix(b"b\0");
        let all = KeyRange::all();
        for ranges in [vec![all.clone()], all.without(&b), vec![b], vec![]] {
            let piece =
                Piece { name: "x".to_owned(), ranges: ranges.clone(), items: 0, is_rest: true };
            let subject = Subject::of(&of_piece(&piece)).unwrap();
            assert_eq!(subject, Subject::Keys { ranges, is_rest: true });
        }
    }

    #[test]
    fn ranges_that_overlap_or_are_none_are_refused() {
        for wrong in ["b~c a~b", "a~", "a~ b~", "b~a", "x", "%zz~", "a~b a~b"] {
            let is_wrong = ranges_of(wrong).is_none();
            assert_eq!(is_wrong, wrong != "a~", "{wrong}");
        }
    }
}
