//! SSTables of each node: a snapshot on all, whose files go to the host without entering the plugin, and back by import or streaming.

mod backup;
pub mod config;
mod health;
mod load;
mod node;
mod restore;
mod schema;
mod snapshot;
mod sstable;
mod views;

pub use backup::Saving;
pub use health::check;
pub use restore::Restoring;

/// Kinds of parts; an id is the kind, the keyspace, and where there are, table and node.
const KEYSPACE: &str = "keyspace";
const SSTABLES: &str = "sstables";
const VIEWS: &str = "views";
