//! Backs up and restores Marathon over its REST interface `/v2`.
//!
//! The way of a backup: [`tree`] reads all groups in one answer, [`definition`] leaves out what changes by itself, [`backup`] and
//! [`lines`] write one part for what is directly below the root. The way back: [`restore`] orders the parts and changes the
//! server, and [`deployments`] waits until it has followed. [`client`] asks the server, [`server`] says which one it is.

pub mod config;
pub mod limits;

mod backup;
mod client;
mod definition;
mod deployments;
mod health;
mod lines;
mod names;
mod restore;
mod server;
mod tree;

use lockgate_plugin::{Attribute, Descriptor, Error, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Marathon;

impl Plugin for Marathon {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "marathon".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "Marathon".to_owned(),
            server_versions: server::TESTED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: names::PartKind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
            features: words(&["selective-restore", "rename", "fingerprint", "maintenance"]),
            consistency: "all definitions are of one version of the tree of groups".to_owned(),
            not_saved: words(&[
                "tasks and instances that run, their volumes, and the framework id as Mesos knows it: they are in ZooKeeper, which the plugin zookeeper saves",
                "earlier versions of definitions, and the times at which definitions changed",
                "running deployments: what they lead to is saved",
                "values of secrets, which definitions only name",
                "settings of Marathon itself: the part info describes some and is not restored",
            ]),
            attributes: vec![Attribute::new("verified", "recorded-protocol")],
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&config)
    }

    fn act(config: Config, action: &str, _arguments: &str) -> Result<Vec<Finding>> {
        match action {
            "resume" => health::resume(&config),
            _ => Err(Error::unsupported(format!(
                "this plugin has no action {action:?}; it has \"resume\""
            ))),
        }
    }
}

lockgate_plugin::export!(Marathon);
