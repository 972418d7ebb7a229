//! The source's configuration.

use lockgate_plugin::{Error, Result};
use serde::{Deserialize, Serialize};

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

/// What a backup took of a database. It is kept with the backup, whose parts may be compared by another source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Filter {
    /// Whether an object is taken. A schema is an object that is named by itself.
    pub fn takes(&self, schema: &str, name: &str) -> bool {
        let full = format!("{schema}.{name}");
        let named = |pattern: &String| matches(pattern, schema) || matches(pattern, &full);
        (self.include.is_empty() || self.include.iter().any(named))
            && !self.exclude.iter().any(named)
    }

    /// Whether everything of a schema may be taken.
    pub fn takes_schema(&self, schema: &str) -> bool {
        let named = |pattern: &String| matches(pattern, schema);
        (self.include.is_empty() || self.include.iter().any(named))
            && !self.exclude.iter().any(named)
    }

    /// Whether only some objects are asked for, so that what belongs to no schema is left out.
    pub fn is_partial(&self) -> bool {
        !self.include.is_empty()
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
        let lists = [
            ("databases", &self.databases),
            ("include", &self.include),
            ("exclude", &self.exclude),
        ];
        for (key, patterns) in lists {
            if patterns.iter().any(String::is_empty) {
                return Err(Error::config(format!("{key}: a pattern is empty")));
            }
        }
        Ok(())
    }

    /// Whether a database is taken.
    pub fn takes_database(&self, database: &str) -> bool {
        if self.databases.is_empty() {
            return database == self.database;
        }
        self.databases.iter().any(|pattern| matches(pattern, database))
    }

    /// Which objects of databases are taken.
    pub fn filter(&self) -> Filter {
        Filter { include: self.include.clone(), exclude: self.exclude.clone() }
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any text. Takes time in proportion to the product of lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut position) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                last_star = Some((at, position));
                at += 1;
            }
            Some(byte) if Some(byte) == text.get(position) => {
                at += 1;
                position += 1;
            }
            _ => match last_star {
                // Let the last star take one byte more.
                Some((star, taken)) => {
                    last_star = Some((star, taken + 1));
                    at = star + 1;
                    position = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
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
        assert!(filter.takes("public", "customers") && filter.takes("crm", "orders"));
        assert!(!filter.takes("public", "log_2024") && !filter.takes("crm", "people"));
        assert!(!filter.takes("public", "old") && filter.is_partial());
        assert!(filter.takes_schema("public") && !filter.takes_schema("crm"));
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*b*c", "aXXbYYbc", true),
            ("a*b", "acd", false),
            ("", "", true),
            ("", "a", false),
            ("**a", "bba", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn the_schema_names_every_key_and_default() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let mut defaults = serde_json::Map::new();
        for (key, property) in schema["properties"].as_object().unwrap() {
            defaults.insert(key.clone(), property["default"].clone());
        }
        let read: Config = serde_json::from_value(defaults.into()).unwrap();
        assert_eq!(read, Config::default());
    }
}
