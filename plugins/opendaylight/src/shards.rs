//! The shards of the member that answers, as Jolokia tells them.

use std::collections::BTreeMap;

use lockgate_plugin::{Finding, Result, Severity, listed, printable};
use serde::Deserialize;

use crate::client;
use crate::snapshot::Datastore;

const SHARDS: &str = "/jolokia/read/org.opendaylight.controller:Category=Shards,name=*,type=*/\
                      LastIndex,LastTerm,RaftState,Leader,ShardName";
const MANAGERS: &str =
    "/jolokia/read/org.opendaylight.controller:Category=ShardManager,name=*,type=*";

/// All shards of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shards {
    /// By datastore and name, as `config/default`.
    pub shards: BTreeMap<String, Shard>,
    /// Shards that a shard manager has and that tell nothing.
    pub silent: Vec<String>,
    /// The datastores whose shard manager is not in step with the leaders.
    pub behind: Vec<String>,
}

/// How a shard is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Shard {
    /// Of the last entry of its log.
    #[serde(default)]
    pub last_index: Option<i64>,
    /// Of that entry.
    #[serde(default)]
    pub last_term: Option<i64>,
    /// `Leader`, `Follower`, ...
    #[serde(default)]
    pub raft_state: Option<String>,
    /// The leader's name; none during an election.
    #[serde(default)]
    pub leader: Option<String>,
    /// As `member-1-shard-default-config`.
    #[serde(default)]
    pub shard_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manager {
    #[serde(default)]
    local_shards: Vec<String>,
    #[serde(default)]
    sync_status: bool,
    #[serde(default)]
    member_name: String,
}

impl Shards {
    /// Asks Jolokia; none where there is none.
    ///
    /// # Errors
    /// When the server does not answer as it should.
    pub fn read() -> Result<Option<Self>> {
        let managers: Option<BTreeMap<String, Manager>> = client::jolokia(MANAGERS)?;
        let Some(managers) = managers else { return Ok(None) };
        let shards: Option<BTreeMap<String, Shard>> = client::jolokia(SHARDS)?;
        Ok(Some(Self::of(&managers, shards.unwrap_or_default())))
    }

    fn of(managers: &BTreeMap<String, Manager>, told: BTreeMap<String, Shard>) -> Self {
        let mut found = Self::default();
        let mut told: BTreeMap<String, Shard> = told
            .into_values()
            .filter_map(|shard| Some((shard.shard_name.clone()?, shard)))
            .collect();
        for manager in managers.values() {
            for full in &manager.local_shards {
                let Some(name) = short(full, &manager.member_name) else {
                    found.silent.push(printable(full));
                    continue;
                };
                match told.remove(full) {
                    Some(shard) => drop(found.shards.insert(name, shard)),
                    None => found.silent.push(name),
                }
            }
            if !manager.sync_status {
                let kind = manager.local_shards.first().and_then(|full| full.rsplit('-').next());
                found.behind.push(printable(kind.unwrap_or("a datastore")));
            }
        }
        found
    }

    /// What is wrong with them, or that nothing is.
    pub fn judge(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let is_idle = |shard: &&Shard| {
            !matches!(shard.raft_state.as_deref(), Some("Leader" | "Follower"))
                || shard.leader.as_deref().unwrap_or_default().is_empty()
        };
        let idle = self.shards.iter().filter(|(_, shard)| is_idle(shard));
        let idle: Vec<String> = idle
            .map(|(name, shard)| {
                format!("{name} ({})", printable(shard.raft_state.as_deref().unwrap_or("no state")))
            })
            .collect();
        if !idle.is_empty() {
            let text = format!("shards without a leader: {}", listed(&idle));
            findings.push(Finding::new(Severity::Critical, "shard-without-leader", text));
        }
        if !self.silent.is_empty() {
            let text = format!("shards that tell nothing: {}", listed(&self.silent));
            findings.push(Finding::new(Severity::Critical, "shard-silent", text));
        }
        if !self.behind.is_empty() {
            let text = format!("not in step with the leaders: {}", listed(&self.behind));
            findings.push(Finding::new(Severity::Warning, "shard-behind", text));
        }
        if findings.is_empty() {
            let text = format!("{} shards have a leader and are in step", self.shards.len());
            findings.push(Finding::new(Severity::Ok, "shards", text));
        }
        findings
    }

    /// Those of the member that a snapshot does not have.
    pub fn missing_in(&self, datastores: &[Datastore]) -> Vec<String> {
        let has = |name: &&String| {
            datastores.iter().any(|datastore| {
                let names = datastore.shards.iter().map(|shard| &shard.name);
                let mut full = names.map(|shard| format!("{}/{shard}", datastore.kind));
                full.any(|full| full == **name)
            })
        };
        let mut missing: Vec<String> =
            self.shards.keys().filter(|name| !has(name)).cloned().collect();
        missing.extend(self.silent.iter().filter(|name| !has(name)).cloned());
        missing
    }

    /// The shards of a snapshot that are older there than they were here, before it was taken.
    pub fn newer_than(&self, datastores: &[Datastore]) -> Vec<String> {
        let mut stale = Vec::new();
        for datastore in datastores {
            for shard in &datastore.shards {
                let name = format!("{}/{}", datastore.kind, shard.name);
                let here = self.shards.get(&name).and_then(|here| here.last_index);
                if here.is_some_and(|here| shard.last_index < here) {
                    stale.push(name);
                }
            }
        }
        stale
    }
}

/// `config/default` of `member-1-shard-default-config`.
fn short(full: &str, member: &str) -> Option<String> {
    let rest = full.strip_prefix(member)?.strip_prefix("-shard-")?;
    let (name, kind) = rest.rsplit_once('-')?;
    Some(printable(format!("{kind}/{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = r#"{"a":{"Leader":"member-1-shard-default-config","LastIndex":15,"RaftState":"Leader","LastTerm":1,
        "ShardName":"member-1-shard-default-config"},"b":{"Leader":null,"LastIndex":-1,"RaftState":"Candidate","LastTerm":-1,
        "ShardName":"member-1-shard-my-own-config"}}"#;

    fn shards(managers: &str) -> Shards {
        Shards::of(&serde_json::from_str(managers).unwrap(), serde_json::from_str(TOLD).unwrap())
    }

    #[test]
    fn shards_are_judged() {
        let found = shards(
            r#"{"x":{"LocalShards":["member-1-shard-default-config","member-1-shard-my-own-config","member-1-shard-gone-config"],
                "SyncStatus":false,"MemberName":"member-1"}}"#,
        );
        assert_eq!(found.shards.keys().collect::<Vec<_>>(), ["config/default", "config/my-own"]);
        let codes: Vec<String> = found.judge().into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["shard-without-leader", "shard-silent", "shard-behind"]);
        let well = shards(
            r#"{"x":{"LocalShards":["member-1-shard-default-config"],"SyncStatus":true,"MemberName":"member-1"}}"#,
        );
        assert_eq!(well.judge().first().map(|finding| finding.severity), Some(Severity::Ok));
    }

    #[test]
    fn a_snapshot_is_compared_with_the_member() {
        let found = shards(
            r#"{"x":{"LocalShards":["member-1-shard-default-config","member-1-shard-my-own-config"],"SyncStatus":true,
                "MemberName":"member-1"}}"#,
        );
        let shard = |last_index| crate::snapshot::Shard {
            name: "default".into(),
            last_index,
            ..Default::default()
        };
        let file = |index| {
            vec![Datastore {
                kind: "config".into(),
                shards: vec![shard(index)],
                ..Default::default()
            }]
        };
        assert_eq!(found.missing_in(&file(15)), ["config/my-own"]);
        assert!(found.newer_than(&file(15)).is_empty());
        assert_eq!(found.newer_than(&file(14)), ["config/default"]);
    }
}
