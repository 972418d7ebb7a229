//! Several nodes on one machine: one is lost during the backup, all before the restore.

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_conformance::{Content, Contents, Server};
use serde_json::Value as Json;
use tempfile::TempDir;
use toml::{Table, Value};

use super::server::Nodes;

const NODES: usize = 3;
const BULK_BYTES: u64 = 8 << 20;

#[test]
fn a_node_comes_back_over_what_it_has_become() -> Result<()> {
    let folder = TempDir::new()?;
    let mut node = Nodes::start(1)?;
    node.fill(Content::Usual)?;
    let before = node.contents()?;
    let lockgate = configured(&node, &folder, &[], Special::Nothing)?;
    lockgate.ok(&["init"])?;
    lockgate.ok(&["backup", "shop"])?;
    node.client(&["cql", "TRUNCATE bank.accounts"])?;
    node.client(&["cql", "ALTER TABLE shop.customers ADD later int"])?;
    let refused = lockgate.run(&["restore", "latest"])?;
    ensure!(refused.error_line().contains("table bank.accounts exists"), "{refused:?}");
    ensure!(node.contents()? != before, "a refused restore changed something");
    lockgate.ok(&["restore", "latest", "--overwrite"])?;
    ensure!(node.left()?.is_empty(), "{:?}", node.left()?);
    equal(&before, &node.contents()?)
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn three_nodes_lose_one_then_all_and_come_back_as_three_and_as_one() -> Result<()> {
    let folder = TempDir::new()?;
    let mut lost = Nodes::start(NODES)?;
    lost.client(&["usual", "2"])?;
    lost.fill(Content::Bulk { bytes: BULK_BYTES })?;
    let before = lost.contents()?;
    let lockgate = configured(&lost, &folder, &[], Special::Nothing)?;
    lockgate.ok(&["init"])?;
    let first = lockgate.summary(&["backup", "shop"])?;
    ensure!(lost.left()?.is_empty(), "{:?}", lost.left()?);

    let second = lockgate.summary(&["backup", "shop"])?;
    println!("first: {first}\nsecond, unchanged: {second}");
    let bytes = |summary: &Json, key: &str| {
        summary[key].as_u64().with_context(|| format!("no {key} in {summary}"))
    };
    let (all, read) = (bytes(&first, "bytes_read")?, bytes(&second, "bytes_read")?);
    // What is left are definitions, which are asked for anew, and a small SSTable that a node made of others.
    ensure!(read * 20 < all && all > BULK_BYTES, "the second backup read {read} bytes of {all}");

    lost.cluster.kill(NODES - 1)?;
    let refused = lockgate.run(&["backup", "shop"])?;
    ensure!(refused.code != Some(0), "{refused:?}");
    ensure!(refused.error_line().contains("node n3"), "{refused:?}");
    let lenient = configured(&lost, &folder, &[("missing-nodes-max", 1.into())], Special::Nothing)?;
    let partial = lenient.ok(&["backup", "shop"])?;
    ensure!(format!("{partial:?}").contains("is not in the backup"), "{partial:?}");
    let whole = first["snapshot_id"].as_str().context("no id")?.to_owned();
    drop(lost);

    let mut same = Nodes::start(NODES)?;
    let lockgate = configured(&same, &folder, &[], Special::Nothing)?;
    let plan = lockgate.ok(&["restore", &whole, "--dry-run"])?;
    ensure!(plan.stdout.contains("import SSTables"), "{plan:?}");
    lockgate.ok(&["restore", &whole])?;
    ensure!(same.left()?.is_empty(), "{:?}", same.left()?);
    equal(&before, &same.contents()?)?;
    drop(same);

    let mut one = Nodes::start(1)?;
    let lockgate = configured(&one, &folder, &[], Special::OneReplica)?;
    let plan = lockgate.ok(&["restore", &whole, "--dry-run"])?;
    ensure!(plan.stdout.contains("stream SSTables"), "{plan:?}");
    lockgate.ok(&["restore", &whole])?;
    ensure!(one.left()?.is_empty(), "{:?}", one.left()?);
    equal(&without_replication(before), &without_replication(one.contents()?))
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn a_node_that_is_lost_after_its_snapshot_is_still_saved() -> Result<()> {
    let folder = TempDir::new()?;
    let mut nodes = Nodes::start(2)?;
    nodes.fill(Content::Bulk { bytes: 16 << 20 })?;
    let before = nodes.contents()?;
    let lockgate = configured(&nodes, &folder, &[], Special::SlowStorage)?;
    lockgate.ok(&["init"])?;
    let mut running = lockgate.start(&["backup", "shop"])?;
    while nodes.left()?.is_empty() {
        ensure!(running.try_wait()?.is_none(), "it ended without a snapshot");
    }
    // Both have one when the second of them has.
    std::thread::sleep(std::time::Duration::from_secs(2));
    nodes.cluster.kill(1)?;
    ensure!(running.wait()?.success(), "the backup failed");
    drop(nodes);
    let mut one = Nodes::start(1)?;
    configured(&one, &folder, &[], Special::OneReplica)?.ok(&["restore", "latest"])?;
    equal(&without_replication(before), &without_replication(one.contents()?))
}

/// What is special of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    Nothing,
    /// Keyspaces get one replica.
    OneReplica,
    /// The repository takes 2 MiB each second.
    SlowStorage,
}

/// `lockgate` with the nodes as its source `shop`, and a repository in `folder`.
fn configured(
    nodes: &Nodes,
    folder: &TempDir,
    options: &[(&str, Value)],
    special: Special,
) -> Result<Lockgate> {
    let mut source = nodes.settings(options);
    source.insert("plugin".to_owned(), "cassandra".into());
    if special == Special::OneReplica
        && let Some(Value::Table(config)) = source.get_mut("config")
    {
        let one: Table = [("class", "SimpleStrategy"), ("replication_factor", "1")]
            .map(|(key, value)| (key.to_owned(), value.into()))
            .into_iter()
            .collect();
        let every = Table::from_iter([("*".to_owned(), one.into())]);
        config.insert("replication".to_owned(), every.into());
    }
    let url = format!("fs:{}", folder.path().join("repository").display());
    let mut repository = Table::from_iter([("url".to_owned(), url.into())]);
    if special == Special::SlowStorage {
        repository.insert("limit-upload-kib".to_owned(), 2048.into());
    }
    let named = |name: &str, table: Table| Table::from_iter([(name.to_owned(), table.into())]);
    let mut whole = named("sources", named("shop", source));
    whole.extend(named("repositories", named("main", repository)));
    let path = folder.path().join("config.toml");
    std::fs::write(&path, toml::to_string(&whole)?)?;
    let lockgate = Lockgate::new(folder.path(), &plugins()?)?.with("LOCKGATE_CONFIG", path);
    // The lock file is beside the configuration.
    lockgate.ok(&["plugin", "lock"])?;
    Ok(lockgate)
}

fn without_replication(mut contents: Contents) -> Contents {
    contents.retain(|name, _| !name.starts_with("keyspace/"));
    contents
}

fn equal(before: &Contents, after: &Contents) -> Result<()> {
    let names = before.keys().chain(after.keys());
    let differ: Vec<&String> = names.filter(|name| before.get(*name) != after.get(*name)).collect();
    let shown = |of: &Contents, name: &String| of.get(name).cloned().unwrap_or_default();
    for name in &differ {
        println!("{name} before:\n{}\nafter:\n{}", shown(before, name), shown(after, name));
    }
    ensure!(differ.is_empty() && !before.is_empty(), "these differ: {differ:?}");
    Ok(())
}
