//! The plugin against real Atomix agents. What they hold is written and seen over the REST interface of the maker.

mod clusters;
mod primitives;
mod quick;
mod server;

use anyhow::Result;
use lockgate_conformance::{Datastore, Role, Server};
use lockgate_servers::{Atomix, AtomixOptions};

use crate::server::Agent;

/// Memory of an agent for the largest content that the suite asks for, in MiB.
const HEAP_MIB: u32 = 1024;

struct Agents;

impl Datastore for Agents {
    fn plugin(&self) -> &str {
        "atomix"
    }

    fn server_version(&self) -> Result<String> {
        Ok(format!("Atomix agent {}", Atomix::VERSION))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        let reason = "the plugin reads the agent's files: an agent that dies leaves them, and the copy goes on; \
                      a member that is killed in the middle of a backup is tested with a cluster";
        let target = "agents are stopped while they are restored, so that none can die";
        vec![("server-killed", reason), ("server-killed-in-restore", target)]
    }

    fn start(&self, role: Role) -> Result<Box<dyn Server>> {
        let groups = vec![("data".to_owned(), 1), ("more".to_owned(), 1)];
        let options = AtomixOptions { heap_mib: HEAP_MIB, groups, ..AtomixOptions::default() };
        Ok(Box::new(Agent::start(role, options)?))
    }
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Agents)
}
