//! Backs up and restores Redis and Valkey over their own protocols.
//!
//! The way of a backup: [`backup`] makes the server take a snapshot as for a replica ([`sync`]), reads it ([`rdb`]) and archives
//! it database by database ([`database`], [`keys`]) in the form of [`archive`]; or key by key ([`scan`]) where the
//! server gives no snapshot. The way back: [`restore`] makes room and restores key by key ([`load`]). [`client`] is a connection
//! over [`resp`], [`cluster`] says which keys are where; [`host`] is the seam to the sandbox, so that all of this also
//! runs natively against a real server in the tests.

pub mod archive;
pub mod backup;
pub mod checksum;
pub mod client;
pub mod cluster;
pub mod config;
pub mod database;
pub mod error;
pub mod hash;
pub mod health;
pub mod keys;
pub mod limits;
pub mod load;
pub mod rdb;
pub mod resp;
pub mod restore;
pub mod scan;
pub mod server;
pub mod sync;

mod functions;
mod live;
mod part;
mod users;

use lockgate_plugin::host::Granted;
use lockgate_plugin::{Descriptor, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Redis;

impl Plugin for Redis {
    type Config = Config;
    type Backup = backup::Saving<Granted>;
    type Restore = restore::Restoring<Granted>;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "redis".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "Redis and Valkey".to_owned(),
            server_versions: server::TESTED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&["database", "functions", "users"]),
            features: words(&["selective-restore", "rename", "fingerprint"]),
            consistency: "all databases and functions are of one moment (in a cluster: of one moment for each master); where the \
                          server gives no snapshot, each key is as it was when it was read"
                .to_owned(),
            not_saved: words(&[
                "values of modules, which are counted",
                "the server's settings, its log of commands, scripts in its cache, and messages of channels",
                "users of replicas and of all but one node of a cluster",
                "when keys were used last, to less than a minute, and only if the server keeps it",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&Granted, &config)
    }
}

lockgate_plugin::export!(Redis);
