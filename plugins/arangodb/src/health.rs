//! A look at the live server that changes nothing.

use std::collections::BTreeMap;

use lockgate_plugin::http::segment;
use lockgate_plugin::{Finding, Result, Severity, listed, printable};
use serde::Deserialize;
use serde_json::Value;

use crate::catalog::{Answer, databases};
use crate::client::{get, get_if_there};
use crate::config::Config;
use crate::server::Server;

/// What every check says: nobody has run this plugin against a server yet.
const RECORDED: &str = "this plugin was verified against the recorded protocol of ArangoDB, never against a server: rehearse a \
                        restore before you rely on it";

#[derive(Deserialize)]
struct Health {
    #[serde(rename = "Health")]
    members: BTreeMap<String, Member>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    role: String,
    status: String,
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
struct Distribution {
    results: BTreeMap<String, Shards>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Shards {
    #[serde(default)]
    plan: BTreeMap<String, Copies>,
    #[serde(default)]
    current: BTreeMap<String, Copies>,
}

#[derive(Default, Deserialize)]
struct Copies {
    #[serde(default)]
    leader: String,
    #[serde(default)]
    followers: Vec<String>,
}

/// Reachability, version, role, members of a cluster, shards that are not in sync, replication of a single server.
///
/// # Errors
/// When the server cannot be reached, refuses the account, or is of an unknown version.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    let server = Server::probe(config)?;
    let mut findings = vec![
        Finding::new(
            Severity::Ok,
            "reachable",
            format!("{server} with the engine rocksdb answers"),
        ),
        Finding::new(Severity::Notice, "recorded-protocol", RECORDED),
    ];
    findings.extend(members(&server)?);
    if server.is_cluster {
        for name in databases()? {
            findings.extend(shards(&name)?);
        }
    } else {
        findings.extend(replication()?);
    }
    Ok(findings)
}

/// Members of a cluster that are not well.
///
/// # Errors
/// When the server does not tell.
pub fn members(server: &Server) -> Result<Vec<Finding>> {
    if !server.is_cluster {
        return Ok(Vec::new());
    }
    Ok(judge(&get("/_admin/cluster/health")?))
}

fn judge(health: &Health) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, member) in &health.members {
        if member.status != "GOOD" {
            let severity =
                if member.role == "DBServer" { Severity::Critical } else { Severity::Warning };
            let text = format!(
                "{} {} is {}",
                printable(&member.role),
                printable(name),
                printable(&member.status)
            );
            findings.push(Finding::new(severity, "member-down", text));
        }
    }
    let mut versions: Vec<String> =
        health.members.values().map(|it| printable(&it.version)).collect();
    versions.retain(|version| !version.is_empty());
    versions.sort();
    versions.dedup();
    if versions.len() > 1 {
        let text = format!("the members have different versions: {}", versions.join(", "));
        findings.push(Finding::new(Severity::Warning, "versions-differ", text));
    }
    findings
}

fn shards(database: &str) -> Result<Option<Finding>> {
    let target = format!("/_db/{}/_admin/cluster/shardDistribution", segment(database));
    let told: Option<Answer<Distribution>> = get_if_there(&target)?;
    Ok(told.and_then(|told| unsynced(database, &told.result)))
}

fn unsynced(database: &str, distribution: &Distribution) -> Option<Finding> {
    let mut late = Vec::new();
    for (collection, shards) in &distribution.results {
        for (shard, plan) in &shards.plan {
            let nothing = Copies::default();
            let current = shards.current.get(shard).unwrap_or(&nothing);
            let is_there = |follower: &String| current.followers.contains(follower);
            if current.leader != plan.leader || !plan.followers.iter().all(is_there) {
                late.push(format!("{} {}", printable(collection), printable(shard)));
            }
        }
    }
    if late.is_empty() {
        return None;
    }
    let text = format!("shards of {database} are not in sync with their plan: {}", listed(&late));
    Some(Finding::new(Severity::Warning, "shards-unsynced", text))
}

/// A single server that follows another is overwritten by it.
fn replication() -> Result<Option<Finding>> {
    let state: Option<Value> = get_if_there("/_api/replication/applier-state?global=true")?;
    let is_following = state.is_some_and(|state| state["state"]["running"] == true);
    Ok(is_following.then(|| {
        let text =
            "the server follows another one: what is restored here will be overwritten by it";
        Finding::new(Severity::Warning, "follower", text)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_versions_are_judged() {
        let health = |status: &str, version: &str| {
            let text = format!(
                r#"{{"Health":{{"PRMR-1":{{"Role":"DBServer","Status":"{status}","Version":"3.12.5"}},
                "CRDN-1":{{"Role":"Coordinator","Status":"GOOD","Version":"{version}"}},"AGNT-1":{{"Role":"Agent","Status":"GOOD"}}}}}}"#
            );
            let findings = judge(&serde_json::from_str(&text).unwrap());
            findings.into_iter().map(|it| it.code).collect::<Vec<_>>()
        };
        assert!(health("GOOD", "3.12.5").is_empty());
        assert_eq!(health("FAILED", "3.12.4"), ["member-down", "versions-differ"]);
    }

    #[test]
    fn shards_that_lag_behind_are_named() {
        let told = |followers: &str| {
            let text = format!(
                r#"{{"results":{{"orders":{{"Plan":{{"s1":{{"leader":"A","followers":["B"]}}}},
                "Current":{{"s1":{{"leader":"A","followers":[{followers}]}}}}}}}}}}"#
            );
            unsynced("shop", &serde_json::from_str(&text).unwrap())
        };
        assert!(told("\"B\"").is_none());
        assert!(told("").unwrap().message.ends_with("orders s1"));
    }
}
