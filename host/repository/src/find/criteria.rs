use std::str::FromStr;

use lockgate_types::{EntryPath, Timestamp};

use super::pattern::Pattern;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Node, NodeKind};

/// What is looked for: entries that fit one of the patterns, if there are any, and every other condition that is given.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FindOptions {
    /// Names or paths.
    pub patterns: Vec<Pattern>,
    /// One of these kinds.
    pub kinds: Vec<NodeKind>,
    /// Changed then or later.
    pub newer: Option<Timestamp>,
    /// Changed then or before.
    pub older: Option<Timestamp>,
    /// Files of all these sizes.
    pub sizes: Vec<SizeRange>,
    /// That need one of these blobs: the first digits of chunks or trees.
    pub blobs: Vec<String>,
    /// Folders with one of these trees.
    pub trees: Vec<String>,
    /// That need something in one of these packs.
    pub packs: Vec<String>,
}

impl FindOptions {
    pub(super) fn is_empty(&self) -> bool {
        self.fits_anything() && !self.names_blobs()
    }

    /// Whether nothing but blobs decides. The root of a snapshot, which has no name, fits nothing else.
    pub(super) fn fits_anything(&self) -> bool {
        let has_time = self.newer.is_some() || self.older.is_some();
        let has_kind = !self.kinds.is_empty() || !self.sizes.is_empty();
        self.patterns.is_empty() && !has_kind && !has_time
    }

    pub(super) fn names_blobs(&self) -> bool {
        !(self.blobs.is_empty() && self.trees.is_empty() && self.packs.is_empty())
    }

    /// Whether everything fits but the blobs.
    pub(super) fn fits(&self, path: &EntryPath, node: &Node) -> bool {
        let changed = node.mtime.timestamp;
        let is_file = node.kind == NodeKind::File;
        (self.kinds.is_empty() || self.kinds.contains(&node.kind))
            && self.newer.is_none_or(|newer| changed >= newer)
            && self.older.is_none_or(|older| changed <= older)
            && (self.sizes.is_empty() || is_file)
            && self.sizes.iter().all(|range| range.holds(node.size))
            && (self.patterns.is_empty() || self.patterns.iter().any(|it| it.fits(path)))
    }
}

/// Bytes of a file: exactly, at least (`+10M`) or at most (`-1k`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    min: u64,
    max: u64,
}

impl SizeRange {
    fn holds(self, size: u64) -> bool {
        (self.min..=self.max).contains(&size)
    }
}

impl FromStr for SizeRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (sign, number) = match text.strip_prefix(['+', '-']) {
            Some(number) => (text.chars().next(), number),
            None => (None, text),
        };
        let bytes = parse_bytes(number).ok_or_else(|| {
            let text =
                format!("{text:?} is no size: expected 4096, +10M for at least or -1k for at most");
            Error::new(ErrorKind::Invalid, text)
        })?;
        Ok(match sign {
            Some('+') => Self { min: bytes, max: u64::MAX },
            Some(_) => Self { min: 0, max: bytes },
            None => Self { min: bytes, max: bytes },
        })
    }
}

/// Digits with or without one of the units `K M G T`, powers of 1024.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let shift = match text.get(digits.len()..).unwrap_or_default() {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return None,
    };
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_sign_and_a_unit() {
        let holds = |text: &str, size| text.parse::<SizeRange>().unwrap().holds(size);
        assert!(holds("+1k", 1024) && !holds("+1k", 1023));
        assert!(holds("-1M", 1 << 20) && !holds("-1M", (1 << 20) + 1));
        assert!(holds("7", 7) && !holds("7", 8));
        for text in ["", "+", "k", "1x", "--1", "+-1", "1kk", "99999999999T", "é"] {
            assert!(text.parse::<SizeRange>().is_err(), "{text}");
        }
    }
}
