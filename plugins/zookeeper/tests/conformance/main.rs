//! The plugin against real ZooKeeper servers. What they hold is written and seen by kazoo, a client in Python.

mod clusters;
mod moment;
mod server;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{Content, Datastore, Disguise, Role, Server};
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

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        let reason = "the tree is read at one moment, and is in the plugin's memory before its first byte is archived";
        vec![("back-pressure", reason)]
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        let options = ZooKeeperOptions { heap_mib: HEAP_MIB, ..ZooKeeperOptions::default() };
        Ok(Box::new(Tree { server: ZooKeeper::start_with(options)? }))
    }
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&ZooKeepers)
}

#[test]
fn the_servers_are_driven_as_the_suite_drives_them() -> Result<()> {
    let mut source = ZooKeepers.start(Role::Source)?;
    let mut target = ZooKeepers.start(Role::Target)?;
    let empty = target.contents()?;
    source.fill(Content::Usual)?;
    let usual = source.contents()?;
    for (key, _) in &source.renaming().objects {
        ensure!(usual.contains_key(key), "{key}");
    }
    for key in source.selection().objects {
        ensure!(usual.contains_key(&key), "{key}");
    }
    let writer = source.write()?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    ensure!(writer.stop()? > 20);
    source.check_invariant()?;
    ensure!(source.contents()? != usual);
    source.kill()?;
    source.restart()?;
    source.check_invariant()?;
    ensure!(source.leftovers()?.is_empty(), "{:?}", source.leftovers()?);
    source.clear()?;
    ensure!(source.contents()? == empty);
    let Disguise::Replies(replies) = source.disguise()? else { anyhow::bail!("no replies") };
    ensure!(replies.iter().all(|(from, to)| from.len() == to.len() && from != to));
    for content in [
        Content::Odd,
        Content::Huge { bytes: 9 << 20 },
        Content::Many { count: 2000 },
        Content::Bulk { bytes: 1 << 20 },
    ] {
        target.fill(content)?;
    }
    ensure!(target.contents()?.len() > 2500);
    Ok(())
}
