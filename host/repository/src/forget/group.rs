use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::policy::has_tags;
use crate::format::Snapshot;

/// By what snapshots are put together; the policy is applied to each group for itself. Restic's default, host and paths,
/// is the default here too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Grouping {
    /// Another host, another group.
    pub by_host: bool,
    /// Another set of paths, another group.
    pub by_paths: bool,
    /// Another set of tags, another group.
    pub by_tags: bool,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { by_host: true, by_paths: true, by_tags: false }
    }
}

/// What the snapshots of a group have in common; a part that is not grouped by is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GroupKey {
    /// The host.
    pub hostname: String,
    /// The paths, sorted.
    pub paths: Vec<String>,
    /// The tags, sorted.
    pub tags: Vec<String>,
}

/// Which snapshots are looked at; an empty part lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Filter {
    /// Of one of these hosts.
    pub hosts: Vec<String>,
    /// With all of these paths.
    pub paths: Vec<String>,
    /// With all the tags of one of these lists.
    pub tags: Vec<Vec<String>>,
}

impl Filter {
    /// Whether `snapshot` is looked at.
    #[must_use]
    pub fn takes(&self, snapshot: &Snapshot) -> bool {
        let is_host = self.hosts.is_empty() || self.hosts.contains(&snapshot.hostname);
        let has_paths = self.paths.iter().all(|path| snapshot.paths.contains(path));
        let is_tagged = |wanted: &Vec<String>| has_tags(&snapshot.tags, wanted);
        is_host && has_paths && (self.tags.is_empty() || self.tags.iter().any(is_tagged))
    }
}

/// Puts the snapshots together. Every one ends up in exactly one group.
pub(super) fn group(
    snapshots: Vec<Snapshot>,
    grouping: Grouping,
) -> BTreeMap<GroupKey, Vec<Snapshot>> {
    let mut groups: BTreeMap<GroupKey, Vec<Snapshot>> = BTreeMap::new();
    for snapshot in snapshots {
        groups.entry(key(&snapshot, grouping)).or_default().push(snapshot);
    }
    groups
}

fn key(snapshot: &Snapshot, grouping: Grouping) -> GroupKey {
    let sorted = |wanted: bool, values: &[String]| {
        let mut values = if wanted { values.to_vec() } else { Vec::new() };
        values.sort();
        values
    };
    GroupKey {
        hostname: if grouping.by_host { snapshot.hostname.clone() } else { String::new() },
        paths: sorted(grouping.by_paths, &snapshot.paths),
        tags: sorted(grouping.by_tags, &snapshot.tags),
    }
}
