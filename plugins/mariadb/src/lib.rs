//! Backs up and restores MariaDB and MySQL over their wire protocol.
//!
//! The way of a backup: [`backup`] takes a consistent point ([`lock`]), lists what there is ([`catalog`]) and exports
//! part by part ([`table`], [`schema`], [`users`]); rows are archived as [`rows`] says. The way back: [`restore`] orders
//! the parts and makes tables, fills them ([`load`], [`encode`]), and makes what depends on them ([`objects`]).
//! [`session`] is a connection over [`wire`]; [`host`] is the seam to the sandbox, so that all of this also runs
//! natively against a real server in the tests.

pub mod backup;
pub mod config;
pub mod error;
pub mod fingerprint;
pub mod health;
pub mod limits;
pub mod maintenance;
pub mod restore;
pub mod session;
pub mod wire;

mod catalog;
mod definition;
mod encode;
mod load;
mod lock;
mod names;
mod objects;
mod privileges;
mod rows;
mod schema;
mod server;
mod table;
mod target;
mod users;

use lockgate_plugin::host::Granted;
use lockgate_plugin::{Descriptor, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct MariaDb;

impl Plugin for MariaDb {
    type Config = Config;
    type Backup = backup::Saving<Granted>;
    type Restore = restore::Restoring<Granted>;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "mariadb".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "MariaDB and MySQL".to_owned(),
            server_versions: server::TESTED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&["schema", "table", "views", "users"]),
            features: words(&["selective-restore", "rename", "fingerprint", "maintenance"]),
            consistency: "all rows of transactional tables are of one point in time; tables of other engines, and \
                          definitions, are as they were when they were read, and a finding names such tables"
                .to_owned(),
            not_saved: words(&[
                "the binary log, and rows that a system-versioned table keeps of the past",
                "accounts that the server makes itself, server settings, plugins and time zone tables",
                "statistics of the optimiser and the order of rows without a primary key in engines other than InnoDB",
                "in a restore under another name: texts that name the old database or table are not rewritten",
                "the index number 0 of an ENUM, which reads as an empty text",
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

lockgate_plugin::export!(MariaDb);
