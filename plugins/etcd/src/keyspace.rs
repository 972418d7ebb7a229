//! Keys are bytes in one order; what is saved and restored are ranges of them.

use std::fmt::Write as _;

/// Keys from `from` on, up to and without `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRange {
    /// The least key. Empty for the first that can be.
    pub from: Vec<u8>,
    /// None for no end.
    pub to: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self { from: Vec::new(), to: None }
    }

    /// Keys that begin with `prefix`.
    #[must_use]
    pub fn of_prefix(prefix: &[u8]) -> Self {
        Self { from: prefix.to_vec(), to: after_prefix(prefix) }
    }

    /// Whether it holds no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }

    /// Whether the key is in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        *self.from <= *key && self.to.as_ref().is_none_or(|to| *key < **to)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let ends_later = match (&self.to, &other.to) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(to)) => to <= own,
        };
        self.from <= other.from && ends_later
    }

    /// What is in both.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        let to = match (&self.to, &other.to) {
            (Some(left), Some(right)) => Some(left.min(right).clone()),
            (left, right) => left.as_ref().or(right.as_ref()).cloned(),
        };
        Self { from: self.from.clone().max(other.from.clone()), to }
    }

    /// Whether a key can be in both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        !self.both(other).is_empty()
    }

    /// What is left without `hole`: none, one or two ranges.
    #[must_use]
    pub fn without(&self, hole: &Self) -> Vec<Self> {
        if !self.meets(hole) {
            return vec![self.clone()];
        }
        let before = Self { from: self.from.clone(), to: Some(hole.from.clone()) };
        let after = hole.to.clone().map(|from| Self { from, to: self.to.clone() });
        [Some(before), after].into_iter().flatten().filter(|range| !range.is_empty()).collect()
    }
}

/// What is left of `ranges` without `hole`.
#[must_use]
pub fn without(ranges: &[KeyRange], hole: &KeyRange) -> Vec<KeyRange> {
    ranges.iter().flat_map(|range| range.without(hole)).collect()
}

/// The least key after all that begin with `prefix`; none when there is no such key.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut after = prefix.get(..=last)?.to_vec();
    *after.last_mut()? += 1;
    Some(after)
}

/// The least key after `key`.
#[must_use]
pub fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// The beginning of `key` up to and with the first slash that follows `known` bytes and at least one that is no slash:
/// `/registry/` of `/registry/pods/a`.
#[must_use]
pub fn component(key: &[u8], known: usize) -> Option<&[u8]> {
    let name = known + key.get(known..)?.iter().position(|byte| *byte != b'/')?;
    let slash = name + key.get(name..)?.iter().position(|byte| *byte == b'/')?;
    key.get(..=slash)
}

/// Bytes as text that is one component of a path: all but `A-Z a-z 0-9 _ - .` as `%XX`, and a dot in front too.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if is_plain || (*byte == b'.' && index > 0) {
            text.push(char::from(*byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Bytes for people: text as it is, everything else as `%XX`.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    let longest = bytes.get(..100).unwrap_or(bytes);
    let mut text = String::new();
    for byte in longest {
        if byte.is_ascii_graphic() && *byte != b'%' {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    if longest.len() < bytes.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::path::unescape;

    use super::*;

    fn range(from: &str, to: &str) -> KeyRange {
        let to = (to != "-").then(|| to.as_bytes().to_vec());
        KeyRange { from: from.as_bytes().to_vec(), to }
    }

    #[test]
    fn a_prefix_ends_before_the_next_key_that_is_not_in_it() {
        assert_eq!(KeyRange::of_prefix(b"a/"), range("a/", "a0"));
        assert_eq!(KeyRange::of_prefix(b"a\xff\xff").to, Some(b"b".to_vec()));
        assert_eq!(KeyRange::of_prefix(b"\xff").to, None);
        assert_eq!(KeyRange::of_prefix(b""), KeyRange::all());
    }

    #[test]
    fn ranges_are_cut_out_of_each_other() {
        assert_eq!(KeyRange::all().without(&range("b", "c")), [range("", "b"), range("c", "-")]);
        assert_eq!(range("a", "d").without(&range("a", "b")), [range("b", "d")]);
        assert_eq!(range("a", "d").without(&range("c", "-")), [range("a", "c")]);
        assert_eq!(range("a", "d").without(&range("", "-")), []);
        assert_eq!(range("a", "b").without(&range("b", "c")), [range("a", "b")]);
    }

    #[test]
    fn a_component_ends_with_a_slash_behind_a_name() {
        assert_eq!(component(b"/registry/pods/a", 0), Some(&b"/registry/"[..]));
        assert_eq!(component(b"/registry/pods/a", 10), Some(&b"/registry/pods/"[..]));
        assert_eq!(component(b"//a/b", 0), Some(&b"//a/"[..]));
        for loose in [&b"a"[..], b"/a", b"/", b"//", b""] {
            assert_eq!(component(loose, 0), None);
        }
    }

    #[test]
    fn every_byte_survives_as_text() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&escape(&all)), Some(all));
        assert_eq!(escape(b"/a.b/"), "%2Fa.b%2F");
        assert_eq!(escape(b".."), "%2E.");
    }
}
