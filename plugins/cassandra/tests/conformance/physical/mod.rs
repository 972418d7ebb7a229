//! The physical way: SSTables of the nodes.

mod clusters;
mod server;

use anyhow::Result;
use lockgate_conformance::{Datastore, Role, Server};
use lockgate_servers::Cassandra;

use server::Nodes;

struct SsTables;

impl Datastore for SsTables {
    fn plugin(&self) -> &str {
        "cassandra"
    }

    fn server_version(&self) -> Result<String> {
        Ok(format!("Cassandra {} (physical)", Cassandra::VERSION))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            (
                "fingerprint",
                "a node rewrites SSTables at any time: their checksums are verified by the node that takes them, and there is no \
                 fingerprint of rows without reading them all",
            ),
            (
                "rename",
                "SSTables keep the names of their keyspace and table; renames are refused, and are the logical way's",
            ),
            ("slow-server", "what is saved is read from the nodes' folders, not over a connection"),
            (
                "server-killed",
                "once the snapshot is made the backup reads folders, and ends well without the node, which the tests of clusters show",
            ),
            ("wrong-version", "the same connection and the same check as in the logical way"),
        ]
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Nodes::start(1)?))
    }
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&SsTables)
}
