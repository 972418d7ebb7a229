//! The source's configuration.

use lockgate_plugin::{Error, Result, filter};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Indexes and data streams to take: `orders`, `logs-*`, with `*` for any text. Empty for all.
    pub include: Vec<String>,
    /// Indexes and data streams to leave out, in the same form; stronger than `include`.
    pub exclude: Vec<String>,
    /// Whether hidden indexes, and objects that the server manages itself, are taken.
    pub hidden: bool,
    /// Whether component, index and legacy templates are taken.
    pub templates: bool,
    /// Whether ingest pipelines, search pipelines and stored scripts are taken.
    pub pipelines: bool,
    /// Whether the persistent settings of the cluster are taken.
    pub cluster_settings: bool,
    /// How long the server keeps a point in time that waits for its turn, in minutes.
    pub keep_alive_minutes: u32,
    /// Whether a server of a version that was not tested is worked with.
    pub allow_untested_version: bool,
}

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

impl Default for Config {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            hidden: false,
            templates: true,
            pipelines: true,
            cluster_settings: true,
            keep_alive_minutes: 360,
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
        // Servers keep no point in time for longer than a day (`search.max_keep_alive`).
        if !(1..=1440).contains(&self.keep_alive_minutes) {
            return Err(Error::config("keep-alive-minutes: use 1 to 1440"));
        }
        filter::check("include", &self.include)?;
        filter::check("exclude", &self.exclude)
    }

    /// Whether the index or data stream is asked for by its name.
    pub fn takes(&self, name: &str) -> bool {
        filter::takes(&self.include, &self.exclude, &[name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_and_leave_out() {
        let config = Config {
            include: vec!["shop-*".into(), "people".into()],
            exclude: vec!["*-old".into()],
            ..Config::default()
        };
        assert!(config.takes("shop-orders") && config.takes("people"));
        assert!(!config.takes("shop-orders-old") && !config.takes("other"));
    }

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
    }
}
