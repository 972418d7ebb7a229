//! The source's configuration.

use std::collections::BTreeMap;

use lockgate_plugin::{Error, Result};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Where configuration files are in each folder, as far as they are there.
    pub configuration: Vec<String>,
    /// In a restore: member to new address.
    pub addresses: BTreeMap<String, String>,
    /// Whether the operator vouches that the members which are restored are stopped.
    pub members_stopped: bool,
    /// In a restore: the folder whose partitions are given to all members.
    pub recover_from: String,
}

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

/// Where an agent's configuration is by custom.
const USUAL: [&str; 4] = ["atomix.conf", "atomix.json", "conf/atomix.conf", "conf/atomix.json"];

impl Default for Config {
    fn default() -> Self {
        Self {
            configuration: USUAL.map(str::to_owned).to_vec(),
            addresses: BTreeMap::new(),
            members_stopped: false,
            recover_from: String::new(),
        }
    }
}

impl Config {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value cannot be; names the key.
    pub fn validate(&self) -> Result<()> {
        let is_path = |path: &str| {
            path.split('/').all(|name| !matches!(name, "" | "." | "..")) && !path.contains('\0')
        };
        if let Some(path) = self.configuration.iter().find(|path| !is_path(path)) {
            return Err(Error::config(format!(
                "configuration: {path:?} is no path in a member's folder, as \"conf/atomix.conf\""
            )));
        }
        if let Some((member, address)) = self.addresses.iter().find(|(_, it)| !is_address(it)) {
            return Err(Error::config(format!(
                "addresses.{member}: {address:?} is no address, as \"10.0.0.1:5679\""
            )));
        }
        Ok(())
    }
}

/// Whether a text is a host or address with a port.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(|it: char| it.is_whitespace() || it.is_control() || it == '"')
            && port.parse::<u16>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
    }

    #[test]
    fn values_that_cannot_be_are_told_by_their_key() {
        let told = |json: &str| {
            let config: Config = serde_json::from_str(json).unwrap();
            config.validate().map_err(|error| error.message().to_owned())
        };
        assert_eq!(told("{}"), Ok(()));
        assert_eq!(told(r#"{"addresses": {"m1": "10.0.0.1:5679", "m2": "[::1]:1"}}"#), Ok(()));
        for json in [r#"{"addresses": {"m1": "10.0.0.1"}}"#, r#"{"addresses": {"m1": ":5"}}"#] {
            assert!(told(json).unwrap_err().starts_with("addresses.m1: "), "{json}");
        }
        for path in ["", "/etc/a.conf", "../a.conf", "a//b"] {
            let json = format!("{{\"configuration\": [\"{path}\"]}}");
            assert!(told(&json).unwrap_err().starts_with("configuration: "), "{json}");
        }
    }
}
