//! What a backup reads from.
//!
//! On a single server one replication batch holds one snapshot of the storage engine for all databases and collections, which
//! contexts of `/_api/dump` do not: each has a snapshot of its own, of one database. On a cluster each DB-Server has its own
//! moment in any case, so that there the dump is preferred whose batches can be asked for again.
//!
//! <https://docs.arangodb.com/stable/develop/http-api/replication/replication-dump/>

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::http::segment;
use lockgate_plugin::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::must;
use crate::config::{Config, DumpWay};
use crate::limits::SHORT_SECONDS;
use crate::server::Server;

/// How documents are read. Workers get it from the coordinator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Replication batches, by DB-Server; on a single server that is the empty text.
    Batches(BTreeMap<String, String>),
    /// Contexts of `/_api/dump`, one for each shard when its turn comes. On a cluster, or not.
    Parallel(bool),
}

#[derive(Deserialize)]
struct Batch {
    id: String,
}

/// The path of a batch, or of all with an empty id.
fn target(id: &str, server: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!("/{}", segment(id)) };
    let server =
        if server.is_empty() { String::new() } else { format!("?DBserver={}", segment(server)) };
    format!("/_api/replication/batch{id}{server}")
}

impl Moment {
    /// Which way suits the server; nothing is held yet.
    pub fn new(config: &Config, server: &Server) -> Self {
        let is_parallel = match config.dump {
            DumpWay::Auto => server.is_cluster && server.has_parallel_dump(),
            DumpWay::Batch => false,
            DumpWay::Parallel => true,
        };
        if is_parallel { Self::Parallel(server.is_cluster) } else { Self::Batches(BTreeMap::new()) }
    }

    /// Holds the moment on a server, for a short time: the answer that tells the id may be lost when the run is cancelled.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn open(&mut self, servers: &BTreeSet<String>) -> Result<()> {
        let Self::Batches(batches) = self else { return Ok(()) };
        for server in
            servers.iter().filter(|server| !batches.contains_key(*server)).collect::<Vec<_>>()
        {
            let body = json!({ "ttl": SHORT_SECONDS });
            let reply = must("POST", &target("", server), Some(&body))
                .context("opening a replication batch")?;
            let batch: Batch = reply.json("/_api/replication/batch")?;
            batches.insert(server.clone(), batch.id);
        }
        Ok(())
    }

    /// From now on it waits for those who read.
    ///
    /// # Errors
    /// When it was lost.
    pub fn prolong(&self, minutes: u32) -> Result<()> {
        let Self::Batches(batches) = self else { return Ok(()) };
        for (server, id) in batches {
            must("PUT", &target(id, server), Some(&json!({ "ttl": minutes * 60 })))?;
        }
        Ok(())
    }

    /// Lets go; how many batches could not be closed.
    pub fn close(&mut self) -> usize {
        let Self::Batches(batches) = self else { return 0 };
        let all = std::mem::take(batches);
        all.iter().filter(|(server, id)| must("DELETE", &target(id, server), None).is_err()).count()
    }

    /// The batch of a single server.
    pub fn batch(&self) -> Option<&str> {
        match self {
            Self::Batches(batches) => batches.get("").map(String::as_str),
            Self::Parallel(_) => None,
        }
    }

    /// For the manifest.
    pub fn shown(&self) -> &'static str {
        match self {
            Self::Batches(_) => "replication batch",
            Self::Parallel(_) => "parallel dump",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_suits_the_server() {
        let way = |minor: u32, is_cluster: bool, dump: DumpWay| {
            let config = Config { dump, ..Config::default() };
            Moment::new(&config, &Server { version: (3, minor, 0), is_cluster }).shown()
        };
        assert_eq!(way(12, false, DumpWay::Auto), "replication batch");
        assert_eq!(way(12, true, DumpWay::Auto), "parallel dump");
        assert_eq!(way(11, true, DumpWay::Auto), "replication batch");
        assert_eq!(way(12, true, DumpWay::Batch), "replication batch");
        assert_eq!(way(12, false, DumpWay::Parallel), "parallel dump");
    }

    #[test]
    fn a_batch_of_a_cluster_is_at_a_server() {
        assert_eq!(target("", ""), "/_api/replication/batch");
        assert_eq!(target("7", "PRMR-1"), "/_api/replication/batch/7?DBserver=PRMR-1");
    }
}
