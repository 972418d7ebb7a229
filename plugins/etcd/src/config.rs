//! The source's configuration.

use lockgate_plugin::path::unescape;
use lockgate_plugin::{Error, Result};
use serde::Deserialize;

use crate::keyspace::{KeyRange, successor};
use crate::limits::PREFIX_BYTES_MAX;

/// The endpoint that every source has.
pub const ENDPOINT: &str = "server";

/// What the operator can set; every key has a default. [`SCHEMA`] is the same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Beginnings of keys to take, one part each, with `%XX` for bytes that are no text. Empty for all keys.
    pub prefixes: Vec<String>,
    /// Whether all leases are taken, also those without keys.
    pub leases: bool,
    /// Whether users, roles and permissions are taken.
    pub auth: bool,
    /// Whether members, leader and alarms are described.
    pub cluster: bool,
    /// Whether the database's file is taken too.
    pub physical_snapshot: bool,
    /// Names of further endpoints, each a member of the same cluster.
    pub members: Vec<String>,
    /// Whether a restore raises the target's revision to the archived one.
    pub bump_revision: bool,
    /// Whether a server of a version that was not tested is worked with.
    pub allow_untested_version: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            prefixes: Vec::new(),
            leases: true,
            auth: true,
            cluster: true,
            physical_snapshot: false,
            members: Vec::new(),
            bump_revision: false,
            allow_untested_version: false,
        }
    }
}

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

impl Config {
    /// The prefixes as bytes.
    ///
    /// # Errors
    /// When one is empty, is no text in the form of [`unescape`], or begins with another one.
    pub fn wanted(&self) -> Result<Vec<Vec<u8>>> {
        let mut wanted: Vec<Vec<u8>> = Vec::new();
        for text in &self.prefixes {
            let prefix = unescape(text).ok_or_else(|| {
                Error::config(format!("prefixes: {text:?} has a `%` without two digits"))
            })?;
            if prefix.is_empty() {
                return Err(Error::config(
                    "prefixes: one is empty; leave the key out to take all keys",
                ));
            }
            if prefix.len() > PREFIX_BYTES_MAX {
                let text = format!("prefixes: {text:?} has more than {PREFIX_BYTES_MAX} bytes");
                return Err(Error::config(text));
            }
            let range = KeyRange::of_prefix(&prefix);
            if wanted.iter().any(|other| KeyRange::of_prefix(other).meets(&range)) {
                return Err(Error::config(format!("prefixes: {text:?} and another one overlap")));
            }
            wanted.push(prefix);
        }
        wanted.sort();
        Ok(wanted)
    }

    /// The endpoints in the order in which they are asked.
    ///
    /// # Errors
    /// When a name of `members` is there twice.
    pub fn endpoints(&self) -> Result<Vec<String>> {
        let mut endpoints = vec![ENDPOINT.to_owned()];
        for name in &self.members {
            if name.is_empty() || endpoints.contains(name) {
                let text = format!(
                    "members: {name:?} is empty, or named twice; `{ENDPOINT}` is always the first"
                );
                return Err(Error::config(text));
            }
            endpoints.push(name.clone());
        }
        Ok(endpoints)
    }

    /// One key that may be asked for, whether it is there or not, to learn the revision: the account need not be allowed
    /// any other keys than those that are wanted.
    ///
    /// # Errors
    /// Those of [`Config::wanted`].
    pub fn probe(&self) -> Result<KeyRange> {
        let from = self.wanted()?.into_iter().next().unwrap_or_else(|| vec![0]);
        Ok(KeyRange { to: Some(successor(from.clone())), from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(prefixes: &[&str]) -> Config {
        let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        Config { prefixes, ..Config::default() }
    }

    #[test]
    fn every_key_has_a_default_and_the_schema_knows_it() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
    }

    #[test]
    fn members_are_further_endpoints() {
        let with = |members: &[&str]| {
            let members = members.iter().map(|name| (*name).to_owned()).collect();
            Config { members, ..Config::default() }.endpoints()
        };
        assert_eq!(with(&["b", "c"]).unwrap(), ["server", "b", "c"]);
        assert!(with(&["b", "b"]).is_err() && with(&["server"]).is_err() && with(&[""]).is_err());
    }

    #[test]
    fn prefixes_are_bytes_and_do_not_overlap() {
        assert_eq!(with(&["b/", "%00%ff"]).wanted().unwrap(), [b"\0\xff".to_vec(), b"b/".to_vec()]);
        for wrong in [&["a", "ab"][..], &["a", "a"], &[""], &["%zz"], &["%0"]] {
            assert!(with(wrong).wanted().is_err(), "{wrong:?}");
        }
    }
}
