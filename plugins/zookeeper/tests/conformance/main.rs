//! The plugin against real ZooKeeper servers. What they hold is written and seen by kazoo, a client in Python.

mod server;

use anyhow::{Context, Result};
use lockgate_conformance::{Datastore, Role, Server};
use lockgate_servers::{ZooKeeper, ZooKeeperOptions};

use crate::server::Tree;

/// Memory of a server for the largest content that the suite asks for, in MiB.
const HEAP_MIB: u32 = 1024;

struct ZooKeepers;

impl Datastore for ZooKeepers {
    fn plugin(&self) -> &str {
        "zookeeper"
    }

    fn server_version(&self) -> Result<String> {
        let server = ZooKeeper::start()?;
        let answer = server.word(0, "srvr")?;
        let version =
            answer.lines().next().and_then(|line| line.strip_prefix("Zookeeper version: "));
        let version = version.and_then(|rest| rest.split('-').next()).context("no version")?;
        Ok(format!("ZooKeeper {version}"))
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        let options = ZooKeeperOptions { heap_mib: HEAP_MIB, ..ZooKeeperOptions::default() };
        Ok(Box::new(Tree { server: ZooKeeper::start_with(options)? }))
    }
}
