//! What the server holds. Collections are shared with snapshots and copied when they are written to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

/// The database that each server has.
pub const SYSTEM: &str = "_system";
/// System collections of each database; the first is in `_system` only.
const SYSTEM_COLLECTIONS: [&str; 8] = [
    "_users",
    "_analyzers",
    "_appbundles",
    "_apps",
    "_aqlfunctions",
    "_frontend",
    "_graphs",
    "_jobs",
];

/// One document. `body` is a JSON object of all but `_key`, `_id` and `_rev`.
#[derive(Debug)]
pub struct Document {
    pub key: String,
    pub revision: u64,
    pub body: String,
}

/// In the order of revisions, as the storage engine keeps them.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    pub by_revision: BTreeMap<u64, Arc<Document>>,
    by_key: HashMap<String, u64>,
}

#[derive(Clone, Debug)]
pub struct Collection {
    pub id: String,
    pub name: String,
    pub properties: Map<String, Value>,
    /// Without those that the system makes.
    pub indexes: Vec<Value>,
    pub documents: Arc<Documents>,
}

#[derive(Clone, Debug, Default)]
pub struct Database {
    pub id: String,
    pub options: Value,
    pub collections: BTreeMap<String, Collection>,
    pub views: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default)]
pub struct State {
    pub databases: BTreeMap<String, Database>,
    pub backups: BTreeMap<String, Value>,
    last: u64,
}

impl Documents {
    pub fn get(&self, key: &str) -> Option<&Arc<Document>> {
        self.by_revision.get(self.by_key.get(key)?)
    }

    pub fn len(&self) -> usize {
        self.by_revision.len()
    }

    fn put(&mut self, document: Document) {
        self.remove(&document.key);
        self.by_key.insert(document.key.clone(), document.revision);
        self.by_revision.insert(document.revision, Arc::new(document));
    }

    fn remove(&mut self, key: &str) {
        if let Some(revision) = self.by_key.remove(key) {
            self.by_revision.remove(&revision);
        }
    }
}

impl Document {
    /// As the server shows it.
    pub fn text(&self, collection: &str) -> String {
        let head =
            json!([self.key, format!("{collection}/{}", self.key), revision_text(self.revision)]);
        let rest = self.body.get(1..).unwrap_or("}");
        let comma = if rest.starts_with('}') { "" } else { "," };
        format!("{{\"_key\":{},\"_id\":{},\"_rev\":{}{comma}{rest}", head[0], head[1], head[2])
    }

    pub fn value(&self, collection: &str) -> Value {
        serde_json::from_str(&self.text(collection)).unwrap_or_default()
    }
}

const ALPHABET: &[u8; 64] = b"-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A revision as the server writes it: digits of base 64, the highest first.
pub fn revision_text(mut revision: u64) -> String {
    if revision == 0 {
        return "0".to_owned();
    }
    let mut digits = Vec::new();
    while revision > 0 {
        digits.push(ALPHABET[(revision & 63) as usize]);
        revision >>= 6;
    }
    digits.reverse();
    digits.into_iter().map(char::from).collect()
}

/// The other way round; none for what is no revision.
pub fn revision_number(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 11 {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, byte| {
        let digit = ALPHABET.iter().position(|known| *known == byte)? as u64;
        number.checked_mul(64)?.checked_add(digit)
    })
}

impl Collection {
    pub fn is_edge(&self) -> bool {
        self.properties.get("type") == Some(&json!(3))
    }

    pub fn is_system(&self) -> bool {
        self.name.starts_with('_')
    }

    pub fn shard_count(&self) -> u64 {
        self.properties.get("numberOfShards").and_then(Value::as_u64).unwrap_or(1)
    }
}

impl State {
    /// As a server is after its first start.
    pub fn fresh() -> Self {
        // Far above what counters reach, and of the size that clocks of real servers give.
        Self { last: 1_700_000_000_000_000_000, ..Self::default() }
    }

    /// A number that was not used before.
    pub fn tick(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// What makes a new database, for [`State::apply`].
    pub fn database_changes(&mut self, name: &str, options: &Value) -> Vec<Value> {
        let id = self.tick().to_string();
        let mut changes =
            vec![json!({ "op": "database", "db": name, "id": id, "options": options })];
        for collection in SYSTEM_COLLECTIONS {
            if collection == "_users" && name != SYSTEM {
                continue;
            }
            let properties = json!({ "type": 2, "isSystem": true, "numberOfShards": 1 });
            let id = self.tick().to_string();
            changes.push(json!({ "op": "collection", "db": name, "c": collection, "id": id,
                "properties": properties, "indexes": [] }));
        }
        changes
    }

    /// Does what one entry of the journal says. Entries are made by this program, so that what does not fit is passed over.
    pub fn apply(&mut self, change: &Value) {
        let text = |key: &str| change[key].as_str().unwrap_or_default();
        let operation = text("op");
        if operation == "backup" {
            match &change["value"] {
                Value::Null => drop(self.backups.remove(text("id"))),
                value => drop(self.backups.insert(text("id").to_owned(), value.clone())),
            }
            return;
        }
        if operation == "database" {
            let options = change["options"].clone();
            let id = text("id").to_owned();
            self.see(&id);
            self.databases
                .insert(text("db").to_owned(), Database { id, options, ..Database::default() });
            return;
        }
        if operation == "drop-database" {
            self.databases.remove(text("db"));
            return;
        }
        for (_, revision, _) in documents(change) {
            self.last = self.last.max(revision);
        }
        self.see(text("id"));
        let Some(database) = self.databases.get_mut(text("db")) else { return };
        database.apply(operation, change);
    }

    fn see(&mut self, id: &str) {
        self.last = self.last.max(id.parse().unwrap_or(0));
    }
}

/// Key, revision and body of what is put.
fn documents(change: &Value) -> impl Iterator<Item = (&str, u64, &str)> {
    let all = change["documents"].as_array().into_iter().flatten();
    all.filter_map(|one| Some((one[0].as_str()?, one[1].as_u64()?, one[2].as_str()?)))
}

impl Database {
    fn apply(&mut self, operation: &str, change: &Value) {
        let name = change["c"].as_str().unwrap_or_default();
        match operation {
            "collection" => {
                let documents =
                    self.collections.get(name).map(|known| Arc::clone(&known.documents));
                let collection = Collection {
                    id: change["id"].as_str().unwrap_or_default().to_owned(),
                    name: name.to_owned(),
                    properties: change["properties"].as_object().cloned().unwrap_or_default(),
                    indexes: change["indexes"].as_array().cloned().unwrap_or_default(),
                    documents: documents.unwrap_or_default(),
                };
                self.collections.insert(name.to_owned(), collection);
            }
            "drop" => drop(self.collections.remove(name)),
            "rename" => {
                if let Some(mut collection) = self.collections.remove(name) {
                    collection.name = change["to"].as_str().unwrap_or_default().to_owned();
                    self.collections.insert(collection.name.clone(), collection);
                }
            }
            "view" => match &change["value"] {
                Value::Null => drop(self.views.remove(name)),
                value => drop(self.views.insert(name.to_owned(), value.clone())),
            },
            "documents" => {
                let Some(collection) = self.collections.get_mut(name) else { return };
                let store = Arc::make_mut(&mut collection.documents);
                for key in change["remove"].as_array().into_iter().flatten() {
                    store.remove(key.as_str().unwrap_or_default());
                }
                for (key, revision, body) in documents(change) {
                    let body = body.to_owned();
                    store.put(Document { key: key.to_owned(), revision, body });
                }
            }
            "truncate" => {
                if let Some(collection) = self.collections.get_mut(name) {
                    collection.documents = Arc::default();
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_read_as_they_were_written() {
        for number in [1, 63, 64, 1_700_000_000_000_000_001, u64::MAX] {
            assert_eq!(revision_number(&revision_text(number)), Some(number));
        }
        for text in ["", "!", "999999999999"] {
            assert_eq!(revision_number(text), None);
        }
    }

    #[test]
    fn a_snapshot_does_not_see_what_is_written_later() {
        let mut state = State::fresh();
        for change in state.database_changes(SYSTEM, &json!({})) {
            state.apply(&change);
        }
        let put = |key: &str, revision: u64| json!({ "op": "documents", "db": SYSTEM, "c": "_jobs", "documents": [[key, revision, "{}"]] });
        state.apply(&put("a", 5));
        let snapshot = state.databases.clone();
        state.apply(&put("a", 6));
        state.apply(&put("b", 7));
        let keys = |databases: &BTreeMap<String, Database>| {
            let documents = &databases[SYSTEM].collections["_jobs"].documents;
            documents
                .by_revision
                .values()
                .map(|it| (it.key.clone(), it.revision))
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&snapshot), [("a".to_owned(), 5)]);
        assert_eq!(keys(&state.databases), [("a".to_owned(), 6), ("b".to_owned(), 7)]);
    }
}
