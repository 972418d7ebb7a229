//! What a collection is, beside its documents: as the inventory of a dump has it, less what is different on each server.
//!
//! <https://docs.arangodb.com/stable/develop/http-api/replication/replication-dump/>

use std::collections::BTreeMap;

use lockgate_plugin::{Error, Hasher, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Path of the entry with the structure of a collection.
pub const ENTRY: &str = "structure.json";

/// What says of a collection that it is being filled: its schema, which the real one replaces at the end.
const MARK: &str = "lockgate: a restore is under way";

/// What is different on each server, or of the moment.
const VOLATILE_PARAMETERS: [&str; 20] = [
    "cid",
    "count",
    "deleted",
    "figures",
    "globallyUniqueId",
    "id",
    "indexes",
    "isBuilding",
    "minRevision",
    "objectId",
    "planId",
    "planVersion",
    "shadowCollections",
    "shards",
    "status",
    "statusString",
    "syncByRevision",
    "tempObjectId",
    "usesRevisionsAsDocumentIds",
    "version",
];
const VOLATILE_INDEX: [&str; 10] = [
    "code",
    "error",
    "errorMessage",
    "figures",
    "id",
    "isNewlyCreated",
    "objectId",
    "progress",
    "selectivityEstimate",
    "tempObjectId",
];
/// What a collection is like wherever it is; the rest says where its documents are.
const FINGERPRINTED: [&str; 6] =
    ["type", "waitForSync", "schema", "computedValues", "cacheEnabled", "isDisjoint"];

/// A collection and its indexes, without those that the server makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Structure {
    /// As the server's inventory has them.
    pub parameters: Map<String, Value>,
    /// By name.
    pub indexes: Vec<Value>,
    /// On a cluster the shards with the DB-Server that leads each; not archived.
    #[serde(skip)]
    pub shards: BTreeMap<String, String>,
}

/// An entry of an inventory.
#[derive(Debug, Deserialize)]
pub struct Entry {
    parameters: Map<String, Value>,
    #[serde(default)]
    indexes: Vec<Value>,
}

impl Structure {
    /// From an entry of an inventory.
    ///
    /// # Errors
    /// When the entry has no name, or its shards are nowhere.
    pub fn of(entry: Entry) -> Result<Self> {
        let mut structure =
            Self { parameters: entry.parameters, indexes: entry.indexes, shards: BTreeMap::new() };
        if structure.name().is_empty() {
            return Err(Error::corrupt("the inventory has a collection without a name"));
        }
        if let Some(Value::Object(shards)) = structure.parameters.get("shards") {
            let leaders = shards.iter().map(|(shard, servers)| {
                let leader = servers.get(0).and_then(Value::as_str).unwrap_or_default();
                // A leader that is about to resign has an underscore in front of its name.
                (shard.clone(), leader.trim_start_matches('_').to_owned())
            });
            structure.shards = leaders.collect();
        }
        if let Some((shard, _)) = structure.shards.iter().find(|(_, leader)| leader.is_empty()) {
            let name = structure.name();
            return Err(Error::conflict(format!(
                "shard {shard} of {name} has no leader: repair the cluster first"
            )));
        }
        structure.parameters.retain(|key, _| !VOLATILE_PARAMETERS.contains(&key.as_str()));
        let is_made = |index: &Value| matches!(index["type"].as_str(), Some("primary" | "edge"));
        structure.indexes.retain(|index| index.is_object() && !is_made(index));
        for index in structure.indexes.iter_mut().filter_map(Value::as_object_mut) {
            index.retain(|key, _| !VOLATILE_INDEX.contains(&key.as_str()));
        }
        structure.indexes.sort_by_cached_key(|index| index["name"].to_string());
        Ok(structure)
    }

    /// The collection's name.
    pub fn name(&self) -> &str {
        self.parameters.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it holds edges.
    pub fn is_edge(&self) -> bool {
        self.parameters.get("type").and_then(Value::as_u64) == Some(3)
    }

    /// Whether the server keeps it for itself.
    pub fn is_system(&self) -> bool {
        self.name().starts_with('_')
    }

    /// The collection whose shards its own follow.
    pub fn leader(&self) -> Option<&str> {
        self.parameters
            .get("distributeShardsLike")
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    }

    /// When it is made: those that others follow first, and edges after documents.
    pub fn turn(&self) -> u8 {
        u8::from(self.leader().is_some()) * 2 + u8::from(self.is_edge())
    }

    /// What makes it, with a mark that it is not complete.
    pub fn to_be_loaded(&self) -> Value {
        let mut parameters = self.parameters.clone();
        let mark = json!({ "rule": { "type": "object" }, "level": "none", "message": MARK });
        parameters.insert("schema".to_owned(), mark);
        // Not before the documents are in: they have been computed already.
        json!({ "parameters": parameters, "indexes": [] })
    }

    /// What makes its indexes.
    pub fn with_indexes(&self) -> Value {
        json!({ "parameters": self.parameters, "indexes": self.indexes })
    }

    /// The properties that take the mark away.
    pub fn completed(&self) -> Value {
        json!({ "schema": self.parameters.get("schema").cloned().unwrap_or_default() })
    }

    /// What it is like, whatever it is called and wherever its documents are.
    pub fn hash(&self) -> u128 {
        let mut kept = Map::new();
        for key in FINGERPRINTED {
            let value =
                self.parameters.get(key).filter(|value| !value.is_null() && **value != json!({}));
            kept.extend(value.map(|value| (key.to_owned(), value.clone())));
        }
        let options = self.parameters.get("keyOptions").and_then(Value::as_object);
        let mut options = options.cloned().unwrap_or_default();
        options.remove("lastValue");
        hash(&json!([kept, options, self.indexes]))
    }

    /// The same under other names.
    pub fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        for key in ["name", "distributeShardsLike", "smartJoinAttribute"] {
            let new = self
                .parameters
                .get(key)
                .and_then(Value::as_str)
                .filter(|it| !it.is_empty())
                .map(&name);
            if let Some(new) = new.filter(|_| key != "smartJoinAttribute") {
                self.parameters.insert(key.to_owned(), new.into());
            }
        }
        self
    }
}

/// Whether properties are those of a collection that a restore did not complete.
pub fn is_marked(properties: &Value) -> bool {
    properties["schema"]["message"] == MARK
}

/// A hash of a value, whatever the order of its keys.
pub fn hash(value: &Value) -> u128 {
    Hasher::hash(canonical(value).to_string().as_bytes())
}

/// The same value with its keys in order, whether or not the JSON library keeps them so.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<&String, Value> =
                object.iter().map(|(key, value)| (key, canonical(value))).collect();
            sorted
                .into_iter()
                .map(|(key, value)| (key.clone(), value))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(all) => all.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(text: &str) -> Result<Structure> {
        Structure::of(serde_json::from_str(text).unwrap())
    }

    const ORDERS: &str = r#"{"parameters":{"name":"orders","id":"7","type":3,"distributeShardsLike":"customers",
        "schema":null,"shards":{"s2":["PRMR-2","PRMR-1"],"s1":["_PRMR-1"]},"keyOptions":{"type":"autoincrement","lastValue":9}},
        "indexes":[{"id":"0","type":"primary"},{"id":"5","type":"ttl","name":"b","selectivityEstimate":1},
        {"id":"4","type":"geo","name":"a"},{"id":"1","type":"edge"}]}"#;

    #[test]
    fn what_differs_between_servers_is_left_out() {
        let orders = structure(ORDERS).unwrap();
        assert!(orders.is_edge() && !orders.is_system() && orders.turn() == 3);
        assert!(!orders.parameters.contains_key("id") && !orders.parameters.contains_key("shards"));
        assert_eq!(
            orders.indexes,
            [json!({"type":"geo","name":"a"}), json!({"type":"ttl","name":"b"})]
        );
        assert_eq!(orders.shards["s1"], "PRMR-1");
        let other = structure(&ORDERS.replace("\"lastValue\":9", "\"lastValue\":8")).unwrap();
        assert_eq!(orders.hash(), other.hash());
        let other = structure(&ORDERS.replace("ttl", "mdi")).unwrap();
        assert_ne!(orders.hash(), other.hash());
    }

    #[test]
    fn a_collection_is_marked_until_it_is_complete() {
        let orders = structure(ORDERS).unwrap();
        assert!(is_marked(&orders.to_be_loaded()["parameters"]));
        assert!(!is_marked(&orders.completed()));
        assert!(!is_marked(&json!(null)) && !is_marked(&json!({"schema": 3})));
    }

    #[test]
    fn shards_without_a_leader_and_names_that_are_none_are_refused() {
        assert!(structure(r#"{"parameters":{"name":"a","shards":{"s1":[]}}}"#).is_err());
        assert!(structure(r#"{"parameters":{"name":3}}"#).is_err());
        assert!(structure(r#"{"parameters":{"name":"a","shards":7},"indexes":[3,null]}"#).is_ok());
    }

    #[test]
    fn another_name_is_no_other_structure() {
        let orders = structure(ORDERS).unwrap();
        let copy = orders.clone().renamed(|name| format!("{name}-2"));
        assert_eq!((copy.name(), copy.leader()), ("orders-2", Some("customers-2")));
        assert_eq!(copy.hash(), orders.hash());
    }
}
