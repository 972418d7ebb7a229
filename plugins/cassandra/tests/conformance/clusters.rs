//! The logical way with three nodes: to one node, and with one node lost in the middle.

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::Contents;
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_servers::{Cassandra, CassandraOptions};
use tempfile::TempDir;

use crate::server::{client, said};

const NODES: usize = 3;
/// Rows of each keyspace.
const ROWS: &str = "3000";
/// So slow that a node can be lost in the middle, in KiB a second.
const SLOW_KIB: u32 = 512;

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn three_nodes_become_one_and_one_node_may_be_lost() -> Result<()> {
    let options = CassandraOptions { nodes: NODES, ..CassandraOptions::default() };
    let mut three = Cassandra::start_with(options)?;
    ask(&three, &["replicated", ROWS])?;
    let before = contents(&three)?;
    ensure!(before.len() == 4, "{before:?}");
    let folder = TempDir::new()?;
    let saving = configured(&folder, &three, "")?;
    saving.ok(&["init"])?;
    saving.ok(&["backup", "shop"])?;

    let one = Cassandra::start()?;
    let refused = configured(&folder, &one, "")?.run(&["restore", "latest"])?;
    let line = refused.error_line();
    ensure!(refused.code != Some(0) && line.contains("set `replication`"), "{refused:?}");
    let replication =
        "replication = { \"*\" = { class = \"SimpleStrategy\", replication_factor = \"1\" } }";
    let into_one = configured(&folder, &one, replication)?;
    into_one.ok(&["restore", "latest"])?;
    ensure!(contents(&one)? == before, "one node does not hold what three did");

    // The keyspace with three replicas goes on, at the consistency that was asked for. A new repository has everything to store.
    let folder = TempDir::new()?;
    let most = configured_with(&folder, &three, "include = [\"three\"]", SLOW_KIB)?;
    most.ok(&["init"])?;
    let mut running = most.start(&["backup", "shop"])?;
    std::thread::sleep(std::time::Duration::from_secs(3));
    ensure!(running.try_wait()?.is_none(), "the backup ended before a node was lost");
    three.kill(NODES - 1)?;
    let status = running.wait()?;
    ensure!(status.success(), "the backup did not go on without the node: {status}");
    let into_one = configured(&folder, &one, replication)?;
    into_one.ok(&["restore", "latest", "--overwrite"])?;
    ensure!(contents(&one)? == before, "what was saved without the node differs");
    drop(one);

    // That with one replica cannot.
    let refused =
        configured(&folder, &three, "include = [\"single\"]")?.run(&["backup", "shop"])?;
    let line = refused.error_line();
    ensure!(refused.code != Some(0), "{refused:?}");
    ensure!(line.contains("too few replicas"), "{line}");
    Ok(())
}

fn ask(cluster: &Cassandra, arguments: &[&str]) -> Result<String> {
    let address = cluster.addresses().into_iter().next().context("no node")?;
    said(client((&address, cluster.port), ("", ""), arguments)?)
}

/// What the client sees, but for where it is replicated.
fn contents(cluster: &Cassandra) -> Result<Contents> {
    let mut contents: Contents = serde_json::from_str(&ask(cluster, &["contents"])?)?;
    contents.retain(|name, _| !name.starts_with("keyspace "));
    Ok(contents)
}

/// `lockgate` with a cluster as its source `shop`, and a repository in `folder`.
fn configured(folder: &TempDir, cluster: &Cassandra, config: &str) -> Result<Lockgate> {
    configured_with(folder, cluster, config, 1 << 20)
}

/// The same with a repository that takes so many KiB each second.
fn configured_with(
    folder: &TempDir,
    cluster: &Cassandra,
    config: &str,
    upload_kib: u32,
) -> Result<Lockgate> {
    let address = cluster.addresses().into_iter().next().context("no node")?;
    let path = folder.path().join("config.toml");
    let (port, repository) = (cluster.port, folder.path().join("repository"));
    let text = format!(
        "[repositories.main]\nurl = \"fs:{}\"\nlimit-upload-kib = {upload_kib}\n\
         [sources.shop]\nplugin = \"cassandra\"\nclock = true\nconfig = {{ {config} }}\n\
         endpoints.server = {{ address = \"{address}:{port}\", encryption = \"off\" }}\n",
        repository.display()
    );
    std::fs::write(&path, text)?;
    let lockgate = Lockgate::new(folder.path(), &plugins()?)?.with("LOCKGATE_CONFIG", path);
    // The lock file is beside the configuration.
    lockgate.ok(&["plugin", "lock"])?;
    Ok(lockgate)
}
