//! The source's configuration.

use std::collections::BTreeMap;

use lockgate_plugin::filter::{self, Filter};
use lockgate_plugin::{Error, Result};
use serde::Deserialize;

use crate::physical::config::Physical;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// What is read and written.
    pub way: Way,
    /// Keyspaces and tables to take: `shop`, `shop.orders`, with `*` for any text. Empty for all.
    pub include: Vec<String>,
    /// Keyspaces and tables to leave out, in the same form; stronger than `include`.
    pub exclude: Vec<String>,
    /// Whether roles and what they may do are taken.
    pub roles: bool,
    /// How many replicas answer for each row that is read or written.
    pub consistency: Consistency,
    /// Replication of keyspaces that a restore makes, by their new names; `*` for all others.
    pub replication: BTreeMap<String, BTreeMap<String, String>>,
    /// What is for the physical way only.
    pub physical: Physical,
    /// Whether a server of a version that was not tested is worked with.
    pub allow_untested_version: bool,
}

/// What is read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Rows, over CQL.
    #[default]
    Logical,
    /// The SSTables of each node.
    Physical,
}

/// How many replicas must answer.
/// <https://cassandra.apache.org/doc/5.0/cassandra/architecture/dynamo.html#tunable-consistency>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// One.
    One,
    /// One of the datacentre of the node that is asked.
    LocalOne,
    /// Most of those of the datacentre of the node that is asked.
    #[default]
    LocalQuorum,
    /// Most of all.
    Quorum,
    /// Most of each datacentre.
    EachQuorum,
    /// All.
    All,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            way: Way::Logical,
            include: Vec::new(),
            exclude: Vec::new(),
            roles: true,
            consistency: Consistency::LocalQuorum,
            replication: BTreeMap::new(),
            physical: Physical::default(),
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
    /// When a value is out of range; names the key.
    pub fn validate(&self) -> Result<()> {
        for (keyspace, replication) in &self.replication {
            if !replication.contains_key("class") {
                return Err(Error::config(format!(
                    "replication: that of {keyspace:?} names no class, as in {{ class = \"SimpleStrategy\", replication_factor = \"1\" }}"
                )));
            }
        }
        filter::check("include", &self.include)?;
        filter::check("exclude", &self.exclude)
    }

    /// Whether anything of the keyspace is taken.
    pub fn takes_keyspace(&self, keyspace: &str) -> bool {
        let of_keyspace = |pattern: &String| {
            let whole = filter::fits(pattern, keyspace);
            let front = |(dot, _)| filter::fits(pattern.get(..dot).unwrap_or_default(), keyspace);
            whole || pattern.match_indices('.').any(front)
        };
        (self.include.is_empty() || self.include.iter().any(of_keyspace))
            && !self.exclude.iter().any(|pattern| filter::fits(pattern, keyspace))
    }

    /// Which tables of keyspaces are taken.
    pub fn filter(&self) -> Filter {
        Filter { include: self.include.clone(), exclude: self.exclude.clone() }
    }

    /// What the operator wants for a keyspace that a restore makes.
    pub fn replication_of(&self, keyspace: &str) -> Option<&BTreeMap<String, String>> {
        self.replication.get(keyspace).or_else(|| self.replication.get("*"))
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
    fn patterns_take_keyspaces_and_tables() {
        let config = Config {
            include: vec!["shop".into(), "crm.order*".into()],
            exclude: vec!["*_old".into(), "shop.log".into()],
            ..Config::default()
        };
        assert!(config.takes_keyspace("shop") && config.takes_keyspace("crm"));
        assert!(!config.takes_keyspace("hr") && !config.takes_keyspace("shop_old"));
        assert!(config.filter().takes_in("crm", "orders"));
        assert!(!config.filter().takes_in("shop", "log"));
    }

    #[test]
    fn replication_needs_a_class() {
        let map = BTreeMap::from([("dc1".to_owned(), "3".to_owned())]);
        let replication = BTreeMap::from([("*".to_owned(), map)]);
        let config = Config { replication, ..Config::default() };
        assert!(config.validate().unwrap_err().message().starts_with("replication"));
        assert!(config.replication_of("shop").is_some());
    }
}
