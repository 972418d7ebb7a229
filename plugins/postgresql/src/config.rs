//! The source's configuration.

use lockgate_plugin::filter::{self, Filter};
use lockgate_plugin::{Error, Result};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The database to connect to first, and the one that is taken when `databases` is empty.
    pub database: String,
    /// Databases to take, with `*` for any text.
    pub databases: Vec<String>,
    /// Schemas and objects to take: `public`, `public.order*`. Empty for all.
    pub include: Vec<String>,
    /// Schemas and objects to leave out, in the same form; stronger than `include`.
    pub exclude: Vec<String>,
    /// Whether roles are taken.
    pub roles: bool,
    /// Whether large objects are taken.
    pub large_objects: bool,
    /// Whether a restore sets owners and grants.
    pub owners: bool,
    /// In which order rows are saved.
    pub order: Order,
    /// How long a lock on a table may be waited for, in seconds.
    pub lock_wait_seconds: u32,
    /// Whether a server of a version that is not known is worked with.
    pub allow_untested_version: bool,
}

/// In which order rows are saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// That of the primary key: does not change when rows move.
    #[default]
    Key,
    /// That in which the server has them: costs nothing.
    Stored,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: "postgres".to_owned(),
            databases: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            roles: true,
            large_objects: true,
            owners: true,
            order: Order::Key,
            lock_wait_seconds: 60,
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
        if !(1..=3600).contains(&self.lock_wait_seconds) {
            return Err(Error::config("lock-wait-seconds: use 1 to 3600"));
        }
        if self.database.is_empty() || self.database.contains('\0') {
            return Err(Error::config("database: this is no name of a database"));
        }
        filter::check("databases", &self.databases)?;
        filter::check("include", &self.include)?;
        filter::check("exclude", &self.exclude)
    }

    /// Whether a database is taken.
    pub fn takes_database(&self, database: &str) -> bool {
        if self.databases.is_empty() {
            return database == self.database;
        }
        self.databases.iter().any(|pattern| filter::fits(pattern, database))
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
    fn patterns_take_databases_schemas_and_objects() {
        let config = Config {
            databases: vec!["shop*".into()],
            include: vec!["public".into(), "crm.order*".into()],
            exclude: vec!["public.log_*".into(), "*.old".into()],
            ..Config::default()
        };
        assert!(config.takes_database("shop2") && !config.takes_database("postgres"));
        assert!(Config::default().takes_database("postgres"));
        let filter = config.filter();
        assert!(filter.takes_in("public", "customers") && filter.takes_in("crm", "orders"));
        assert!(!filter.takes_in("public", "log_2024") && !filter.takes_in("crm", "people"));
        assert!(!filter.takes_in("public", "old"));
    }

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
    }
}
