use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A relative path of an archived entry: components separated by `/`, none of them empty, `.` or `..`, no NUL, at most
/// [`EntryPath::LENGTH_MAX`] bytes. The empty path is the root itself. Bytes, because file names are bytes.
///
/// Ordered depth first: by components, each compared by its bytes, so that a folder stands right before what it holds.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct EntryPath(Vec<u8>);

/// The bytes are not a path of an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} {reason}")]
pub struct PathError {
    path: String,
    reason: &'static str,
}

impl EntryPath {
    /// Longest path, in bytes.
    pub const LENGTH_MAX: usize = 64 * 1024;
    /// Longest component, in bytes: file systems and repositories that hold more are not in use.
    pub const COMPONENT_LENGTH_MAX: usize = 4096;
    /// Most components.
    pub const DEPTH_MAX: usize = 1024;

    /// Checks that `bytes` are a path.
    ///
    /// # Errors
    /// When a component is empty, `.`, `..` or too long, when there is a NUL, or when the path is too long or too deep.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, PathError> {
        let bytes = bytes.into();
        match fault(&bytes) {
            None => Ok(Self(bytes)),
            Some(reason) => {
                let shown = bytes.get(..200).unwrap_or(&bytes);
                Err(PathError { path: shown.escape_ascii().to_string(), reason })
            }
        }
    }

    /// The empty path.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Whether this is the empty path.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components from the outermost in; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// The last component; none for the root.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The path without its last component; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0.get(..end).unwrap_or_default().to_vec()))
    }

    /// `self` followed by `other`.
    ///
    /// # Errors
    /// When the result is too long or too deep.
    pub fn join(&self, other: &Self) -> Result<Self, PathError> {
        match (self.is_root(), other.is_root()) {
            (true, _) => Ok(other.clone()),
            (_, true) => Ok(self.clone()),
            _ => Self::new([self.0.as_slice(), b"/", other.0.as_slice()].concat()),
        }
    }

    /// The rest of the path below `prefix`; none when it is not below or at it.
    #[must_use]
    pub fn strip_prefix(&self, prefix: &Self) -> Option<Self> {
        if prefix.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(prefix.0.as_slice())?;
        match rest.split_first() {
            None => Some(Self::root()),
            Some((b'/', below)) => Some(Self(below.to_vec())),
            Some(_) => None,
        }
    }
}

fn fault(bytes: &[u8]) -> Option<&'static str> {
    if bytes.len() > EntryPath::LENGTH_MAX {
        return Some("is longer than 64 KiB");
    }
    if bytes.is_empty() {
        return None;
    }
    let mut depth = 0;
    for component in bytes.split(|byte| *byte == b'/') {
        depth += 1;
        if component.is_empty() {
            return Some("has an empty component");
        }
        if component == b"." || component == b".." {
            return Some("has a component `.` or `..`");
        }
        if component.len() > EntryPath::COMPONENT_LENGTH_MAX {
            return Some("has a component longer than 4096 bytes");
        }
        if component.contains(&0) {
            return Some("has a NUL byte");
        }
    }
    (depth > EntryPath::DEPTH_MAX).then_some("is deeper than 1024 folders")
}

impl Ord for EntryPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // `/` sorts before every other byte, so that `a/b` stands before `a-b`.
        let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        self.0.iter().map(key).cmp(other.0.iter().map(key))
    }
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<Vec<u8>> for EntryPath {
    type Error = PathError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        Self::new(bytes)
    }
}

impl TryFrom<&str> for EntryPath {
    type Error = PathError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text.as_bytes())
    }
}

impl From<EntryPath> for Vec<u8> {
    fn from(path: EntryPath) -> Self {
        path.0
    }
}

/// Readable on one line and safe on a terminal: bytes that are not printable UTF-8 are escaped.
impl fmt::Display for EntryPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if crate::is_unfit(character) {
                    write!(formatter, "{}", character.escape_default())?;
                } else {
                    write!(formatter, "{character}")?;
                }
            }
            write!(formatter, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_are_refused() {
        let long = vec![b'a'; EntryPath::LENGTH_MAX + 1];
        let hostile: [&[u8]; 8] =
            [b"/", b"/a", b"a/", b"a//b", b"..", b"a/../b", b"a/./b", b"a\0b"];
        for bytes in hostile.into_iter().chain([long.as_slice()]) {
            assert!(EntryPath::new(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_folder_stands_right_before_what_it_holds() {
        let mut paths: Vec<EntryPath> = ["a-b", "a/b", "a", "a/b/c", "a.b"]
            .map(|text| EntryPath::try_from(text).unwrap())
            .to_vec();
        paths.sort();
        let sorted: Vec<String> = paths.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["a", "a/b", "a/b/c", "a-b", "a.b"]);
    }

    #[test]
    fn prefix_is_of_components_and_not_of_bytes() {
        let path = |text: &str| EntryPath::try_from(text).unwrap();
        assert_eq!(path("a/b").strip_prefix(&path("a")), Some(path("b")));
        assert_eq!(path("ab").strip_prefix(&path("a")), None);
        assert_eq!(path("a").strip_prefix(&path("a")), Some(EntryPath::root()));
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(EntryPath::root()));
    }
}
