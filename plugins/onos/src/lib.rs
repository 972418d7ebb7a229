//! Backs up ONOS clusters and restores them, in two ways that are granted apart: the state that the REST interface of a running cluster
//! tells ([`state`], [`applications`], over [`rest`]), and the folders of nodes with their Raft partitions ([`tree`], and
//! `lockgate-atomix-storage`).
//!
//! [`backup`] and [`restore`] are the ways out and back, [`version`] tells which version reads the state of which, [`rename`] changes
//! names and addresses, [`health`] judges.

pub mod applications;
pub mod backup;
pub mod config;
pub mod health;
pub mod limits;
pub mod rename;
pub mod rest;
pub mod restore;
pub mod state;
pub mod tree;
pub mod version;

use lockgate_plugin::{Descriptor, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Onos;

lockgate_plugin::export!(Onos);

impl Plugin for Onos {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "onos".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "ONOS clusters".to_owned(),
            server_versions: "verified against the recorded protocol of ONOS 2.0 to 2.7, never against a server; the Raft \
                              partitions in node folders against those of Atomix 3.0.2"
                .to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&[
                state::STATE,
                state::OBSERVED,
                applications::APPLICATION,
                tree::FILES,
                lockgate_atomix_storage::part::PARTITION,
            ]),
            features: words(&["incremental", "selective-restore", "rename", "fingerprint"]),
            consistency: "Each answer of the REST interface is of one moment, and different ones of different moments. Each partition of \
                          each node folder is as that node had it at one moment."
                .to_owned(),
            not_saved: words(&[
                "devices, hosts, links, flows, groups, meters: they are archived as evidence and learned again, not written",
                "intents of types that the REST interface does not take; they are archived",
                "mastership, sessions, statistics, packet counters, logs",
                "what a cluster keeps in Atomix agents of its own: use the plugin atomix for their folders",
                "Karaf's own bundles and caches: they come with the installation",
            ]),
            attributes: lockgate_plugin::attributes([("verified", "recorded-protocol")]),
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&config)
    }
}
