//! Backs up and restores Apache Cassandra, in two ways that the configuration chooses from: [`logical`] reads and writes rows over
//! CQL, [`physical`] the SSTables of each node. Both share [`cql`], which speaks the protocol.

pub mod backup;
pub mod config;
pub mod cql;
pub mod error;
pub mod health;
pub mod jolokia;
pub mod limits;
pub mod logical;
pub mod physical;
pub mod restore;
pub mod schema;
pub mod server;

use lockgate_plugin::host::Granted;
use lockgate_plugin::{Descriptor, Finding, Plugin, Result};

use crate::config::{Config, Way};

/// The plugin.
#[derive(Debug)]
pub struct Cassandra;

impl Plugin for Cassandra {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "cassandra".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "Apache Cassandra".to_owned(),
            server_versions: server::TESTED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&["schema", "table", "roles", "keyspace", "sstables", "views"]),
            features: words(&["incremental", "selective-restore", "rename", "fingerprint"]),
            consistency: "each row is as enough replicas had it when it was read; rows that are written during the backup \
                          are in it as they were before or after, and different rows may be of different moments; SSTables \
                          (the physical way) are those of one moment of each node, seconds apart from the others"
                .to_owned(),
            not_saved: words(&[
                "tombstones: what was deleted is not there, and a restore does not delete it elsewhere",
                "when a row itself was inserted: it counts as inserted with its oldest value, and for ever when it has none",
                "the rest of life of a row without values",
                "before Cassandra 5.0: when elements of collections and fields were written, and when they expire",
                "what is on its way to replicas that were down (hints), and batches that are not finished",
                "in the physical way: roles, and names other than the archived ones",
                "settings of the nodes, and the first role (cassandra)",
                "what roles may do with single functions",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        let mut findings = health::check(&Granted, &config)?;
        if config.way == Way::Physical {
            findings.extend(physical::check(&config)?);
        }
        Ok(findings)
    }
}

lockgate_plugin::export!(Cassandra);
