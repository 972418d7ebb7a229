//! A look at the live cluster that changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::{Finding, Result, Severity, printable};
use serde::Deserialize;
use serde_json::Value;

use crate::catalog::Catalog;
use crate::client::get;
use crate::config::Config;
use crate::server::{Server, TESTED};

/// <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/cluster-health.html>.
#[derive(Debug, Deserialize)]
struct Health {
    cluster_name: String,
    status: String,
    number_of_nodes: u64,
    unassigned_shards: u64,
    relocating_shards: u64,
}

/// Reachability, version, health of the cluster, versions and disks of the nodes, and what would not be saved.
///
/// # Errors
/// When the server cannot be reached, refuses the account, or is of an unknown version.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    let server = Server::probe(config)?;
    let mut findings = vec![Finding::new(Severity::Ok, "reachable", format!("{server} answers"))];
    if !server.is_tested() {
        let text = format!("{server} was not run in the tests of this plugin ({TESTED})");
        findings.push(Finding::new(Severity::Notice, "version-untested", text));
    }
    findings.push(cluster()?);
    findings.extend(versions()?);
    findings.extend(disks()?);
    findings.extend(Catalog::read(config)?.findings);
    Ok(findings)
}

/// How the cluster is.
///
/// # Errors
/// When it does not tell.
pub fn cluster() -> Result<Finding> {
    Ok(judge(&get("/_cluster/health")?))
}

fn judge(health: &Health) -> Finding {
    let Health { cluster_name, status, number_of_nodes, unassigned_shards, .. } = health;
    let state = format!(
        "cluster {} is {status}: {number_of_nodes} nodes, {unassigned_shards} shards without a node, {} on the move",
        printable(cluster_name),
        health.relocating_shards
    );
    let (severity, code, more) = match status.as_str() {
        "green" => (Severity::Ok, "cluster-green", ""),
        "yellow" => {
            (Severity::Notice, "cluster-yellow", "; copies of shards are missing, and no documents")
        }
        _ => {
            (Severity::Critical, "cluster-red", "; primary shards are missing, and their documents")
        }
    };
    Finding::new(severity, code, format!("{state}{more}"))
}

/// Nodes of different versions: an upgrade is under way, or was forgotten.
fn versions() -> Result<Option<Finding>> {
    let nodes: Value = get("/_nodes?filter_path=nodes.*.version")?;
    let nodes = nodes.get("nodes").and_then(Value::as_object);
    let versions = nodes.into_iter().flat_map(|nodes| nodes.values());
    let versions: BTreeSet<&str> =
        versions.filter_map(|node| node.get("version").and_then(Value::as_str)).collect();
    if versions.len() < 2 {
        return Ok(None);
    }
    let versions: Vec<&str> = versions.into_iter().collect();
    let text = format!("the nodes have different versions: {}", versions.join(", "));
    Ok(Some(Finding::new(Severity::Warning, "versions-differ", text)))
}

/// What a restore needs room for, and at which a cluster stops to take shards or writes:
/// <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/modules-cluster.html#disk-based-shard-allocation>.
const WATERMARKS: [(&str, Severity, &str); 3] = [
    ("flood_stage", Severity::Critical, "indexes on it take no more writes"),
    ("high", Severity::Warning, "shards are moved away from it"),
    ("low", Severity::Notice, "it gets no new shards"),
];

fn disks() -> Result<Vec<Finding>> {
    let prefix = "cluster.routing.allocation.disk.";
    let settings: BTreeMap<String, BTreeMap<String, Value>> =
        get("/_cluster/settings?include_defaults=true&flat_settings=true")?;
    // What is set for the moment is stronger than what is set for good.
    let setting = |name: &str| {
        let key = format!("{prefix}{name}");
        let layers = ["transient", "persistent", "defaults"].into_iter();
        layers.filter_map(|layer| settings.get(layer)?.get(&key)?.as_str()).next()
    };
    if setting("threshold_enabled") == Some("false") {
        return Ok(Vec::new());
    }
    let marks: Vec<(u64, Severity, &str)> = WATERMARKS
        .iter()
        .filter_map(|(name, severity, text)| {
            Some((percent_used(setting(&format!("watermark.{name}"))?)?, *severity, *text))
        })
        .collect();
    let nodes: Value = get("/_nodes/stats/fs?filter_path=nodes.*.name,nodes.*.fs.total")?;
    let nodes = nodes.get("nodes").and_then(Value::as_object);
    let mut findings = Vec::new();
    for node in nodes.into_iter().flat_map(|nodes| nodes.values()) {
        let bytes =
            |key: &str| node.pointer(&format!("/fs/total/{key}_in_bytes")).and_then(Value::as_u64);
        let (Some(total), Some(free)) = (bytes("total"), bytes("available")) else { continue };
        let used = (total.saturating_sub(free)).saturating_mul(100) / total.max(1);
        let Some((mark, severity, text)) = marks.iter().find(|(mark, _, _)| used >= *mark) else {
            continue;
        };
        let name = printable(node.get("name").and_then(Value::as_str).unwrap_or("?"));
        let text = format!(
            "the disk of node {name} is {used} % full, above the watermark of {mark} %: {text}"
        );
        findings.push(Finding::new(*severity, "disk-watermark", text));
    }
    Ok(findings)
}

/// A watermark in percent. One in bytes of free space says something of each disk only, and is passed over.
fn percent_used(text: &str) -> Option<u64> {
    match text.strip_suffix('%') {
        Some(number) => number.parse::<f64>().ok().map(|percent| percent as u64),
        None => text.parse::<f64>().ok().map(|ratio| (ratio * 100.0) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_is_judged() {
        for (status, severity) in
            [("green", Severity::Ok), ("yellow", Severity::Notice), ("red", Severity::Critical)]
        {
            let health = Health {
                cluster_name: "c".to_owned(),
                status: status.to_owned(),
                number_of_nodes: 1,
                unassigned_shards: 2,
                relocating_shards: 0,
            };
            assert_eq!(judge(&health).severity, severity);
        }
    }

    #[test]
    fn watermarks_are_percents_or_ratios() {
        assert_eq!(percent_used("85%"), Some(85));
        assert_eq!(percent_used("0.9"), Some(90));
        assert_eq!(percent_used("10gb"), None);
    }
}
