//! Backs up and restores PostgreSQL over its wire protocol.
//!
//! The way of a backup: [`backup`] exports a snapshot that all workers join, reads what there is ([`catalog`], one query for
//! each kind of object in `catalog/sql`), and exports part by part ([`table`], [`large`], [`roles`]). The way back:
//! [`restore`] orders the parts and makes objects from their definitions, under other names when it is asked to ([`target`],
//! [`rename`]). [`session`] is a connection over [`wire`]; [`host`] is the seam to the sandbox, so that all of this also
//! runs natively against a real server in the tests.

pub mod backup;
pub mod config;
pub mod error;
pub mod health;
pub mod limits;
pub mod maintenance;
pub mod restore;
pub mod session;
pub mod wire;

mod catalog;
mod copy;
mod database;
mod large;
mod names;
mod rename;
mod roles;
mod server;
mod sql;
mod table;
mod target;

use lockgate_plugin::host::Granted;
use lockgate_plugin::{Descriptor, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct PostgreSql;

impl Plugin for PostgreSql {
    type Config = Config;
    type Backup = backup::Saving<Granted>;
    type Restore = restore::Restoring<Granted>;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "postgresql".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "PostgreSQL".to_owned(),
            server_versions: server::TESTED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&["roles", "schema", "table", "large-objects", "after"]),
            features: words(&["selective-restore", "rename", "fingerprint", "maintenance"]),
            consistency: "all rows and large objects of one database are of one point in time; several databases have one point \
                          each, some moments apart; roles and the state of sequences are as they were when they were read"
                .to_owned(),
            not_saved: words(&[
                "the write-ahead log, replication slots, server settings, tablespaces and which table is in which",
                "statistics of the planner, and the order of rows of tables with a primary key",
                "base types, languages, access methods, transforms, text search parsers and templates outside of extensions, \
                 subscriptions and security labels: a finding names them",
                "changed privileges on members of extensions and on objects of the system",
                "rows of foreign tables and of temporary tables",
                "in a restore under another name: bodies of functions that name the old schema or table are not rewritten",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        Ok(health::check(&Granted, &config)?)
    }

    fn enter_maintenance(config: Config) -> Result<()> {
        Ok(maintenance::enter(&Granted, &config)?)
    }

    fn leave_maintenance(config: Config) -> Result<()> {
        Ok(maintenance::leave(&Granted, &config)?)
    }
}

lockgate_plugin::export!(PostgreSql);
