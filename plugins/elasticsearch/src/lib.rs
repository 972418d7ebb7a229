//! Backs up and restores Elasticsearch and OpenSearch over their REST interface.
//!
//! The way of a backup: [`catalog`] lists what there is, [`point`] opens points in time, [`backup`] exports part by part:
//! documents page by page ([`page`], [`document`]), definitions of indexes ([`definition`]) and other objects
//! ([`object`]). The way back: [`restore`] orders the parts ([`target`]), makes indexes and fills them ([`load`]).
//! [`client`] asks the server; [`server`] says which one it is and [`health`] how it is.

pub mod config;
pub mod limits;

mod backup;
mod catalog;
mod client;
mod definition;
mod document;
mod health;
mod load;
mod names;
mod object;
mod page;
mod point;
mod reindex;
mod restore;
mod server;
mod target;

use lockgate_plugin::{Descriptor, Error, Finding, Plugin, Result};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Elasticsearch;

impl Plugin for Elasticsearch {
    type Config = Config;
    type Backup = backup::Saving;
    type Restore = restore::Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "elasticsearch".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datastore: "Elasticsearch and OpenSearch".to_owned(),
            server_versions: server::TESTED.to_owned(),
            config_schema: config::SCHEMA.to_owned(),
            part_kinds: names::Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
            features: words(&["selective-restore", "rename", "fingerprint", "maintenance"]),
            consistency: "each shard of an index is as it was at one point in time, which is opened for all indexes within \
                          moments at the start, up to 200 shards; nothing is promised across shards"
                .to_owned(),
            not_saved: words(&[
                "indexes that are closed, hidden, or named with a dot in front, unless `hidden` takes the latter two",
                "indexes whose _source is disabled, and time series indexes, which are refused",
                "users, roles, keys and other objects of security; policies of index lifecycles and snapshots",
                "transient settings, and keystores of nodes",
                "line breaks between the tokens of a document's JSON, which come back as spaces",
                "versions of documents in data streams, and the division of a data stream into backing indexes",
                "deleted documents, sequence numbers, and the placement of shards",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&config)
    }

    fn act(config: Config, action: &str, arguments: &str) -> Result<Vec<Finding>> {
        match action {
            "reindex" => reindex::act(&config, arguments),
            _ => Err(Error::unsupported(format!(
                "this plugin has no action {action:?}; it has \"reindex\""
            ))),
        }
    }
}

lockgate_plugin::export!(Elasticsearch);
