//! Backs up and restores ArangoDB over HTTP: a single server, or a cluster through one of its coordinators.
//!
//! The way of a backup: [`moment`] takes hold of one, [`catalog`] lists what there is, [`backup`] exports part by part:
//! documents as the server dumps them ([`scan`], [`document`]), what collections are ([`structure`]), and other objects
//! ([`object`]). The way back: [`restore`] orders the parts ([`target`]), makes collections and fills them ([`load`]).
//! [`client`] asks the server; [`server`] says which one it is and [`health`] how it is; [`hot`] has it make hot backups.

pub mod config;
pub mod limits;

mod backup;
mod catalog;
mod client;
mod document;
mod health;
mod hot;
mod load;
mod moment;
mod names;
mod object;
mod restore;
mod scan;
mod server;
mod structure;
mod target;

use lockgate_plugin::{Descriptor, Error, Finding, Plugin, Result, attributes};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct ArangoDb;

impl Plugin for ArangoDb {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "arangodb".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "ArangoDB".to_owned(),
            server_versions: server::VERIFIED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: names::Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
            features: words(&["selective-restore", "rename", "fingerprint", "maintenance"]),
            consistency: "documents of a single server are as they were at one moment, all databases and collections together; on a \
                          cluster each shard has a moment of its own, and definitions are as they are when they are read"
                .to_owned(),
            not_saved: words(&[
                "the user root, which every server has",
                "hidden collections of smart graphs, which come with the graph's edges",
                "jobs, queues, statistics and other collections that the server keeps for itself",
                "which DB-Server holds which shard",
                "bytes of hot backups, which the server keeps itself",
            ]),
            attributes: attributes([("verified", "recorded-protocol")]),
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&config)
    }

    fn act(_config: Config, action: &str, arguments: &str) -> Result<Vec<Finding>> {
        match action {
            "hot-backup" => hot::act(arguments),
            _ => Err(Error::unsupported(format!(
                "this plugin has no action {action:?}; it has \"hot-backup\""
            ))),
        }
    }
}

lockgate_plugin::export!(ArangoDb);
