//! The source's configuration.

use lockgate_plugin::filter::{self, Filter};
use lockgate_plugin::{Error, Result};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Databases and tables to take: `shop`, `shop.orders`, with `*` for any text. Empty for all.
    pub include: Vec<String>,
    /// Databases and tables to leave out, in the same form; stronger than `include`.
    pub exclude: Vec<String>,
    /// Whether accounts, roles and their grants are taken.
    pub users: bool,
    /// How the consistent point is taken.
    pub lock: Lock,
    /// How long taking the lock may make other clients wait, in seconds.
    pub lock_wait_seconds: u32,
    /// Whether a server of a version that was not tested is worked with.
    pub allow_untested_version: bool,
}

/// How writers are held off for the moment in which the workers join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// Global, and when the account may not, by table.
    #[default]
    Auto,
    /// `FLUSH TABLES WITH READ LOCK`.
    Global,
    /// `LOCK TABLES ... READ` on all tables of the backup.
    Tables,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            users: true,
            lock: Lock::Auto,
            lock_wait_seconds: 60,
            allow_untested_version: false,
        }
    }
}

/// Attribute of a part: which of a database's objects were taken, as JSON of a [`Filter`].
pub const FILTER: &str = "filter";

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

impl Config {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value is out of range; names the key.
    pub fn validate(&self) -> Result<()> {
        if !(1..=3600).contains(&self.lock_wait_seconds) {
            return Err(Error::config("lock-wait-seconds: use 1 to 3600"));
        }
        filter::check("include", &self.include)?;
        filter::check("exclude", &self.exclude)
    }

    /// Whether anything of the database is taken.
    pub fn takes_database(&self, database: &str) -> bool {
        let included = self.include.is_empty()
            || self.include.iter().any(|pattern| {
                filter::fits(pattern, database)
                    || pattern.match_indices('.').any(|(dot, _)| {
                        filter::fits(pattern.get(..dot).unwrap_or_default(), database)
                    })
            });
        included && !self.exclude.iter().any(|pattern| filter::fits(pattern, database))
    }

    /// Which objects of databases are taken.
    pub fn filter(&self) -> Filter {
        Filter { include: self.include.clone(), exclude: self.exclude.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_databases_and_tables() {
        let config = Config {
            include: vec!["shop".into(), "crm.order*".into()],
            exclude: vec!["shop.log_*".into(), "*_old".into()],
            ..Config::default()
        };
        assert!(config.takes_database("shop") && config.takes_database("crm"));
        assert!(!config.takes_database("hr") && !config.takes_database("shop_old"));
        let filter = config.filter();
        assert!(filter.takes_in("shop", "customers") && filter.takes_in("crm", "orders"));
        assert!(!filter.takes_in("shop", "log_2024") && !filter.takes_in("crm", "people"));
        assert!(!filter.takes_in("shop", "customers_old"));
    }

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
    }
}
