//! What the operator says of the nodes.

use std::collections::BTreeMap;

use lockgate_plugin::{Error, Result};
use serde::Deserialize;

/// The part of the configuration that is for the physical way only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Physical {
    /// All nodes of the cluster. `endpoints.NAME` is a node's Jolokia, `folders.NAME` its data folder.
    pub nodes: BTreeMap<String, NodeConfig>,
    /// How many nodes of the ring a backup may lack.
    pub missing_nodes_max: u32,
    /// After how many hours a node removes a snapshot that nobody removed before.
    pub snapshot_hours: u32,
    /// How a restore brings SSTables to the nodes.
    pub load: Load,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Folders of the source that are the node's data folders, for nodes with several; the one of the node's name otherwise.
    pub data: Vec<String>,
    /// Path by which the node itself reaches `folders.NAME-staging`, which a restore writes.
    pub staging: Option<String>,
}

/// How a restore brings SSTables to the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// Imported where the ring is that of the backup, streamed otherwise.
    #[default]
    Auto,
    /// Each node takes its own.
    Import,
    /// One node reads them and sends each row to those that have it now.
    Stream,
}

impl Default for Physical {
    fn default() -> Self {
        Self { nodes: BTreeMap::new(), missing_nodes_max: 0, snapshot_hours: 24, load: Load::Auto }
    }
}

impl Physical {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// When a value is out of range; names the key.
    pub fn validate(&self) -> Result<()> {
        if self.nodes.is_empty() {
            return Err(Error::config(
                "physical.nodes: name all nodes of the cluster, each with an endpoint (its Jolokia) and a folder (its data) of the same \
                 name",
            ));
        }
        if !(1..=24 * 365).contains(&self.snapshot_hours) {
            return Err(Error::config("physical.snapshot-hours: must be from 1 to 8760"));
        }
        for (name, node) in &self.nodes {
            // Names become folders and parts.
            let is_name = |name: &str| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            };
            if !is_name(name) || name == "server" {
                return Err(Error::config(format!(
                    "physical.nodes: {name:?} is no name for a node: letters, digits, - and _, and not \"server\""
                )));
            }
            if node.staging.as_ref().is_some_and(|path| !path.starts_with('/')) {
                return Err(Error::config(format!(
                    "physical.nodes.{name}.staging: must be an absolute path of the node's machine"
                )));
            }
        }
        Ok(())
    }

    /// The granted folders that are the node's data folders.
    pub fn data_of(&self, node: &str) -> Vec<String> {
        let named = self.nodes.get(node).map(|node| node.data.clone()).unwrap_or_default();
        if named.is_empty() { vec![node.to_owned()] } else { named }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_need_names_and_absolute_paths() {
        let with = |name: &str, staging: Option<&str>| {
            let node = NodeConfig { staging: staging.map(str::to_owned), ..Default::default() };
            Physical { nodes: BTreeMap::from([(name.to_owned(), node)]), ..Default::default() }
        };
        assert!(with("a", Some("/var/lib/staging")).validate().is_ok());
        assert_eq!(with("a", None).data_of("a"), ["a"]);
        for wrong in
            [with("server", None), with("a/b", None), with("a", Some("b")), Physical::default()]
        {
            let error = wrong.validate().unwrap_err();
            assert!(error.message().starts_with("physical.nodes"), "{error}");
        }
        let hours = Physical { snapshot_hours: 0, ..with("a", None) };
        assert!(hours.validate().unwrap_err().message().contains("snapshot-hours"));
    }
}
