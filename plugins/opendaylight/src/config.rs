//! The source's configuration.

use lockgate_plugin::{Error, Result, filter};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// How data is saved.
    pub way: Way,
    /// Where the granted folder `backup` is for the server's process: an absolute path on its machine.
    pub backup_path: String,
    /// How long the server may take for a snapshot, in seconds.
    pub timeout_seconds: u32,
    /// How long a restore waits for the operator to start the node, and then for its shards, in seconds.
    pub wait_seconds: u32,
    /// Containers to take, as `module:container` with `*` for any text. Empty for all.
    pub include: Vec<String>,
    /// Containers to leave out, in the same form; stronger than `include`.
    pub exclude: Vec<String>,
    /// Whether a server is worked with whose version was not tested, or is not told.
    pub allow_untested_version: bool,
}

/// How data is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// All shards of a member, as the server writes them into a file; restored before a node starts.
    Snapshot,
    /// The configuration as JSON, container by container; restored into a running node.
    Json,
}

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

/// Keys of one installation, which another one cannot use.
pub const OWN_KEYS: [&str; 2] = ["aaa-encrypt-service-config:*", "aaa-cert-mdsal:*"];

impl Default for Config {
    fn default() -> Self {
        Self {
            way: Way::Snapshot,
            backup_path: String::new(),
            timeout_seconds: 60,
            wait_seconds: 600,
            include: Vec::new(),
            exclude: OWN_KEYS.map(str::to_owned).to_vec(),
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
        if !(1..=3600).contains(&self.timeout_seconds) {
            return Err(Error::config("timeout-seconds: use 1 to 3600"));
        }
        if self.wait_seconds > 86_400 {
            return Err(Error::config("wait-seconds: use at most 86400"));
        }
        filter::check("include", &self.include)?;
        filter::check("exclude", &self.exclude)
    }

    /// The folder of [`Config::backup_path`].
    ///
    /// # Errors
    /// When it is not set, or is no absolute path.
    pub fn backup_folder(&self) -> Result<&str> {
        let path = self.backup_path.trim_end_matches('/');
        if path.starts_with('/') && !path.contains(char::is_control) {
            return Ok(path);
        }
        Err(Error::config(
            "backup-path: set the absolute path that the granted folder `backup` has for the server's process; \
             `way = \"json\"` needs none",
        ))
    }

    /// Whether the container is asked for by its name.
    pub fn takes(&self, name: &str) -> bool {
        filter::takes(&self.include, &self.exclude, &[name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_an_installation_are_left_out() {
        let config = Config::default();
        assert!(config.takes("network-topology:network-topology"));
        assert!(!config.takes("aaa-cert-mdsal:key-stores"));
        let all = Config { exclude: Vec::new(), ..config };
        assert!(all.takes("aaa-cert-mdsal:key-stores"));
    }

    #[test]
    fn a_path_of_the_server_is_absolute() {
        let config = |path: &str| Config { backup_path: path.to_owned(), ..Config::default() };
        assert_eq!(config("/var/backup/").backup_folder().unwrap(), "/var/backup");
        for wrong in ["", "backup", "/", "/a\nb"] {
            assert!(config(wrong).backup_folder().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
    }
}
