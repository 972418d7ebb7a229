use lockgate_plugin::glob::{self, Pattern};
use lockgate_plugin::{Error, Result};
use serde::Deserialize;

/// The source's configuration; `config.schema.json` describes it for people and programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// What is left out. The last pattern that matches decides.
    pub exclude: Vec<Pattern>,
    /// Folders that hold one of these names are left out but for that name.
    pub exclude_if_present: Vec<Name>,
    /// Folders with a `CACHEDIR.TAG` are left out but for the tag.
    pub exclude_caches: bool,
    /// Folders on other file systems than the granted one are left empty.
    pub one_file_system: bool,
    /// Whether a backup computes a fingerprint, for which it reads every file once more.
    pub fingerprint: bool,
    /// What to do about a file that may not be read.
    pub on_unreadable: Reaction,
    /// What to do about a file that was removed before it was read.
    pub on_vanished: Reaction,
}

/// What to do about a file that could not be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// Say so, count it, and go on.
    #[default]
    Continue,
    /// Fail the part.
    Fail,
}

impl Reaction {
    /// Goes on, or fails with `message`.
    pub fn to(self, message: impl FnOnce() -> String) -> Result<()> {
        match self {
            Self::Continue => Ok(()),
            Self::Fail => Err(Error::other(message())),
        }
    }
}

/// One component of a path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

impl Name {
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "" | "." | ".." => Err(format!("{text:?} is not a name")),
            _ if text.contains(['/', '\0']) => Err(format!("{text:?} is not a name but a path")),
            _ => Ok(Self(text)),
        }
    }
}

impl Config {
    /// Whether the patterns leave `path` out.
    pub fn excludes(&self, path: &[u8], is_folder: bool) -> bool {
        glob::matches(&self.exclude, path, is_folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let config: Config =
            serde_json::from_str(r#"{"exclude": ["*.log", "!keep.log", "/a/keep.log"]}"#).unwrap();
        assert!(config.excludes(b"x.log", false));
        assert!(!config.excludes(b"b/keep.log", false));
        assert!(config.excludes(b"a/keep.log", false));
    }

    #[test]
    fn mistakes_are_refused() {
        for text in [
            r#"{"excludes": []}"#,
            r#"{"exclude": ["["]}"#,
            r#"{"exclude-if-present": ["a/b"]}"#,
            r#"{"on-unreadable": "ignore"}"#,
        ] {
            assert!(serde_json::from_str::<Config>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(include_str!("config.schema.json"))
            .unwrap();
    }
}
