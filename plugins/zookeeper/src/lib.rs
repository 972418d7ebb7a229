//! Backs up and restores ZooKeeper over its client protocol.
//!
//! The way of a backup: [`backup`] counts what there is ([`survey`]), reads the tree at one transaction ([`capture`]), and
//! writes it part by part as [`record`] says. The way back: [`restore`] orders the parts, and [`load`] makes the nodes.
//! [`session`] speaks the protocol ([`message`], [`jute`]) over any byte stream; [`pipeline`] keeps many questions under way.

pub mod backup;
pub mod capture;
pub mod config;
pub mod error;
pub mod jute;
pub mod limits;
pub mod load;
pub mod message;
pub mod names;
pub mod pipeline;
pub mod record;
pub mod recovery;
pub mod restore;
pub mod scope;
pub mod server;
pub mod session;
pub mod survey;
pub mod tree;

mod health;
mod reach;

use lockgate_plugin::{Descriptor, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct ZooKeeper;

impl Plugin for ZooKeeper {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "zookeeper".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "Apache ZooKeeper".to_owned(),
            server_versions: server::TESTED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&["tree", "root", "quota"]),
            features: words(&["selective-restore", "rename", "fingerprint"]),
            consistency: "all nodes of all parts are as they were after one transaction, so that none is seen half; with \
                          moment = \"part\" each part is as it was after one of its own; a tree that changes faster than it \
                          can be read fails the backup"
                .to_owned(),
            not_saved: words(&[
                "ephemeral nodes, which go with their clients' sessions; they are counted",
                "versions, times and transaction numbers of nodes: they begin anew",
                "the counter of sequential children, where a node has none with such a number",
                "the rest of a time to live: it begins anew",
                "what is used up of a quota, which the server counts itself",
                "watches, sessions, the ensemble's dynamic configuration (/zookeeper/config) and the servers' settings",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&config)
    }
}

lockgate_plugin::export!(ZooKeeper);
