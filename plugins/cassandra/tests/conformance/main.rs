//! The plugin against real Cassandra nodes, in both ways. What they hold is written and seen by the makers' driver for Python.

mod clusters;
mod physical;
mod server;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use lockgate_conformance::{Content, Datastore, Disguise, Role, Server};
use lockgate_servers::{Cassandra, CassandraOptions};

use crate::server::Node;

/// Memory of a node for the largest content that the suite asks for, in MiB.
const HEAP_MIB: u32 = 768;

/// Nodes that no case uses now: a start takes longer than most cases.
#[derive(Default)]
struct Cassandras {
    idle: Rc<RefCell<Vec<Cassandra>>>,
}

/// One node whose clients log in. What was dropped leaves no snapshot, and a changed password counts at once.
fn start() -> Result<Cassandra> {
    let settings = ["auto_snapshot: false", "credentials_validity: 0ms"];
    Cassandra::start_with(CassandraOptions {
        is_authenticated: true,
        heap_mib: HEAP_MIB,
        settings: settings.map(str::to_owned).to_vec(),
        ..CassandraOptions::default()
    })
}

impl Datastore for Cassandras {
    fn plugin(&self) -> &str {
        "cassandra"
    }

    fn server_version(&self) -> Result<String> {
        Ok(format!("Cassandra {}", Cassandra::VERSION))
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        let idle = self.idle.borrow_mut().pop();
        let server = idle.map_or_else(start, Ok)?;
        Ok(Box::new(Node::new(server, Rc::clone(&self.idle))))
    }
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Cassandras::default())
}

#[test]
fn the_server_is_driven_as_the_suite_drives_it() -> Result<()> {
    let datastore = Cassandras::default();
    let mut source = datastore.start(Role::Source)?;
    let empty = source.contents()?;
    ensure!(empty.is_empty(), "{empty:?}");
    source.fill(Content::Usual)?;
    let usual = source.contents()?;
    for (key, _) in &source.renaming().objects {
        ensure!(usual.contains_key(key), "{key}");
    }
    for key in source.selection().objects {
        ensure!(usual.contains_key(&key), "{key}");
    }
    let writer = source.write()?;
    std::thread::sleep(Duration::from_secs(1));
    ensure!(writer.stop()? > 20);
    source.check_invariant()?;
    ensure!(source.contents()? != usual);
    ensure!(source.leftovers()?.is_empty(), "{:?}", source.leftovers()?);
    source.clear()?;
    ensure!(source.contents()? == empty);
    let Disguise::Replies(replies) = source.disguise()? else { anyhow::bail!("no replies") };
    ensure!(replies.iter().all(|(from, to)| from.len() == to.len() && from != to));
    for content in [
        Content::Odd,
        Content::Huge { bytes: 1 << 20 },
        Content::Many { count: 2000 },
        Content::Bulk { bytes: 1 << 20 },
    ] {
        source.fill(content)?;
    }
    ensure!(source.contents()?.len() > 10);
    Ok(())
}
