//! What is no index: templates, pipelines, scripts, settings. Archived as JSON Lines (<https://jsonlines.org>), one object a
//! line.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use lockgate_plugin::http::segment;
use lockgate_plugin::{Entry, Error, Part, Result, archive};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::{get, get_if_known, must};
use crate::config::Config;
use crate::definition::hash;
use crate::limits::OBJECTS_BYTES_MAX;
use crate::names::Kind;

/// Path of the entry with the objects of a part.
pub const ENTRY: &str = "objects.jsonl";
/// Attribute of a part: the names of its objects as JSON. Others at the target are no business of it.
const NAMES: &str = "objects";

/// What kind of object it is, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// May be used by pipelines.
    Script,
    /// For documents on their way in.
    IngestPipeline,
    /// For searches; OpenSearch only.
    SearchPipeline,
    /// A piece of index templates.
    ComponentTemplate,
    /// For new indexes and data streams.
    IndexTemplate,
    /// The older form.
    LegacyTemplate,
    /// One persistent setting of the cluster.
    Setting,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    kind: Sort,
    name: String,
    body: Value,
}

/// What the server adds to objects to tell when they were made.
const DATES: [&str; 4] =
    ["created_date", "created_date_millis", "modified_date", "modified_date_millis"];

fn sorts(kind: Kind) -> &'static [Sort] {
    match kind {
        Kind::Pipelines => &[Sort::Script, Sort::IngestPipeline, Sort::SearchPipeline],
        Kind::Templates => &[Sort::ComponentTemplate, Sort::IndexTemplate, Sort::LegacyTemplate],
        Kind::Settings => &[Sort::Setting],
        Kind::Index | Kind::DataStream => &[],
    }
}

/// Everything of a kind of part that the server has, in a stable order.
///
/// # Errors
/// When the server does not tell.
pub fn read_live(kind: Kind) -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    for sort in sorts(kind) {
        for (name, mut body) in sort.read()? {
            if let Some(body) = body.as_object_mut() {
                DATES.iter().for_each(|date| drop(body.remove(*date)));
            }
            objects.push(Object { kind: *sort, name, body });
        }
    }
    Ok(objects)
}

/// Those of [`read_live`] that the configuration takes.
///
/// # Errors
/// When the server does not tell.
pub fn read_taken(kind: Kind, config: &Config) -> Result<Vec<Object>> {
    let mut objects = read_live(kind)?;
    objects.retain(|object| config.hidden || !object.is_managed());
    Ok(objects)
}

impl Sort {
    fn read(self) -> Result<BTreeMap<String, Value>> {
        match self {
            Self::IngestPipeline => Ok(get_if_known("/_ingest/pipeline")?.unwrap_or_default()),
            Self::SearchPipeline => Ok(get_if_known("/_search/pipeline")?.unwrap_or_default()),
            Self::LegacyTemplate => Ok(get_if_known("/_template")?.unwrap_or_default()),
            Self::Script => {
                let state: Value =
                    get("/_cluster/state/metadata?filter_path=metadata.stored_scripts")?;
                let scripts = state.pointer("/metadata/stored_scripts").cloned();
                scripts.map_or(Ok(BTreeMap::new()), |scripts| Ok(serde_json::from_value(scripts)?))
            }
            Self::Setting => {
                let mut layers: BTreeMap<String, BTreeMap<String, Value>> =
                    get("/_cluster/settings?flat_settings=true")?;
                let mut settings = layers.remove("persistent").unwrap_or_default();
                // What an older server set and this one does not know any more.
                settings.retain(|key, _| !key.starts_with("archived."));
                Ok(settings)
            }
            Self::ComponentTemplate => listed("component_template"),
            Self::IndexTemplate => listed("index_template"),
        }
    }

    fn target(self, name: &str) -> String {
        let place = match self {
            Self::Script => "_scripts",
            Self::IngestPipeline => "_ingest/pipeline",
            Self::SearchPipeline => "_search/pipeline",
            Self::ComponentTemplate => "_component_template",
            Self::IndexTemplate => "_index_template",
            Self::LegacyTemplate => "_template",
            Self::Setting => "_cluster/settings",
        };
        format!("/{place}/{}", segment(name))
    }
}

/// `{"index_templates": [{"name": ..., "index_template": {...}}]}` and the like.
fn listed(what: &str) -> Result<BTreeMap<String, Value>> {
    let found: Option<Value> = get_if_known(&format!("/_{what}"))?;
    let mut objects = BTreeMap::new();
    let all =
        found.as_ref().and_then(|found| found.get(format!("{what}s"))).and_then(Value::as_array);
    for one in all.into_iter().flatten() {
        let name = one.get("name").and_then(Value::as_str);
        let (Some(name), Some(body)) = (name, one.get(what)) else {
            return Err(Error::corrupt(format!("the list of {what}s has an entry without a name")));
        };
        objects.insert(name.to_owned(), body.clone());
    }
    Ok(objects)
}

impl Object {
    /// Of the server itself, which makes it anew.
    fn is_managed(&self) -> bool {
        let is_managed = self.body.pointer("/_meta/managed") == Some(&Value::Bool(true));
        self.kind != Sort::Setting && (is_managed || self.name.starts_with('.'))
    }

    /// For messages.
    fn shown(&self) -> String {
        let kind = match self.kind {
            Sort::Script => "script",
            Sort::IngestPipeline => "ingest pipeline",
            Sort::SearchPipeline => "search pipeline",
            Sort::ComponentTemplate => "component template",
            Sort::IndexTemplate => "index template",
            Sort::LegacyTemplate => "legacy template",
            Sort::Setting => "setting",
        };
        format!("{kind} {}", self.name)
    }

    fn line(&self) -> Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Writes the entry of a part.
///
/// # Errors
/// When the host does not take it.
pub fn write(objects: &[Object]) -> Result<()> {
    let mut writer = archive::create(&Entry::new(ENTRY).with_media_type("application/x-ndjson"))?;
    for object in objects {
        writer.write_all(&object.line()?)?;
    }
    writer.finish()
}

/// Reads the entry of a part.
///
/// # Errors
/// When it is not what [`write`] writes.
pub fn read_archived() -> Result<Vec<Object>> {
    let mut text = String::new();
    archive::open(ENTRY.as_bytes())?.take(OBJECTS_BYTES_MAX).read_to_string(&mut text)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Makes objects, in their order.
///
/// # Errors
/// When the server refuses one; names it.
pub fn make(objects: &[Object]) -> Result<()> {
    let mut ordered: Vec<&Object> = objects.iter().collect();
    ordered.sort_by_key(|object| object.kind);
    let mut settings = Map::new();
    for object in ordered {
        if object.kind == Sort::Setting {
            settings.insert(object.name.clone(), object.body.clone());
            continue;
        }
        let target = object.kind.target(&object.name);
        // The server gives scripts without the word around them that it wants to have.
        let wrapped = json!({ "script": object.body });
        let body = if object.kind == Sort::Script { &wrapped } else { &object.body };
        must("PUT", &target, Some(body)).map_err(|error| error.context(object.shown()))?;
    }
    if !settings.is_empty() {
        must("PUT", "/_cluster/settings", Some(&json!({ "persistent": settings })))?;
    }
    Ok(())
}

/// Those of `archived` that are there already and are others.
pub fn in_the_way(archived: &[Named], live: &[Object]) -> Vec<String> {
    let differs = |object: &&Object| {
        archived.iter().any(|(kind, name, hash_then)| {
            (*kind, name) == (object.kind, &object.name) && *hash_then != hash_text(object)
        })
    };
    live.iter().filter(differs).map(Object::shown).collect()
}

/// Kind, name and hash of an object.
pub type Named = (Sort, String, String);

fn hash_text(object: &Object) -> String {
    format!("{:016x}", hash(&object.body) as u64)
}

/// A part of these objects, which it names.
///
/// # Errors
/// When the names have no JSON form.
pub fn part(kind: Kind, objects: &[Object]) -> Result<Part> {
    let names: Vec<Named> = objects
        .iter()
        .map(|object| (object.kind, object.name.clone(), hash_text(object)))
        .collect();
    Ok(Part::new(kind.name(), kind.name()).with_attribute(NAMES, serde_json::to_string(&names)?))
}

/// The names that a part was given.
///
/// # Errors
/// When it has none.
pub fn names(part: &Part) -> Result<Vec<Named>> {
    let names = part.attribute(NAMES);
    let names =
        names.ok_or_else(|| Error::corrupt(format!("part {} names no objects", part.id)))?;
    Ok(serde_json::from_str(names)?)
}

/// The fingerprint of those of `objects` that `names` has.
pub fn fingerprint(objects: &[Object], names: &[Named]) -> String {
    let named: Vec<&Object> = objects
        .iter()
        .filter(|object| {
            names.iter().any(|(kind, name, _)| (*kind, name) == (object.kind, &object.name))
        })
        .collect();
    let sum = named.iter().fold(0_u128, |sum, object| {
        sum.wrapping_add(hash(&json!([object.kind, object.name, object.body])))
    });
    format!("{}-{sum:032x}", named.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: Sort, name: &str, body: Value) -> Object {
        Object { kind, name: name.to_owned(), body }
    }

    #[test]
    fn objects_of_the_server_are_left_out_and_settings_are_not() {
        assert!(
            object(Sort::IndexTemplate, "logs", json!({"_meta": {"managed": true}})).is_managed()
        );
        assert!(object(Sort::IngestPipeline, ".fleet", json!({})).is_managed());
        assert!(
            !object(Sort::IndexTemplate, "mine", json!({"_meta": {"managed": false}})).is_managed()
        );
        assert!(!object(Sort::Setting, "a.b", json!("c")).is_managed());
    }

    #[test]
    fn only_other_objects_of_the_same_name_are_in_the_way() {
        let archived = [
            object(Sort::IngestPipeline, "a", json!({"x": 1, "y": 2})),
            object(Sort::IngestPipeline, "b", json!({})),
        ];
        let archived = names(&part(Kind::Pipelines, &archived).unwrap()).unwrap();
        let live = [
            object(Sort::IngestPipeline, "a", json!({"y": 2, "x": 1})),
            object(Sort::IngestPipeline, "b", json!({"z": 1})),
            object(Sort::Script, "b", json!({"z": 1})),
            object(Sort::IngestPipeline, "c", json!({})),
        ];
        assert_eq!(in_the_way(&archived, &live), ["ingest pipeline b"]);
    }

    #[test]
    fn a_fingerprint_is_of_the_named_objects() {
        let a = object(Sort::Setting, "a", json!("1"));
        let b = object(Sort::Setting, "b", json!("2"));
        let named = names(&part(Kind::Settings, std::slice::from_ref(&a)).unwrap()).unwrap();
        let alone = fingerprint(std::slice::from_ref(&a), &named);
        assert_eq!(alone, fingerprint(&[b, a], &named));
        assert_ne!(alone, fingerprint(&[object(Sort::Setting, "a", json!("2"))], &named));
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let one = object(Sort::ComponentTemplate, "a\nb", json!({"n": 1.5, "t": "é"}));
        let line = one.line().unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(serde_json::from_slice::<Object>(&line).unwrap(), one);
    }
}
