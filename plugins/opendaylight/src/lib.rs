//! Backs up and restores OpenDaylight's datastore, in one of two ways.
//!
//! *Snapshot*: the server writes all shards of a member into a file ([`backup`]), whose form [`stream`] and [`snapshot`]
//! read; a restore puts it where a node looks that starts ([`place`]). *JSON*: [`container`] reads the configuration by
//! RESTCONF, container by container, and writes it back in requests that the server's journal can take ([`pieces`]);
//! [`digest`] makes its fingerprints. [`client`] asks the server, [`node`] says which one it is, [`shards`] and [`health`]
//! how it is, and [`folder`] reaches its files.

pub mod config;
pub mod limits;
pub mod snapshot;
pub mod stream;

mod backup;
mod client;
mod container;
mod digest;
mod folder;
mod health;
mod node;
mod pieces;
mod place;
mod restore;
mod shards;

use std::fmt::Write;

use lockgate_plugin::{Descriptor, Error, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct OpenDaylight;

impl Plugin for OpenDaylight {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "opendaylight".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "OpenDaylight (MD-SAL clustered datastore)".to_owned(),
            server_versions: node::TESTED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&[backup::SNAPSHOT, container::KIND, backup::MODELS]),
            features: words(&["selective-restore", "fingerprint", "maintenance"]),
            consistency: "way snapshot: each shard of the member is as it was after one entry of its log, and nothing is promised \
                          across shards; way json: each container is as it was at one moment, and nothing is promised across containers"
                .to_owned(),
            not_saved: words(&[
                "way json: the operational datastore, and the keys of the installation, unless `exclude` lets them in",
                "way snapshot: shards that the asked member has no replica of, and those that are not persistent, as operational ones are",
                "models and features, which come with the node; their names are saved",
                "users and roles of AAA, certificates in files, etc/ and configuration/ of the node",
                "the order in which a server gives the entries of a list whose order means nothing",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&config)
    }

    fn act(_config: Config, action: &str, _arguments: &str) -> Result<Vec<Finding>> {
        match action {
            "clean" => health::clean(),
            _ => Err(Error::unsupported(format!(
                "this plugin has no action {action:?}; it has \"clean\""
            ))),
        }
    }
}

lockgate_plugin::export!(OpenDaylight);

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
