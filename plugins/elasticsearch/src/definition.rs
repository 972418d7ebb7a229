//! What an index is beside its documents: settings, mappings and aliases.

use std::collections::BTreeMap;

use lockgate_plugin::http::segment;
use lockgate_plugin::{Error, Hasher, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{get, get_if_there, must};
use crate::limits::PAGE_DOCUMENTS_MAX;
use crate::page::Layout;

/// Path of the entry with the definition of an index.
pub const ENTRY: &str = "definition.json";
/// Attribute of a part: hash of the index' aliases, for an index that is restored without them.
pub const ALIASES: &str = "aliases";

/// What the server sets itself and lets nobody else set, or what is true of the old index only: by name, or with a dot at the
/// end by beginning.
const OF_THE_SERVER: [&str; 14] = [
    "index.uuid",
    "index.version.",
    "index.provided_name",
    "index.creation_date",
    "index.creation_date_string",
    "index.history.uuid",
    "index.resize.",
    "index.shrink.",
    "index.routing.allocation.initial_recovery.",
    "index.verified_before_close",
    "index.store.snapshot.",
    "index.remote_store.",
    "index.lifecycle.indexing_complete",
    "index.frozen",
];

/// What would be in the way while an index is filled: what it is then, if anything. Put back when all documents are there.
/// No pipeline may change documents that have gone through it once.
const WHILE_LOADING: [(&str, Option<&str>); 9] = [
    ("index.refresh_interval", Some("-1")),
    ("index.number_of_replicas", Some("0")),
    ("index.auto_expand_replicas", None),
    ("index.translog.durability", Some("async")),
    ("index.default_pipeline", Some("_none")),
    ("index.final_pipeline", Some("_none")),
    ("index.lifecycle.name", None),
    ("index.blocks.write", None),
    ("index.blocks.read_only", None),
];
/// Blocks that only some have; put back like [`WHILE_LOADING`], and left out meanwhile.
const BLOCKS: &str = "index.blocks.";

/// An index without its documents.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Definition {
    /// Flat: `index.number_of_shards` and so on. Texts, or lists of texts.
    pub settings: BTreeMap<String, Value>,
    /// As the server tells them.
    #[serde(default)]
    pub mappings: Value,
    /// By name.
    #[serde(default)]
    pub aliases: BTreeMap<String, Value>,
}

impl Definition {
    /// Of an index as it is now, without what is the server's own. None when there is no such index, or when the name is
    /// that of an alias.
    ///
    /// # Errors
    /// When the server does not tell.
    pub fn read(index: &str) -> Result<Option<Self>> {
        let target = format!("/{}?flat_settings=true&expand_wildcards=all", segment(index));
        let found: Option<BTreeMap<String, Self>> = get_if_there(&target)?;
        let Some(mut definition) = found.and_then(|mut found| found.remove(index)) else {
            return Ok(None);
        };
        definition.settings.retain(|key, _| !is_of_the_server(key));
        Ok(Some(definition))
    }

    /// As far as reading the index needs to know.
    pub fn layout(&self) -> Layout {
        layout(&self.settings)
    }

    /// A hash of settings and mappings.
    pub fn hash(&self) -> u128 {
        let settings = self.settings.iter().map(|(key, value)| (key.clone(), value.clone()));
        let settings = Value::Object(settings.collect());
        hash(&json!({ "settings": settings, "mappings": self.mappings }))
    }

    /// A hash of the aliases.
    pub fn hash_of_aliases(&self) -> u128 {
        let aliases = self.aliases.iter().map(|(key, value)| (key.clone(), value.clone()));
        hash(&Value::Object(aliases.collect()))
    }

    /// The body of the request that makes the index, ready to be filled.
    pub fn to_be_loaded(&self) -> Value {
        let mut settings: Map<String, Value> = self
            .settings
            .iter()
            .filter(|(key, _)| !is_changed_while_loading(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        settings.extend(loading_settings());
        json!({ "settings": settings, "mappings": self.mappings })
    }

    /// The settings that end the loading: those of the definition, and the server's default where it has none.
    fn to_be_put_back(&self) -> Value {
        let mut settings = Map::new();
        for (key, _) in WHILE_LOADING {
            settings.insert(key.to_owned(), Value::Null);
        }
        for (key, value) in &self.settings {
            if is_changed_while_loading(key) {
                settings.insert(key.clone(), value.clone());
            }
        }
        Value::Object(settings)
    }

    /// Puts the settings back that were changed while the index was filled, and makes all of it durable and visible.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn complete(&self, index: &str) -> Result<()> {
        let name = segment(index);
        must("POST", &format!("/{name}/_refresh"), None)?;
        must("POST", &format!("/{name}/_flush"), None)?;
        let mut settings = self.to_be_put_back();
        // Absent settings that the server does not know cannot be reset on it.
        if !self.settings.contains_key("index.lifecycle.name")
            && let Some(settings) = settings.as_object_mut()
        {
            settings.remove("index.lifecycle.name");
        }
        must("PUT", &format!("/{name}/_settings"), Some(&settings)).map(drop)
    }
}

/// Makes an index that exists ready to be filled.
///
/// # Errors
/// When the server refuses.
pub fn prepare(index: &str) -> Result<()> {
    let settings = Value::Object(loading_settings().collect());
    must("PUT", &format!("/{}/_settings", segment(index)), Some(&settings)).map(drop)
}

/// Whether the index is being filled, or was when that was given up. Nobody else sets all three.
///
/// # Errors
/// When the server does not tell.
pub fn is_loading(index: &str) -> Result<bool> {
    let marks = ["index.refresh_interval", "index.default_pipeline", "index.final_pipeline"];
    let target = format!("/{}/_settings?flat_settings=true&expand_wildcards=all", segment(index));
    let found: Option<BTreeMap<String, Definition>> = get_if_there(&target)?;
    let Some(found) = found else { return Ok(false) };
    let expected = |mark: &str| {
        WHILE_LOADING.iter().find(|(key, _)| *key == mark).and_then(|(_, value)| *value)
    };
    Ok(found.values().any(|index| {
        marks.iter().all(|mark| index.settings.get(*mark).and_then(Value::as_str) == expected(mark))
    }))
}

/// The backing indexes of a data stream, oldest first. None when there is no such data stream.
///
/// # Errors
/// When the server does not tell.
pub fn backing(stream: &str) -> Result<Option<Vec<String>>> {
    #[derive(Deserialize)]
    struct Streams {
        data_streams: Vec<crate::catalog::Stream>,
    }
    let found: Option<Streams> =
        crate::client::get_if_known(&format!("/_data_stream/{}", segment(stream)))?;
    let found = found.and_then(|found| found.data_streams.into_iter().find(|it| it.name == stream));
    Ok(found.map(|stream| stream.indices.into_iter().map(|index| index.index_name).collect()))
}

/// Fails when no node takes a primary shard of the index.
///
/// # Errors
/// That, or that the server does not tell.
pub fn must_be_assigned(index: &str) -> Result<()> {
    let target = format!("/_cluster/health/{}?wait_for_status=yellow&timeout=30s", segment(index));
    let reply = crate::client::ask("GET", &target, None)?;
    // It has waited as long as it was told to, and says how things stand all the same.
    let reply = if reply.status == 408 { reply } else { reply.success(&target)? };
    let health: Value = reply.json(&target)?;
    if health.get("status").and_then(Value::as_str) != Some("red") {
        return Ok(());
    }
    Err(Error::conflict(
        "no node takes a primary shard: `GET /_cluster/allocation/explain` says why; perhaps index.routing.allocation.* of \
         the archived settings names nodes that are not there",
    ))
}

fn loading_settings() -> impl Iterator<Item = (String, Value)> {
    WHILE_LOADING
        .iter()
        .filter_map(|(key, value)| value.map(|value| ((*key).to_owned(), Value::from(value))))
}

fn is_of_the_server(key: &str) -> bool {
    OF_THE_SERVER
        .iter()
        .any(|own| if own.ends_with('.') { key.starts_with(own) } else { key == *own })
}

fn is_changed_while_loading(key: &str) -> bool {
    key.starts_with(BLOCKS) || WHILE_LOADING.iter().any(|(changed, _)| *changed == key)
}

/// A hash that does not depend on the order of keys.
pub fn hash(value: &Value) -> u128 {
    let mut text = Vec::new();
    write_sorted(value, &mut text);
    Hasher::hash(&text)
}

fn write_sorted(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<&String, &Value> = object.iter().collect();
            text.push(b'{');
            for (key, value) in sorted {
                text.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
                text.push(b':');
                write_sorted(value, text);
                text.push(b',');
            }
            text.push(b'}');
        }
        Value::Array(values) => {
            text.push(b'[');
            for value in values {
                write_sorted(value, text);
                text.push(b',');
            }
            text.push(b']');
        }
        scalar => text.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

/// How an index with these settings is laid out.
pub fn layout(settings: &BTreeMap<String, Value>) -> Layout {
    let number = |key: &str| {
        settings.get(key).and_then(Value::as_str).and_then(|text| text.parse::<u32>().ok())
    };
    Layout {
        shards: number("index.number_of_shards").unwrap_or(1),
        window: number("index.max_result_window").map_or(PAGE_DOCUMENTS_MAX, u64::from),
    }
}

/// Makes aliases of an index.
///
/// # Errors
/// When the server refuses, for instance because another index is the write index of one.
pub fn make_aliases(index: &str, aliases: &BTreeMap<String, Value>) -> Result<()> {
    if aliases.is_empty() {
        return Ok(());
    }
    let mut actions = Vec::new();
    for (alias, options) in aliases {
        let Value::Object(options) = options else {
            return Err(Error::corrupt(format!("alias {alias:?} of index {index} is no object")));
        };
        let mut add = options.clone();
        add.insert("index".to_owned(), index.into());
        add.insert("alias".to_owned(), alias.as_str().into());
        actions.push(json!({ "add": add }));
    }
    must("POST", "/_aliases", Some(&json!({ "actions": actions }))).map(drop)
}

/// What a request for all of a name's settings gives.
pub type Everywhere = BTreeMap<String, Definition>;

/// Some settings of all indexes, hidden and closed ones too.
///
/// # Errors
/// When the server does not tell.
pub fn settings_everywhere(names: &[&str]) -> Result<Everywhere> {
    get(&format!(
        "/_all/_settings/{}?flat_settings=true&expand_wildcards=all&ignore_unavailable=true",
        names.join(",")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(json: &str) -> Definition {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_in_the_way_while_loading_is_put_back() {
        let archived = definition(
            r#"{"settings":{"index.number_of_shards":"3","index.number_of_replicas":"2","index.final_pipeline":"f",
                "index.blocks.read_only_allow_delete":"true"},"mappings":{}}"#,
        );
        let made = archived.to_be_loaded();
        let made = |key: &str| made["settings"].get(key).cloned();
        assert_eq!(made("index.number_of_shards"), Some("3".into()));
        assert_eq!(made("index.number_of_replicas"), Some("0".into()));
        assert_eq!(made("index.final_pipeline"), Some("_none".into()));
        assert_eq!(made("index.blocks.read_only_allow_delete"), None);
        let back = archived.to_be_put_back();
        assert_eq!(back["index.number_of_replicas"], "2");
        assert_eq!(back["index.final_pipeline"], "f");
        assert_eq!(back["index.default_pipeline"], Value::Null);
        assert_eq!(back["index.blocks.read_only_allow_delete"], "true");
        assert!(back.get("index.number_of_shards").is_none());
    }

    #[test]
    fn the_servers_own_settings_are_not_kept() {
        assert!(is_of_the_server("index.uuid") && is_of_the_server("index.version.created"));
        assert!(!is_of_the_server("index.versions") && !is_of_the_server("index.number_of_shards"));
    }

    #[test]
    fn the_order_of_keys_makes_no_difference() {
        let one =
            definition(r#"{"settings":{"a":"1","b":"2"},"mappings":{"x":{"p":1,"q":[1,2]}}}"#);
        let same =
            definition(r#"{"mappings":{"x":{"q":[1,2],"p":1}},"settings":{"b":"2","a":"1"}}"#);
        let other =
            definition(r#"{"mappings":{"x":{"q":[2,1],"p":1}},"settings":{"b":"2","a":"1"}}"#);
        assert_eq!(one.hash(), same.hash());
        assert_ne!(one.hash(), other.hash());
    }
}
