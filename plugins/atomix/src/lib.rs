//! Backs up Atomix clusters by the files of their members, while these run, and restores them.
//!
//! The way of a backup: [`backup`] finds configuration and partitions in each member's folder; [`settings`] is what a configuration
//! says, read and rewritten by [`hocon`]. The way back: [`restore`], to the places that [`targets`] tells. [`live`] asks members whether
//! they run, [`health`] judges. What is in the partitions' files is the business of `lockgate-atomix-storage`.

pub mod backup;
pub mod config;
pub mod health;
pub mod hocon;
pub mod limits;
pub mod live;
pub mod names;
pub mod restore;
pub mod settings;
pub mod targets;

use lockgate_plugin::{Descriptor, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Atomix;

lockgate_plugin::export!(Atomix);

impl Plugin for Atomix {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "atomix".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "Atomix (Java) clusters with Raft partition groups on disk".to_owned(),
            server_versions: "agent 3.0.2; version 1 of the journal's format".to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: words(&[names::CONFIGURATION, names::PARTITION]),
            features: words(&["incremental", "selective-restore", "rename", "fingerprint"]),
            consistency: "Each partition of each member is as that member had it at one moment. A restore of all members of a group \
                          has everything that was committed before the backup began, and of what was committed meanwhile the \
                          first changes without a gap."
                .to_owned(),
            not_saved: words(&[
                "primary-backup and log groups, and Raft groups at level memory: they have no files",
                "term and vote of a member: after a restore all begin in a term above all that were saved",
                "entries that were being written, snapshots that were not finished, lock files",
                "files of the agent that are neither configuration nor Raft storage",
                "sessions of clients: they end when their time is over, with their locks and elections",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&config)
    }
}
