//! The source's configuration.

use std::collections::BTreeMap;

use lockgate_plugin::{Error, Result};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// In a restore of folders: node to its new address, with or without a port.
    pub addresses: BTreeMap<String, String>,
    /// Whether the operator vouches that the nodes whose folders are restored are stopped.
    pub nodes_stopped: bool,
    /// Whether state of any version may be restored into any other.
    pub allow_untested_version: bool,
}

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

impl Config {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value cannot be; names the key.
    pub fn validate(&self) -> Result<()> {
        let is_odd = |text: &str| {
            text.is_empty() || text.contains(|it: char| it.is_whitespace() || it.is_control())
        };
        match self.addresses.iter().find(|(_, address)| is_odd(address)) {
            Some((node, address)) => Err(Error::config(format!(
                "addresses.{node}: {address:?} is no address, as \"10.0.0.1\" or \"10.0.0.1:9876\""
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
        let config: Config = serde_json::from_str(r#"{"addresses": {"n1": "a b"}}"#).unwrap();
        assert!(config.validate().unwrap_err().message().starts_with("addresses.n1: "));
    }
}
