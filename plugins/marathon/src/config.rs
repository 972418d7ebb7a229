//! The source's configuration.

use lockgate_plugin::{Error, Result, filter};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Names of groups, applications and pods directly below the root to take, with `*` for any text. Empty for all.
    pub include: Vec<String>,
    /// Names to leave out, in the same form; stronger than `include`.
    pub exclude: Vec<String>,
    /// Whether a restore brings everything back with no instances, so that nothing starts before the operator wants it.
    pub suspended: bool,
    /// How long a restore waits for one change to be deployed, in seconds.
    pub deployment_seconds: u32,
    /// Whether a server of a version that is not known is worked with.
    pub allow_untested_version: bool,
}

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

impl Default for Config {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            suspended: false,
            deployment_seconds: 300,
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
        if !(1..=86_400).contains(&self.deployment_seconds) {
            return Err(Error::config("deployment-seconds: use 1 to 86400"));
        }
        filter::check("include", &self.include)?;
        filter::check("exclude", &self.exclude)
    }

    /// Whether what is directly below the root under this name is asked for.
    pub fn takes(&self, name: &str) -> bool {
        filter::takes(&self.include, &self.exclude, &[name])
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
    fn patterns_take_and_leave_out_and_a_mistake_names_its_key() {
        let config = Config {
            include: vec!["shop*".into()],
            exclude: vec!["*-old".into()],
            ..Config::default()
        };
        assert!(config.takes("shop") && config.takes("shop2"));
        assert!(!config.takes("shop-old") && !config.takes("other"));
        let config = Config { deployment_seconds: 0, ..Config::default() };
        assert!(config.validate().unwrap_err().message().starts_with("deployment-seconds"));
    }
}
