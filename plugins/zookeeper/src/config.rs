//! The source's configuration.

use lockgate_plugin::{Error, Result};
use serde::Deserialize;

use crate::limits::RECOVERY_STEPS_MAX;
use crate::scope;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Nodes to take with everything below them; empty for all.
    pub include: Vec<String>,
    /// Nodes to leave out with everything below them; stronger than `include`.
    pub exclude: Vec<String>,
    /// Whether quotas are taken.
    pub quotas: bool,
    /// What is of one transaction.
    pub moment: Scale,
    /// How far a restore advances the counter of one node's sequential children.
    pub sequence_steps_max: u32,
    /// All members of the ensemble as ADDRESS:PORT.
    pub members: Vec<String>,
    /// After how long the server forgets a session that went away without a word, in seconds.
    pub session_timeout_seconds: u32,
    /// Whether a server of a version that was not tested is worked with.
    pub allow_untested_version: bool,
}

/// How much is of one transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Everything.
    #[default]
    Tree,
    /// Each part for itself.
    Part,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            quotas: true,
            moment: Scale::Tree,
            sequence_steps_max: 100_000,
            members: Vec::new(),
            session_timeout_seconds: 10,
            allow_untested_version: false,
        }
    }
}

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

impl Config {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value is not fit; names the key.
    pub fn validate(&self) -> Result<()> {
        for (key, paths) in [("include", &self.include), ("exclude", &self.exclude)] {
            for path in paths {
                scope::check(path).map_err(|error| error.context(key))?;
            }
        }
        if self.exclude.iter().any(|path| path == "/") {
            return Err(Error::config("exclude: / would leave out everything"));
        }
        if !(2..=120).contains(&self.session_timeout_seconds) {
            return Err(Error::config("session-timeout-seconds: use 2 to 120"));
        }
        if self.sequence_steps_max > RECOVERY_STEPS_MAX {
            return Err(Error::config("sequence-steps-max: use 0 to 10000000"));
        }
        self.member_addresses().map(drop)
    }

    /// `members`, taken apart. An IPv6 address stands in brackets.
    ///
    /// # Errors
    /// When one is no address and port.
    pub fn member_addresses(&self) -> Result<Vec<(&str, u16)>> {
        let split = |member: &String| {
            let (address, port) = member.rsplit_once(':')?;
            let address = address.trim_start_matches('[').trim_end_matches(']');
            let port = port.parse().ok().filter(|port| *port > 0)?;
            (!address.is_empty()).then_some((address.len(), member.find(address)?, port))
        };
        let read = |member| match split(member) {
            Some((length, at, port)) => Ok((member.get(at..at + length).unwrap_or_default(), port)),
            None => Err(Error::config(format!("members: {member:?} is not ADDRESS:PORT"))),
        };
        self.members.iter().map(read).collect()
    }

    /// The timeout of a session in milliseconds.
    pub fn session_timeout(&self) -> i32 {
        i32::try_from(self.session_timeout_seconds.saturating_mul(1000)).unwrap_or(i32::MAX)
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
    fn members_are_addresses_with_ports() {
        let of = |member: &str| {
            let config = Config { members: vec![member.to_owned()], ..Config::default() };
            config.member_addresses().map(|found| (found[0].0.to_owned(), found[0].1))
        };
        assert_eq!(of("zk1:2181").unwrap(), ("zk1".to_owned(), 2181));
        assert_eq!(of("[::1]:2181").unwrap(), ("::1".to_owned(), 2181));
        for wrong in ["zk1", ":2181", "zk1:0", "zk1:99999", "[]:1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mistakes_name_their_key() {
        for (config, key) in [
            (Config { include: vec!["kafka".into()], ..Config::default() }, "include"),
            (Config { exclude: vec!["/".into()], ..Config::default() }, "exclude"),
            (Config { session_timeout_seconds: 0, ..Config::default() }, "session-timeout-seconds"),
        ] {
            assert!(config.validate().unwrap_err().message().starts_with(key));
        }
    }
}
