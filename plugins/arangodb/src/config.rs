//! The source's configuration.

use lockgate_plugin::{Error, Filter, Result, filter};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Databases and collections to take: `shop`, `shop.orders`, with `*` for any text. Empty for all.
    pub include: Vec<String>,
    /// Databases and collections to leave out, in the same form; stronger than `include`.
    pub exclude: Vec<String>,
    /// Whether users are taken.
    pub users: bool,
    /// How documents are read.
    pub dump: DumpWay,
    /// Whether the server makes a hot backup of its own at the start of each backup.
    pub hot_backup: bool,
    /// How long the server keeps a moment that nobody reads from, in minutes.
    pub keep_alive_minutes: u32,
    /// Whether a server of a version that is not known is worked with.
    pub allow_untested_version: bool,
}

/// How documents are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DumpWay {
    /// `Batch` on a single server; on a cluster `Parallel` where the server has it.
    #[default]
    Auto,
    /// One moment for all, held by the server (`/_api/replication/batch`).
    Batch,
    /// Numbered batches that can be asked for again (`/_api/dump`).
    Parallel,
}

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

impl Default for Config {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            users: true,
            dump: DumpWay::Auto,
            hot_backup: false,
            keep_alive_minutes: 60,
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
        if !(1..=1440).contains(&self.keep_alive_minutes) {
            return Err(Error::config("keep-alive-minutes: use 1 to 1440"));
        }
        filter::check("include", &self.include)?;
        filter::check("exclude", &self.exclude)
    }

    /// What is taken.
    pub fn filter(&self) -> Filter {
        Filter { include: self.include.clone(), exclude: self.exclude.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
    }

    #[test]
    fn values_out_of_range_are_named() {
        let config = Config { keep_alive_minutes: 0, ..Config::default() };
        assert!(config.validate().unwrap_err().message().contains("keep-alive-minutes"));
        assert!(Config::default().validate().is_ok());
    }
}
