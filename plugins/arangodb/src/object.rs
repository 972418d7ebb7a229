//! What is no collection: analyzers, functions, services, graphs, views, users. Archived as JSON Lines
//! (<https://jsonlines.org>), one object a line.

use std::io::{Read, Write};

use lockgate_plugin::{Entry, Error, Part, Result, archive};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::catalog::{Answer, Database};
use crate::client::{get, path};
use crate::limits::{OBJECTS_BYTES_MAX, OBJECTS_READ_BYTES_MAX};
use crate::moment::Moment;
use crate::names::{Kind, SYSTEM};
use crate::scan;
use crate::structure::hash;

/// Path of the entry with the objects of a part.
pub const ENTRY: &str = "objects.jsonl";
/// Attribute of a part: the names of its objects as JSON. Others at the target are no business of it.
const NAMES: &str = "objects";
/// The account that every server has, and that restores log in with.
const ROOT: &str = "root";

/// What kind of object it is, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Of indexes and views.
    Analyzer,
    /// A function of the query language.
    Function,
    /// A Foxx service.
    Service,
    /// A Foxx service's files.
    Bundle,
    /// Edges and vertices of a graph.
    Graph,
    /// A view over collections, or over indexes of them.
    View,
    /// A user with the hash of the password, and grants.
    User,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: Sort,
    /// Unique among its kind in its database.
    pub name: String,
    /// As the server takes it.
    pub body: Value,
}

/// Kind, name and hash of an object.
pub type Named = (Sort, String, String);

impl Sort {
    /// The system collection whose documents these are.
    pub fn collection(self) -> Option<&'static str> {
        match self {
            Self::Function => Some("_aqlfunctions"),
            Self::Service => Some("_apps"),
            Self::Bundle => Some("_appbundles"),
            Self::Graph => Some("_graphs"),
            Self::User => Some("_users"),
            Self::Analyzer | Self::View => None,
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Self::Analyzer => "analyzer",
            Self::Function => "function",
            Self::Service => "service",
            Self::Bundle => "bundle",
            Self::Graph => "graph",
            Self::View => "view",
            Self::User => "user",
        }
    }
}

fn sorts(kind: Kind) -> &'static [Sort] {
    match kind {
        Kind::Database => &[Sort::Analyzer, Sort::Function, Sort::Service, Sort::Bundle],
        Kind::Graphs => &[Sort::Graph],
        Kind::Views => &[Sort::View],
        Kind::Users => &[Sort::User],
        Kind::Collection => &[],
    }
}

/// Everything of a kind of part that a database has, in a stable order.
///
/// # Errors
/// When the server does not tell, or it is too much.
pub fn read_live(moment: &Moment, database: &Database, kind: Kind) -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    for sort in sorts(kind) {
        match sort {
            Sort::Analyzer => objects.extend(analyzers(&database.name)?),
            Sort::View => objects.extend(database.views.iter().filter_map(view)),
            sort => documents(moment, database, *sort, &mut objects)?,
        }
    }
    objects.sort_by(|left, right| (left.kind, &left.name).cmp(&(right.kind, &right.name)));
    Ok(objects)
}

/// Those that were made in this database, under their bare names.
fn analyzers(database: &str) -> Result<Vec<Object>> {
    let all: Answer<Vec<Value>> = get(&path(database, "analyzer"))?;
    let prefix = format!("{database}::");
    let own = all.result.into_iter().filter_map(|mut body| {
        let name = body["name"].as_str()?.strip_prefix(&prefix)?.to_owned();
        body["name"] = name.clone().into();
        Some(Object { kind: Sort::Analyzer, name, body })
    });
    Ok(own.collect())
}

fn view(body: &Value) -> Option<Object> {
    let mut body = body.as_object()?.clone();
    body.retain(|key, _| {
        !["id", "globallyUniqueId", "planId", "deleted", "isSystem", "cid"].contains(&key.as_str())
    });
    let name = body.get("name")?.as_str()?.to_owned();
    Some(Object { kind: Sort::View, name, body: body.into() })
}

fn documents(
    moment: &Moment,
    database: &Database,
    sort: Sort,
    objects: &mut Vec<Object>,
) -> Result<()> {
    let collection = sort.collection().and_then(|name| database.system(name));
    let Some(collection) = collection else { return Ok(()) };
    let mut bytes = 0;
    scan::each(moment, &database.name, collection, &mut |line| {
        bytes += line.len();
        if bytes > OBJECTS_READ_BYTES_MAX {
            return Err(Error::unsupported(format!(
                "{} of {} holds more than {} MiB",
                collection.name(),
                database.name,
                OBJECTS_READ_BYTES_MAX >> 20
            )));
        }
        objects.extend(document(sort, serde_json::from_slice(line)?));
        Ok(())
    })
}

fn document(sort: Sort, mut body: Map<String, Value>) -> Option<Object> {
    body.remove("_id");
    body.remove("_rev");
    let name = if sort == Sort::User { body.get("user") } else { body.get("_key") };
    let name = name.and_then(Value::as_str)?.to_owned();
    if sort == Sort::User {
        body.remove("_key");
        if name == ROOT {
            return None;
        }
    }
    Some(Object { kind: sort, name, body: body.into() })
}

impl Object {
    /// For messages.
    pub fn shown(&self) -> String {
        format!("{} {}", self.kind.shown(), self.name)
    }

    fn line(&self) -> Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    fn hash(&self) -> String {
        format!("{:032x}", hash(&json!([self.kind, self.name, self.body])))
    }

    /// The same for a database and collections of other names.
    pub fn renamed(mut self, old: &str, new: &str, collection: &dyn Fn(&str) -> String) -> Self {
        match self.kind {
            Sort::Graph => rename_graph(&mut self.body, collection),
            Sort::View => {
                rename_view(&mut self.body, collection);
                rename_analyzers(&mut self.body, old, new);
            }
            Sort::User if old != new => rename_grants(&mut self.body, old, new),
            _ => {}
        }
        self
    }
}

fn rename_all(names: &mut Value, collection: &dyn Fn(&str) -> String) {
    for name in names.as_array_mut().into_iter().flatten() {
        if let Some(new) = name.as_str().map(collection) {
            *name = new.into();
        }
    }
}

fn rename_graph(body: &mut Value, collection: &dyn Fn(&str) -> String) {
    let definitions = body.get_mut("edgeDefinitions").and_then(Value::as_array_mut);
    for definition in definitions.into_iter().flatten() {
        rename_one(definition, collection);
        for end in ["from", "to"] {
            definition.get_mut(end).into_iter().for_each(|names| rename_all(names, collection));
        }
    }
    let orphans = body.get_mut("orphanCollections");
    orphans.into_iter().for_each(|names| rename_all(names, collection));
}

/// The member `collection`.
fn rename_one(value: &mut Value, collection: &dyn Fn(&str) -> String) {
    if let Some(name) = value.get_mut("collection")
        && let Some(new) = name.as_str().map(collection)
    {
        *name = new.into();
    }
}

fn rename_view(body: &mut Value, collection: &dyn Fn(&str) -> String) {
    if let Some(links) = body.get_mut("links").and_then(Value::as_object_mut) {
        let renamed =
            std::mem::take(links).into_iter().map(|(name, link)| (collection(&name), link));
        links.extend(renamed.collect::<Vec<_>>());
    }
    let indexes = body.get_mut("indexes").and_then(Value::as_array_mut);
    indexes.into_iter().flatten().for_each(|index| rename_one(index, collection));
}

/// Analyzers go by their database's name too.
pub fn rename_analyzers(value: &mut Value, old: &str, new: &str) {
    if old == new {
        return;
    }
    let rename = |text: &mut Value| {
        let bare = text.as_str().and_then(|it| it.strip_prefix(old)?.strip_prefix("::"));
        if let Some(renamed) = bare.map(|bare| format!("{new}::{bare}")) {
            *text = renamed.into();
        }
    };
    match value {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                match key.as_str() {
                    "analyzer" => rename(inner),
                    "analyzers" => inner.as_array_mut().into_iter().flatten().for_each(rename),
                    _ => rename_analyzers(inner, old, new),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|inner| rename_analyzers(inner, old, new)),
        _ => {}
    }
}

fn rename_grants(user: &mut Value, old: &str, new: &str) {
    let Some(grants) = user.get_mut("databases").and_then(Value::as_object_mut) else { return };
    if let Some(grant) = grants.remove(old) {
        grants.insert(new.to_owned(), grant);
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
    archive::open(ENTRY.as_bytes())?.take(OBJECTS_BYTES_MAX * 2).read_to_string(&mut text)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The attribute that names objects.
///
/// # Errors
/// When the names have no JSON form.
pub fn with_names(part: Part, objects: &[Object]) -> Result<Part> {
    let names: Vec<Named> =
        objects.iter().map(|object| (object.kind, object.name.clone(), object.hash())).collect();
    Ok(part.with_attribute(NAMES, serde_json::to_string(&names)?))
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

/// Those of `live` that have the name of an archived one and are others. Users of other systems are compared as a whole.
pub fn in_the_way(archived: &[Named], live: &[Object]) -> Vec<String> {
    let differs = |object: &&Object| {
        archived.iter().any(|(kind, name, then)| {
            (*kind, name) == (object.kind, &object.name) && *then != object.hash()
        })
    };
    live.iter().filter(differs).map(Object::shown).collect()
}

/// The fingerprint of those of `objects` that `names` has.
pub fn fingerprint(objects: &[Object], names: &[Named]) -> String {
    let is_named = |object: &&Object| {
        names.iter().any(|(kind, name, _)| (*kind, name) == (object.kind, &object.name))
    };
    let named: Vec<String> = objects.iter().filter(is_named).map(Object::hash).collect();
    format!("{}-{:032x}", named.len(), hash(&json!(named)))
}

/// Kinds of parts that each database has, and those of the system database.
pub fn kinds(database: &str) -> Vec<Kind> {
    let mut kinds = vec![Kind::Database, Kind::Graphs, Kind::Views];
    if database == SYSTEM {
        kinds.push(Kind::Users);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: Sort, name: &str, body: Value) -> Object {
        Object { kind, name: name.to_owned(), body }
    }

    #[test]
    fn documents_lose_what_differs_between_servers_and_root_is_left_out() {
        let of = |sort, body: Value| document(sort, body.as_object().cloned().unwrap());
        let graph =
            of(Sort::Graph, json!({"_key":"g","_id":"_graphs/g","_rev":"_a","x":1})).unwrap();
        assert_eq!((graph.name.as_str(), graph.body), ("g", json!({"_key":"g","x":1})));
        let user = of(Sort::User, json!({"_key":"17","user":"anna","authData":{}})).unwrap();
        assert_eq!((user.name.as_str(), user.body), ("anna", json!({"user":"anna","authData":{}})));
        assert!(of(Sort::User, json!({"_key":"1","user":"root"})).is_none());
        assert!(of(Sort::Graph, json!({"_key":3})).is_none());
    }

    #[test]
    fn graphs_and_views_follow_renamed_collections_and_databases() {
        let collection = |name: &str| if name == "a" { "a2".to_owned() } else { name.to_owned() };
        let graph = json!({"edgeDefinitions":[{"collection":"e","from":["a","b"],"to":["a"]}],"orphanCollections":["a"]});
        let renamed = object(Sort::Graph, "g", graph).renamed("d", "d", &collection).body;
        assert_eq!(
            renamed,
            json!({"edgeDefinitions":[{"collection":"e","from":["a2","b"],"to":["a2"]}],
            "orphanCollections":["a2"]})
        );
        let view = json!({"links":{"a":{"analyzers":["d::x","text_en"]},"b":{}},"indexes":[{"collection":"a","index":"i"}]});
        let renamed = object(Sort::View, "v", view).renamed("d", "d2", &collection).body;
        assert_eq!(
            renamed,
            json!({"links":{"a2":{"analyzers":["d2::x","text_en"]},"b":{}},
            "indexes":[{"collection":"a2","index":"i"}]})
        );
        let user = json!({"user":"u","databases":{"d":{"permissions":{}},"*":{}}});
        let renamed = object(Sort::User, "u", user).renamed("d", "d2", &collection).body;
        assert_eq!(renamed["databases"], json!({"d2":{"permissions":{}},"*":{}}));
    }

    #[test]
    fn only_other_objects_of_the_same_name_are_in_the_way() {
        let part = |objects: &[Object]| {
            names(&with_names(Part::new("views/a", "views"), objects).unwrap()).unwrap()
        };
        let archived = part(&[
            object(Sort::View, "a", json!({"x": 1, "y": 2})),
            object(Sort::View, "b", json!({})),
        ]);
        let live = [
            object(Sort::View, "a", json!({"y": 2, "x": 1})),
            object(Sort::View, "b", json!({"z": 1})),
            object(Sort::Graph, "b", json!({"z": 1})),
        ];
        assert_eq!(in_the_way(&archived, &live), ["view b"]);
        assert!(names(&Part::new("a", "views")).is_err());
        let bad = Part::new("a", "views").with_attribute(NAMES, "[[1]]");
        assert!(names(&bad).is_err());
    }

    #[test]
    fn shapes_that_are_none_do_no_harm() {
        for body in [
            json!(null),
            json!([1]),
            json!({"links":3,"indexes":{"a":1},"edgeDefinitions":[7, {"from":"x"}]}),
        ] {
            for kind in [Sort::Graph, Sort::View, Sort::User] {
                drop(object(kind, "x", body.clone()).renamed("d", "e", &str::to_owned));
            }
            assert!(view(&body).is_none());
        }
    }
}
