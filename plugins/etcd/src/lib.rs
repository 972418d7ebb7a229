//! Backs up and restores etcd over the JSON gateway that each member offers on its client port.
//!
//! The way of a backup: [`backup`] looks at the [`cluster`], notes its revision, splits the keys ([`split`]) and exports part
//! by part what it reads at exactly that revision ([`scan`], [`json`], [`records`]). The way back: [`restore`] finds out where
//! the parts go ([`target`]), puts their keys there ([`import`], [`write`]) and makes [`leases`] and [`auth`] as they were.

pub mod auth;
pub mod backup;
pub mod client;
pub mod cluster;
pub mod config;
pub mod error;
pub mod fingerprint;
pub mod import;
pub mod json;
pub mod keyspace;
pub mod leases;
pub mod limits;
pub mod members;
pub mod message;
pub mod part;
pub mod records;
pub mod restore;
pub mod scan;
pub mod snapshot;
pub mod split;
pub mod target;
pub mod window;
pub mod write;

use lockgate_plugin::{Descriptor, Finding, Plugin, Result};

use crate::client::Client;
use crate::cluster::Cluster;
use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Etcd;

impl Plugin for Etcd {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "etcd".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "etcd".to_owned(),
            server_versions: cluster::TESTED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&["keys", "leases", "auth", "cluster", "snapshot"]),
            features: words(&["selective-restore", "rename", "fingerprint"]),
            consistency: "all keys are those of one revision; leases, users and roles are as they were when they were read"
                .to_owned(),
            not_saved: words(&[
                "passwords: users come back without one, and authentication is not enabled by a restore",
                "revisions and versions of keys, and their history: a restored key has a new revision",
                "keys whose lease ended while the backup ran, and how much of a lease had passed",
                "members and settings: the part cluster describes them and is not restored",
                "in a restore under another prefix: permissions and values that name the old one are not rewritten",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        let mut client = Client::new(&config)?;
        let cluster = Cluster::look(&mut client, &config)?;
        let mut findings = cluster.findings();
        findings.extend(members::look(&config, &cluster)?);
        Ok(findings)
    }
}

lockgate_plugin::export!(Etcd);
