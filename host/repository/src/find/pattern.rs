use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use lockgate_types::EntryPath;

use crate::error::{Error, ErrorKind, Result};

/// A name with `*`, `?`, `[...]` and `{a,b}`; with a slash in it a path, in which `*` ends at slashes and `**` does not.
/// One that begins with a slash counts from the root, any other path from any folder.
#[derive(Clone, Debug)]
pub struct Pattern {
    glob: GlobMatcher,
    is_of_path: bool,
}

impl Pattern {
    /// # Errors
    /// `Invalid` when it does not parse.
    pub fn new(text: &str, ignore_case: bool) -> Result<Self> {
        let refuse = |why: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Invalid, format!("pattern {text:?}: {why}"))
        };
        let trimmed = text.trim_end_matches('/');
        if trimmed.is_empty() {
            return Err(refuse(&"it names nothing"));
        }
        let is_of_path = trimmed.contains('/');
        let glob = match trimmed.strip_prefix('/') {
            Some(rooted) => rooted.to_owned(),
            None if is_of_path => format!("**/{trimmed}"),
            None => trimmed.to_owned(),
        };
        let built = GlobBuilder::new(&glob)
            .literal_separator(true)
            .case_insensitive(ignore_case)
            .backslash_escape(true)
            .build()
            .map_err(|error| refuse(error.kind()))?;
        Ok(Self { glob: built.compile_matcher(), is_of_path })
    }

    /// Whether more than the name is compared.
    pub(super) fn is_of_path(&self) -> bool {
        self.is_of_path
    }

    pub(super) fn fits(&self, path: &EntryPath) -> bool {
        let bytes = match self.is_of_path {
            true => path.as_bytes(),
            false => path.name().unwrap_or_default(),
        };
        self.glob.is_match(Path::new(OsStr::from_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &[u8]) -> bool {
        let path = EntryPath::new(path.to_vec()).unwrap();
        Pattern::new(pattern, false).unwrap().fits(&path)
    }

    #[test]
    fn names_fit_anywhere_and_paths_where_they_say() {
        assert!(fits("*.txt", b"a/b/c.txt") && !fits("*.txt", b"a.txt/b"));
        assert!(fits("c?", b"a/c\xff") && !fits("c", b"a/cc"));
        assert!(fits("/a/*.txt", b"a/b.txt") && !fits("/a/*.txt", b"a/b/c.txt"));
        assert!(fits("b/*.txt", b"a/b/c.txt") && fits("b/*.txt", b"b/c.txt"));
        assert!(fits("/a/**/d", b"a/b/c/d") && !fits("/b", b"a/b"));
        assert!(fits("{one,two}/", b"two") && fits("[!a]b", b"cb") && fits("a\\*", b"a*"));
        assert!(
            Pattern::new("README*", true).unwrap().fits(&EntryPath::try_from("readme").unwrap())
        );
        for wrong in ["", "/", "[", "a{b"] {
            assert_eq!(Pattern::new(wrong, false).unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
}
