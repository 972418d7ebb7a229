//! Backs up SQLite databases by their files, while applications write, and restores them.
//!
//! The way of a backup: [`walk`] finds the databases, [`snapshot`] takes hold of one at one moment, with SQLite's own locks, and
//! [`image`] copies it. What a database says of itself is in [`format`](mod@format), its write-ahead log in [`wal`], the memory
//! that its programs share in [`index`]. [`live`], [`alone`] and [`journal`] are the three states in which a database is found.
//! [`restore`] is the way back. [`host`] is the seam to the sandbox, so that all of the reading also runs natively beside a real
//! SQLite in the tests.

pub mod alone;
pub mod backup;
pub mod config;
pub mod format;
pub mod health;
pub mod host;
pub mod image;
pub mod index;
pub mod journal;
pub mod live;
pub mod names;
pub mod restore;
pub mod snapshot;
pub mod wal;
pub mod walk;

use lockgate_plugin::{Descriptor, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Sqlite;

impl Plugin for Sqlite {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "sqlite".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "SQLite databases".to_owned(),
            server_versions: "file format versions 1 and 2; tested with SQLite 3.40".to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&[backup::DATABASE]),
            features: words(&["selective-restore", "rename", "fingerprint"]),
            consistency: "each database is as its last commit left it at one moment; several databases are of different moments"
                .to_owned(),
            not_saved: words(&[
                "the write-ahead log and the shared memory as files: what they hold is in the saved database",
                "what was not committed",
                "databases that are reached only through symbolic links",
                "mode and owner of folders",
                "in-memory and temporary databases",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&config)
    }
}

lockgate_plugin::export!(Sqlite);
