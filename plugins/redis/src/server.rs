//! What a server says about itself, and whether this plugin works with it.

use std::collections::BTreeMap;
use std::fmt;

use lockgate_plugin::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::error::protocol;

/// The versions that the tests ran with, in words.
pub const TESTED: &str = "Redis 7.0, Redis 6.2, Valkey 9.1";

/// The kinds of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The kind.
    pub product: Product,
    /// Major and minor version.
    pub version: (u32, u32),
    full: String,
    facts: BTreeMap<String, String>,
}

impl Server {
    /// Reads the answer to `INFO`.
    ///
    /// # Errors
    /// When there is no version in it.
    pub fn parse(info: &str) -> Result<Self> {
        let pairs = info.lines().filter_map(|line| line.split_once(':'));
        let facts: BTreeMap<String, String> =
            pairs.map(|(key, value)| (key.to_owned(), value.trim_end().to_owned())).collect();
        let valkey = facts.get("valkey_version");
        let product = if valkey.is_some() { Product::Valkey } else { Product::Redis };
        let full = valkey.or_else(|| facts.get("redis_version"));
        let full = full.ok_or_else(|| protocol("INFO has no version"))?.clone();
        let version = version(&full).ok_or_else(|| protocol(format!("{full:?} is no version")))?;
        Ok(Self { product, version, full, facts })
    }

    /// The version with all its numbers.
    #[must_use]
    pub fn full_version(&self) -> &str {
        &self.full
    }

    /// A fact of `INFO`.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// A fact that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.fact(name)?.parse().ok()
    }

    /// Databases that are not empty, with the number of their keys.
    #[must_use]
    pub fn databases(&self) -> BTreeMap<u64, u64> {
        let counted = self.facts.iter().filter_map(|(name, value)| {
            let number = name.strip_prefix("db")?.parse().ok()?;
            let keys = value.strip_prefix("keys=")?.split(',').next()?.parse().ok()?;
            Some((number, keys))
        });
        counted.collect()
    }

    /// Whether it is a node of a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.fact("cluster_enabled") == Some("1")
    }

    /// Whether it has users.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.version >= (6, 0)
    }

    /// Whether it has libraries of functions.
    #[must_use]
    pub fn has_functions(&self) -> bool {
        self.version >= (7, 0)
    }

    /// Whether the tests ran with such a server.
    #[must_use]
    pub fn is_tested(&self) -> bool {
        matches!(
            (self.product, self.version),
            (Product::Redis, (6, 2) | (7, 0)) | (Product::Valkey, (9, 1))
        )
    }

    /// The version of the format of its snapshots; none when the server is not known.
    #[must_use]
    pub fn format(&self) -> Option<u16> {
        match (self.product, self.version) {
            (Product::Redis, (5 | 6, _)) => Some(9),
            (Product::Redis, (7, 0)) => Some(10),
            (Product::Redis, (7, 2)) | (Product::Valkey, (7 | 8, _)) => Some(11),
            (Product::Redis, (7, 4) | (8, 0 | 2)) => Some(12),
            (Product::Valkey, (9, _)) => Some(80),
            _ => None,
        }
    }

    /// Whether this plugin works with it.
    ///
    /// # Errors
    /// When it is too old, or not known and that is not allowed.
    pub fn admit(&self, allow_untested: bool) -> Result<()> {
        if self.version < (5, 0) {
            return Err(Error::unsupported(format!(
                "{self} is too old: times of expiry come back since Redis 5; update the server"
            )));
        }
        if self.format().is_none() && !allow_untested {
            return Err(Error::unsupported(format!(
                "{self} is not known to this plugin (it was tested with {TESTED}); set allow-untested-version = true to try it"
            )));
        }
        Ok(())
    }

    /// Whether what `archived` wrote can be restored into this server.
    ///
    /// # Errors
    /// When it cannot.
    pub fn admit_archive(&self, archived: &str, allow_untested: bool) -> Result<()> {
        let (product, number) = archived.split_once(' ').unwrap_or_default();
        let product = if product == "Valkey" { Product::Valkey } else { Product::Redis };
        let version = version(number);
        let version = version
            .ok_or_else(|| Error::corrupt(format!("the archive is of the server {archived:?}")))?;
        let source = Self { product, version, full: number.to_owned(), facts: BTreeMap::new() };
        let fits = match (source.format(), self.format()) {
            // Redis 7.4 and Valkey 9 went separate ways.
            (Some(80), Some(target)) => target == 80,
            (Some(12), Some(target)) => target == 12,
            (Some(source), Some(target)) => source <= target,
            _ => allow_untested,
        };
        if fits {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "{self} does not read what {source} wrote; restore into {product:?} {number} or newer"
        )))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {}", self.product, self.full)
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(info: &str) -> Server {
        Server::parse(info).unwrap()
    }

    #[test]
    fn servers_say_what_they_are() {
        let redis = server(
            "# Server\r\nredis_version:7.0.15\r\ncluster_enabled:0\r\n# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb12:keys=1,expires=0\r\n",
        );
        assert_eq!(redis.to_string(), "Redis 7.0.15");
        assert_eq!(redis.databases(), BTreeMap::from([(0, 3), (12, 1)]));
        assert!(redis.is_tested() && redis.has_functions() && !redis.is_cluster());
        let valkey = server("redis_version:7.2.4\nserver_name:valkey\nvalkey_version:9.1.2\n");
        assert_eq!((valkey.to_string().as_str(), valkey.format()), ("Valkey 9.1.2", Some(80)));
        assert!(Server::parse("redis_version:x").is_err() && Server::parse("").is_err());
    }

    #[test]
    fn old_and_unknown_servers_are_refused() {
        assert!(server("redis_version:4.0.14").admit(true).is_err());
        assert!(server("redis_version:6.0.16").admit(false).is_ok());
        assert!(server("redis_version:99.1.0").admit(false).is_err());
        assert!(server("redis_version:99.1.0").admit(true).is_ok());
    }

    #[test]
    fn an_archive_fits_a_server_that_reads_its_format() {
        let seven = server("redis_version:7.0.15");
        let valkey = server("redis_version:7.2.4\nvalkey_version:9.1.2");
        assert!(seven.admit_archive("Redis 6.2.5", false).is_ok());
        assert!(valkey.admit_archive("Redis 7.0.15", false).is_ok());
        assert!(valkey.admit_archive("Redis 7.4.1", false).is_err());
        assert!(seven.admit_archive("Redis 7.2.0", false).is_err());
        assert!(seven.admit_archive("Valkey 9.1.2", false).is_err());
        assert!(seven.admit_archive("Redis 99.0", true).is_ok());
        assert!(seven.admit_archive("", true).is_err());
    }
}
