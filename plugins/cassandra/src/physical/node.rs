//! The nodes, and whether they are a ring that can be saved or restored into.

use std::collections::BTreeSet;

use lockgate_plugin::{Context, Error, Fingerprint, Result, printable};
use serde_json::{Map, Value};

use super::config::Physical;
use crate::cql::{Row, Session};
use crate::jolokia::{self, STORAGE, text, texts};

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// As the configuration names it; also of its endpoint.
    pub name: String,
    /// By which the ring knows it.
    pub host_id: String,
    /// Where its parts of the ring end, sorted.
    pub tokens: Vec<String>,
    /// For example `5.0.9`.
    pub release: String,
    /// How many data folders it has.
    pub data_folders: usize,
    schema: String,
    mode: String,
    /// Nodes that come, go or move.
    unsettled: Vec<String>,
}

/// Attributes of [`STORAGE`].
const ATTRIBUTES: [&str; 9] = [
    "LocalHostId",
    "Tokens",
    "ReleaseVersion",
    "AllDataFileLocations",
    "SchemaVersion",
    "OperationMode",
    "JoiningNodes",
    "LeavingNodes",
    "MovingNodes",
];

impl Node {
    /// Asks the node.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(name: &str) -> Result<Self> {
        Self::read(name, &jolokia::read(name, STORAGE, &ATTRIBUTES)?)
            .with_context(|| format!("node {name}"))
    }

    fn read(name: &str, said: &Map<String, Value>) -> Result<Self> {
        let mut tokens = texts(said.get("Tokens"))?;
        tokens.sort_unstable();
        let of = |key: &str| texts(said.get(key));
        Ok(Self {
            name: name.to_owned(),
            host_id: text(said.get("LocalHostId"))?,
            tokens,
            release: text(said.get("ReleaseVersion"))?,
            data_folders: of("AllDataFileLocations")?.len(),
            schema: text(said.get("SchemaVersion"))?,
            mode: text(said.get("OperationMode"))?,
            unsettled: [of("JoiningNodes")?, of("LeavingNodes")?, of("MovingNodes")?].concat(),
        })
    }

    /// Equal for nodes that have the same parts of a ring.
    pub fn place(&self) -> String {
        let mut fingerprint = Fingerprint::new();
        self.tokens.iter().for_each(|token| fingerprint.add(token));
        fingerprint.finish().chars().skip("sha256:".len()).take(16).collect()
    }

    fn settled(&self) -> Result<()> {
        let name = &self.name;
        if self.mode != "NORMAL" {
            return Err(Error::conflict(format!(
                "node {name} is {}: wait until all nodes are NORMAL (nodetool status)",
                printable(&self.mode)
            )));
        }
        match self.unsettled.first() {
            None => Ok(()),
            Some(other) => Err(Error::conflict(format!(
                "node {} joins, leaves or moves in the ring as node {name} sees it: wait until that has ended",
                printable(other)
            ))),
        }
    }
}

/// Nodes that answered, and why others did not.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// In the order of their names.
    pub nodes: Vec<Node>,
    /// Names of those that did not answer, each with the reason.
    pub silent: Vec<(String, Error)>,
    /// What the cluster itself says of its members: host id and address.
    pub members: Vec<(String, String)>,
}

impl Ring {
    /// Asks the nodes of the configuration, and the cluster for its members.
    ///
    /// # Errors
    /// When the cluster does not answer, or the nodes are not settled.
    pub fn survey<S: lockgate_plugin::host::Stream>(
        session: &mut Session<S>,
        config: &Physical,
    ) -> Result<Self> {
        let local = "SELECT host_id, broadcast_address FROM system.local";
        let peers = "SELECT host_id, peer FROM system.peers_v2";
        let mut members = session.rows(local)?;
        members.extend(session.rows(peers)?);
        let member = |row: &Row| {
            let address = row.address(1).map(|address| address.to_string());
            (row.uuid(0).unwrap_or_default(), address.unwrap_or_default())
        };
        let mut ring = Self { members: members.iter().map(member).collect(), ..Self::default() };
        for name in config.nodes.keys() {
            match Node::ask(name) {
                Ok(node) => ring.nodes.push(node),
                Err(error) if error == Error::cancelled() => return Err(error),
                Err(error) => ring.silent.push((name.clone(), error)),
            }
        }
        ring.check()?;
        Ok(ring)
    }

    /// Members of the ring that did not answer: those that are named answer to no endpoint, the others are not in the
    /// configuration.
    pub fn missing(&self) -> Vec<String> {
        let known: BTreeSet<&str> = self.nodes.iter().map(|node| node.host_id.as_str()).collect();
        let gone = self.members.iter().filter(|(id, _)| !known.contains(id.as_str()));
        gone.map(|(id, address)| format!("{address} (host id {id})")).collect()
    }

    /// Fails when more nodes are missing than may be.
    ///
    /// # Errors
    /// With their names and why.
    pub fn whole(&self, missing_max: u32) -> Result<()> {
        let missing = self.missing();
        if missing.len() <= missing_max as usize && (missing_max > 0 || self.silent.is_empty()) {
            return Ok(());
        }
        let mut message = format!(
            "{} of the {} nodes of the ring cannot be saved: {}",
            missing.len().max(self.silent.len()),
            self.members.len(),
            missing.join(", ")
        );
        for (name, error) in &self.silent {
            message.push_str(&format!("; node {name}: {error}"));
        }
        message.push_str(
            "; start them, name them in physical.nodes, or say with physical.missing-nodes-max how many may be missing",
        );
        Err(Error::unreachable(message))
    }

    fn check(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for node in &self.nodes {
            node.settled()?;
            let name = &node.name;
            if !seen.insert(&node.host_id) {
                return Err(Error::config(format!(
                    "physical.nodes: endpoints.{name} and another one are the same node"
                )));
            }
            if !self.members.iter().any(|(id, _)| *id == node.host_id) {
                return Err(Error::config(format!(
                    "physical.nodes: endpoints.{name} is a node of another cluster than endpoints.server"
                )));
            }
        }
        match self.nodes.iter().find(|node| node.schema != self.nodes[0].schema) {
            None => Ok(()),
            Some(other) => Err(Error::conflict(format!(
                "nodes {} and {} have different schemas: wait until they agree (nodetool describecluster)",
                self.nodes[0].name, other.name
            ))),
        }
    }

    /// The version of the schema, which all that answered have.
    pub fn schema(&self) -> &str {
        self.nodes.first().map(|node| node.schema.as_str()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub fn node(name: &str, host_id: &str, tokens: &[&str]) -> Node {
        let said = json!({
            "LocalHostId": host_id, "Tokens": tokens, "ReleaseVersion": "5.0.9",
            "AllDataFileLocations": ["/data"], "SchemaVersion": "s", "OperationMode": "NORMAL",
            "JoiningNodes": [], "LeavingNodes": [], "MovingNodes": []
        });
        Node::read(name, said.as_object().unwrap()).unwrap()
    }

    fn ring(nodes: Vec<Node>) -> Ring {
        let members = ["i", "j"].map(|id| (id.to_owned(), format!("10.0.0.{id}"))).to_vec();
        Ring { nodes, silent: Vec::new(), members }
    }

    #[test]
    fn places_are_equal_for_equal_tokens() {
        let a = node("a", "i", &["1", "-5"]);
        assert_eq!(a.place(), node("b", "j", &["-5", "1"]).place());
        assert_ne!(a.place(), node("b", "j", &["-5", "2"]).place());
        assert_eq!(a.place().len(), 16);
    }

    #[test]
    fn a_ring_is_whole_when_all_members_answer() {
        let both = ring(vec![node("a", "i", &["1"]), node("b", "j", &["2"])]);
        assert!(both.check().is_ok() && both.whole(0).is_ok());
        let mut one = ring(vec![node("a", "i", &["1"])]);
        one.silent.push(("b".to_owned(), Error::unreachable("nobody answers")));
        let error = one.whole(0).unwrap_err();
        assert!(error.message().contains("node b: nobody answers"), "{error}");
        assert!(error.message().contains("10.0.0.j"), "{error}");
        assert!(one.whole(1).is_ok());
    }

    #[test]
    fn rings_that_move_or_disagree_are_refused() {
        let twice = ring(vec![node("a", "i", &["1"]), node("b", "i", &["1"])]);
        assert!(twice.check().unwrap_err().message().contains("same node"));
        let foreign = ring(vec![node("a", "x", &["1"])]);
        assert!(foreign.check().unwrap_err().message().contains("another cluster"));
        let schema = Node { schema: "t".to_owned(), ..node("b", "j", &["2"]) };
        let differ = ring(vec![node("a", "i", &["1"]), schema]);
        assert!(differ.check().unwrap_err().message().contains("different schemas"));
        let joining = Node { mode: "JOINING".to_owned(), ..node("b", "j", &["2"]) };
        assert!(joining.settled().unwrap_err().message().contains("JOINING"));
        assert!(Node::read("a", &Map::new()).is_err());
    }
}
