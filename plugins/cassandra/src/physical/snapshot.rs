//! Snapshots: hard links to the SSTables of one moment, which a node makes and removes.

use lockgate_plugin::{Context, Error, Finding, Kind, Result, Severity};
use serde_json::json;

use super::node::Node;
use super::sstable::{folder_in, join, list};
use crate::jolokia::{self, STORAGE};

/// Beginning of every tag.
const PREFIX: &str = "lockgate-";
/// The folder of a table that holds its snapshots.
const SNAPSHOTS: &[u8] = b"snapshots";

/// The tag of a run's snapshot on a node. It has the node's name, so that nobody takes another node's folder for its own.
pub fn tag(run: &str, node: &str) -> String {
    format!("{PREFIX}{run}-{node}")
}

/// Has all nodes write what is only in memory, and then make their snapshots at nearly the same time.
///
/// # Errors
/// When one of them fails.
pub fn take(nodes: &[Node], run: &str, hours: u32, tables: &[(String, String)]) -> Result<()> {
    let mut keyspaces: Vec<&str> = tables.iter().map(|(keyspace, _)| keyspace.as_str()).collect();
    keyspaces.dedup();
    let flush = "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)";
    for keyspace in keyspaces {
        let none: [&str; 0] = [];
        all(nodes, "writing what is in memory", |node| {
            jolokia::start(&node.name, STORAGE, flush, json!([keyspace, none]))
        })?;
    }
    let names: Vec<String> =
        tables.iter().map(|(keyspace, table)| format!("{keyspace}.{table}")).collect();
    let snapshot = "takeSnapshot(java.lang.String,java.util.Map,[Ljava.lang.String;)";
    all(nodes, "making a snapshot", |node| {
        let options = json!({ "skipFlush": "false", "ttl": format!("{hours}h") });
        let arguments = json!([tag(run, &node.name), options, names]);
        jolokia::start(&node.name, STORAGE, snapshot, arguments)
    })
}

/// Gives an order to all nodes before it waits for any.
fn all(nodes: &[Node], doing: &str, start: impl Fn(&Node) -> Result<jolokia::Asked>) -> Result<()> {
    let told = |node: &Node| format!("node {}: {doing}", node.name);
    let started = nodes.iter().map(|node| start(node).with_context(|| told(node)));
    let started = started.collect::<Result<Vec<_>>>()?;
    // All are waited for, so that none is at work any more when the first error is told.
    let answers: Vec<Result<()>> = nodes
        .iter()
        .zip(started)
        .map(|(node, asked)| asked.answer().map(drop).with_context(|| told(node)))
        .collect();
    answers.into_iter().collect()
}

/// Removes the snapshots of a run. What cannot be removed is told; it goes when its time is over.
pub fn clear<'a>(nodes: impl Iterator<Item = &'a str>, run: &str, hours: u32) -> Vec<Finding> {
    let operation = "clearSnapshot(java.lang.String,[Ljava.lang.String;)";
    let none: [&str; 0] = [];
    let mut findings = Vec::new();
    for node in nodes {
        let tag = tag(run, node);
        let cleared = jolokia::execute(node, STORAGE, operation, json!([tag, none]));
        if let Err(error) = cleared {
            let message = format!(
                "node {node} still has the snapshot {tag}, which goes by itself {hours} h after it was made, or by \
                 `nodetool clearsnapshot -t {tag}`: {error}"
            );
            let finding = Finding::new(Severity::Warning, "snapshot-left", message);
            findings.push(finding.with_attribute("node", node));
        }
    }
    findings
}

/// The folder of a table's snapshot in a granted data folder, if it is there.
///
/// # Errors
/// When the folder cannot be listed.
pub fn find(
    folder: &str,
    keyspace: &str,
    table_folder: &str,
    tag: &str,
) -> Result<Option<Vec<u8>>> {
    let mut path = Vec::new();
    for name in [keyspace.as_bytes(), table_folder.as_bytes(), SNAPSHOTS, tag.as_bytes()] {
        match folder_in(folder, &path, name)? {
            Some(inner) => path = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(path))
}

/// Tags of this plugin's snapshots that are in a granted data folder.
///
/// # Errors
/// When the folder cannot be listed.
pub fn leftovers(folder: &str) -> Result<Vec<String>> {
    let mut tags = Vec::new();
    let folders = |path: &[u8]| -> Result<Vec<Vec<u8>>> {
        let found = list(folder, path)?.into_iter();
        let inner = found.filter(|one| one.metadata.kind == Kind::Directory);
        Ok(inner.map(|one| one.name).collect())
    };
    for keyspace in folders(b"")? {
        for table in folders(&keyspace)? {
            let path = join(&keyspace, &table);
            let Some(snapshots) = folder_in(folder, &path, SNAPSHOTS)? else { continue };
            let names = folders(&snapshots)?.into_iter();
            let names = names.filter_map(|name| String::from_utf8(name).ok());
            tags.extend(names.filter(|name| name.starts_with(PREFIX)));
        }
    }
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

/// What is wrong with a data folder in which a snapshot is not.
pub fn absent(node: &str, folders: &[String], tag: &str) -> Error {
    Error::config(format!(
        "the snapshot {tag} of node {node} is not in its data folder: is {} where data_file_directories of that node is? \
         (or was it removed: physical.snapshot-hours)",
        folders.iter().map(|name| format!("folders.{name}")).collect::<Vec<_>>().join(" or ")
    ))
}
