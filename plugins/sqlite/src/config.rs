//! The source's configuration.

use lockgate_plugin::glob::{Pattern, matches};
use lockgate_plugin::{Error, Result};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Which files are databases.
    pub include: Vec<Pattern>,
    /// Files and folders to leave out; stronger than `include`.
    pub exclude: Vec<Pattern>,
    /// How long a program that writes in rollback-journal mode is waited for, in seconds.
    pub lock_wait_seconds: u32,
    /// Whether a database of an unknown file format version is saved.
    pub allow_untested_version: bool,
}

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

/// Names that databases have by custom.
const USUAL: [&str; 3] = ["*.db", "*.sqlite", "*.sqlite3"];

impl Default for Config {
    fn default() -> Self {
        Self {
            include: USUAL.into_iter().filter_map(|it| it.to_owned().try_into().ok()).collect(),
            exclude: Vec::new(),
            lock_wait_seconds: 60,
            allow_untested_version: false,
        }
    }
}

impl Config {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value is out of range; names the key.
    pub fn validate(&self) -> Result<()> {
        if !(1..=3600).contains(&self.lock_wait_seconds) {
            return Err(Error::config("lock-wait-seconds: use 1 to 3600"));
        }
        if self.include.is_empty() {
            return Err(Error::config("include: name at least one pattern, as \"*.db\""));
        }
        Ok(())
    }

    /// [`Config::lock_wait_seconds`] in milliseconds.
    #[must_use]
    pub fn lock_wait(&self) -> u32 {
        self.lock_wait_seconds.saturating_mul(1000)
    }

    /// Whether the file `path` of a folder is taken for a database.
    #[must_use]
    pub fn takes(&self, path: &[u8]) -> bool {
        matches(&self.include, path, false) && !matches(&self.exclude, path, false)
    }

    /// Whether nothing below the folder `path` is looked at.
    #[must_use]
    pub fn leaves_out(&self, path: &[u8]) -> bool {
        matches(&self.exclude, path, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_any_depth_are_taken_and_left_out() {
        let config: Config =
            serde_json::from_str(r#"{"exclude": ["cache", "/old/*", "*-tmp.db"]}"#).unwrap();
        for path in ["a.db", "x/y/a.sqlite3", "x/old/a.db"] {
            assert!(config.takes(path.as_bytes()), "{path}");
        }
        for path in ["a.txt", "a.db-wal", "x/a-tmp.db", "old/a.db"] {
            assert!(!config.takes(path.as_bytes()), "{path}");
        }
        assert!(config.leaves_out(b"x/cache") && !config.leaves_out(b"x"));
    }

    #[test]
    fn mistakes_are_refused() {
        for text in [
            r#"{"includes": []}"#,
            r#"{"include": [""]}"#,
            r#"{"lock-wait-seconds": -1}"#,
            r#"{"exclude": ["a//b"]}"#,
        ] {
            assert!(serde_json::from_str::<Config>(text).is_err(), "{text}");
        }
        for text in [r#"{"include": []}"#, r#"{"lock-wait-seconds": 0}"#] {
            assert!(serde_json::from_str::<Config>(text).unwrap().validate().is_err(), "{text}");
        }
    }

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
    }
}
