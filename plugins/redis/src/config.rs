//! The source's configuration.

use lockgate_plugin::{Error, Result};
use serde::Deserialize;

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Numbers of the databases to take; empty for all.
    pub databases: Vec<u32>,
    /// Only keys that begin with one of these texts; empty for all.
    pub prefixes: Vec<String>,
    /// Whether the users of the access control list are taken.
    pub users: bool,
    /// Whether the libraries of functions are taken.
    pub functions: bool,
    /// How keys are read.
    pub method: Method,
    /// How the server makes its snapshot.
    pub transfer: Transfer,
    /// Databases of up to this many MiB are archived in the order of their keys, larger ones in that of the server.
    pub sort_mib: u32,
    /// Whether a server of a version that is not known is worked with.
    pub allow_untested_version: bool,
}

/// How keys are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// By replication where the server lets us, else key by key.
    #[default]
    Auto,
    /// One snapshot of all databases, as a replica gets it.
    Replication,
    /// `SCAN` and `DUMP`, each key as it is when it is read.
    Scan,
}

/// How the server makes its snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// As its own setting `repl-diskless-sync` says.
    #[default]
    Server,
    /// At once and through a file on its disk.
    Disk,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            databases: Vec::new(),
            prefixes: Vec::new(),
            users: true,
            functions: true,
            method: Method::Auto,
            transfer: Transfer::Server,
            sort_mib: 96,
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
        if self.prefixes.iter().any(String::is_empty) {
            return Err(Error::config("prefixes: a prefix is empty"));
        }
        if self.sort_mib > 2048 {
            return Err(Error::config("sort-mib: use 0 to 2048"));
        }
        Ok(())
    }

    /// Bytes of keys and values that may be held to sort them.
    #[must_use]
    pub fn sort_bytes(&self) -> usize {
        (self.sort_mib as usize) << 20
    }

    /// Which keys are taken.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope(self.prefixes.iter().map(|prefix| prefix.clone().into_bytes()).collect())
    }
}

/// Which keys of a database belong to a part: those with one of the prefixes, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Vec<Vec<u8>>);

/// Attribute of a part: the prefixes of its [`Scope`], as JSON.
pub const PREFIXES: &str = "prefixes";

impl Scope {
    /// What the attribute of an archived part says.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn of(attribute: Option<&str>) -> Result<Self> {
        let prefixes: Vec<String> = match attribute {
            Some(json) => serde_json::from_str(json)?,
            None => Vec::new(),
        };
        Ok(Self(prefixes.into_iter().map(String::into_bytes).collect()))
    }

    /// Whether the key is taken.
    #[must_use]
    pub fn takes(&self, key: &[u8]) -> bool {
        self.0.is_empty() || self.0.iter().any(|prefix| key.starts_with(prefix))
    }

    /// Patterns for `SCAN ... MATCH`, which together give all keys that are taken, some perhaps twice.
    #[must_use]
    pub fn patterns(&self) -> Vec<Vec<u8>> {
        if self.0.is_empty() {
            return vec![b"*".to_vec()];
        }
        let escaped = |prefix: &Vec<u8>| {
            let special =
                |byte: u8| if b"*?[]\\^-".contains(&byte) { vec![b'\\', byte] } else { vec![byte] };
            let mut pattern: Vec<u8> = prefix.iter().copied().flat_map(special).collect();
            pattern.push(b'*');
            pattern
        };
        self.0.iter().map(escaped).collect()
    }

    /// Whether all keys are taken.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_choose_keys_and_their_patterns_are_escaped() {
        let config = Config { prefixes: vec!["a*".into(), "b:".into()], ..Config::default() };
        let scope = config.scope();
        assert!(
            scope.takes(b"a*1") && scope.takes(b"b:") && !scope.takes(b"ab") && !scope.takes(b"")
        );
        assert_eq!(scope.patterns(), [b"a\\**".to_vec(), b"b:*".to_vec()]);
        assert!(Scope::default().takes(b""));
        assert_eq!(Scope::of(Some(r#"["a*","b:"]"#)).unwrap(), scope);
    }

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
    }
}
