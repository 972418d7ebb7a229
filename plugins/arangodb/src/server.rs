//! Which server it is, and whether it is one that this plugin works with.

use std::fmt;

use lockgate_plugin::{Error, Part, Result, printable};
use serde::Deserialize;

use crate::client::get;
use crate::config::Config;

/// What the plugin was held against.
pub const VERIFIED: &str = "verified against the recorded protocol of ArangoDB 3.12, never against a server; accepts 3.11 and 3.12";

/// Attribute of a part: the server that it was saved from.
pub const ATTRIBUTE: &str = "server";

/// Version and role of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Major, minor, patch.
    pub version: (u32, u32, u32),
    /// Whether it is a coordinator of a cluster.
    pub is_cluster: bool,
}

#[derive(Deserialize)]
struct Version {
    server: String,
    version: String,
}

#[derive(Deserialize)]
struct Role {
    role: String,
}

#[derive(Deserialize)]
struct Engine {
    name: String,
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        let role = if self.is_cluster { "cluster" } else { "single server" };
        write!(formatter, "ArangoDB {major}.{minor}.{patch} ({role})")
    }
}

impl Server {
    /// Asks the server who it is.
    ///
    /// # Errors
    /// When it does not say, or is not one that this plugin works with.
    pub fn probe(config: &Config) -> Result<Self> {
        let version: Version = get("/_api/version")?;
        if version.server != "arango" {
            let name = printable(&version.server);
            return Err(Error::unsupported(format!("{name} is not ArangoDB")));
        }
        let version = parse(&version.version)?;
        admit(version, config.allow_untested_version)?;
        let engine: Engine = get("/_api/engine")?;
        if engine.name != "rocksdb" {
            let name = printable(&engine.name);
            return Err(Error::unsupported(format!(
                "the storage engine {name} is not known; rocksdb is"
            )));
        }
        let role: Role = get("/_admin/server/role")?;
        let is_cluster = role_of(&role.role)?;
        Ok(Self { version, is_cluster })
    }

    /// Whether it has numbered batches (`/_api/dump`).
    pub fn has_parallel_dump(&self) -> bool {
        (self.version.0, self.version.1) >= (3, 12)
    }

    /// Whether this server may take what `part` was saved from: the same release or a newer one.
    ///
    /// # Errors
    /// When it may not, or the part does not say.
    pub fn admit_archive(&self, part: &Part, is_untested_allowed: bool) -> Result<()> {
        let unnamed = || Error::corrupt(format!("part {} does not name its server", part.id));
        let text = part.attribute(ATTRIBUTE).ok_or_else(unnamed)?;
        let version = text.strip_prefix("ArangoDB ").and_then(|rest| rest.split(' ').next());
        let archived = parse(version.ok_or_else(unnamed)?)?;
        if (self.version.0, self.version.1) >= (archived.0, archived.1) || is_untested_allowed {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "the backup is of {} and the target is {self}: restore into the same release or a newer one; \
             `allow-untested-version = true` in `config` tries all the same",
            printable(text)
        )))
    }
}

fn role_of(role: &str) -> Result<bool> {
    match role {
        "SINGLE" => Ok(false),
        "COORDINATOR" => Ok(true),
        other => Err(Error::unsupported(format!(
            "the server is a {}: name a coordinator of the cluster, or a single server",
            printable(other)
        ))),
    }
}

fn parse(text: &str) -> Result<(u32, u32, u32)> {
    let plain = text.split('-').next().unwrap_or_default();
    let numbers: Vec<&str> = plain.split('.').collect();
    // Later releases have a fourth number (3.12.7.1).
    if let [major, minor, patch, ..] = numbers.as_slice()
        && let (Ok(major), Ok(minor), Ok(patch)) = (major.parse(), minor.parse(), patch.parse())
    {
        return Ok((major, minor, patch));
    }
    Err(Error::unsupported(format!("the server calls its version {:?}", printable(text))))
}

fn admit(version: (u32, u32, u32), is_untested_allowed: bool) -> Result<()> {
    if matches!(version, (3, 11 | 12, _)) || is_untested_allowed {
        return Ok(());
    }
    let (major, minor, patch) = version;
    Err(Error::unsupported(format!(
        "ArangoDB {major}.{minor}.{patch} is not known to this plugin, which knows 3.11 and 3.12; \
         `allow-untested-version = true` in `config` tries all the same"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_known_or_refused() {
        for (text, known) in [
            ("3.12.5", true),
            ("3.12.7-1", true),
            ("3.12.7.1", true),
            ("3.11.14", true),
            ("3.10.2", false),
            ("4.0.0-alpha.1", false),
        ] {
            let version = parse(text).unwrap();
            assert_eq!(admit(version, false).is_ok(), known, "{text}");
            assert!(admit(version, true).is_ok());
        }
        for text in ["", "3", "3.x.1", "3.99999999999.1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_single_servers_and_coordinators_are_asked() {
        assert!(!role_of("SINGLE").unwrap() && role_of("COORDINATOR").unwrap());
        assert!(role_of("PRIMARY").is_err() && role_of("").is_err());
    }

    #[test]
    fn backups_do_not_go_into_an_older_release() {
        let live = Server { version: (3, 12, 0), is_cluster: false };
        let part = |text: &str| Part::new("users", "users").with_attribute(ATTRIBUTE, text);
        for text in ["ArangoDB 3.11.9 (cluster)", "ArangoDB 3.12.5 (single server)"] {
            assert!(live.admit_archive(&part(text), false).is_ok());
        }
        assert!(live.admit_archive(&part("ArangoDB 3.13.0 (cluster)"), false).is_err());
        assert!(live.admit_archive(&part("ArangoDB 3.13.0 (cluster)"), true).is_ok());
        assert!(live.admit_archive(&part("MySQL 8"), true).is_err());
        assert!(live.admit_archive(&Part::new("a", "b"), true).is_err());
    }
}
