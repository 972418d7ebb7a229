//! State that is one answer of the REST interface: network configuration, component configuration and intents, which are written back,
//! and what the cluster has observed, which is evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use lockgate_plugin::http::segment;
use lockgate_plugin::{
    Context, Entry, Error, Fingerprint, Part, Result, Summary, archive, printable,
};
use serde_json::{Map, Value, json};

use crate::limits::ANSWER_BYTES_MAX;
use crate::rename::Names;
use crate::rest;

/// Kind of a part that is written back.
pub const STATE: &str = "state";
/// Kind of the part that is evidence.
pub const OBSERVED: &str = "observed";
/// Its id.
pub const OBSERVED_ID: &str = "rest/observed";
/// What is in it: names of entries, and paths.
const OBSERVATIONS: [(&str, &str); 11] = [
    ("cluster", "cluster"),
    ("devices", "devices"),
    ("flows", "flows"),
    ("groups", "groups"),
    ("hosts", "hosts"),
    ("keys", "keys"),
    ("links", "links"),
    ("mcast", "mcast"),
    ("meters", "meters"),
    ("regions", "regions"),
    ("ui-preferences", "ui/preferences"),
];
/// What a restore compares, because a network that differs makes intents fail.
const COMPARED: [&str; 3] = ["devices", "hosts", "links"];
/// Types of intents that the interface takes (`IntentCodec`).
const TAKEN: [&str; 4] = [
    "HostToHostIntent",
    "MultiPointToSinglePointIntent",
    "PointToPointIntent",
    "SinglePointToMultiPointIntent",
];
/// What ONOS adds to an intent by itself.
const OWN: [&str; 2] = ["id", "state"];

/// A kind of state that is written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// `network/configuration`.
    Network,
    /// `configuration`.
    Components,
    /// `intents`.
    Intents,
}

impl State {
    /// All of them, in the order in which they are written back.
    pub const ALL: [Self; 3] = [Self::Components, Self::Network, Self::Intents];

    /// Id of its part.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Network => "rest/network-configuration",
            Self::Components => "rest/component-configuration",
            Self::Intents => "rest/intents",
        }
    }

    /// The one whose part this is.
    #[must_use]
    pub fn of(part: &Part) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.id() == part.id)
    }

    /// What the cluster has of it now, without what changes by itself, in one order.
    ///
    /// # Errors
    /// When the cluster does not tell.
    pub fn read(self) -> Result<Value> {
        match self {
            Self::Network => Ok(filled(rest::get("network/configuration")?)),
            Self::Components => rest::get("configuration"),
            Self::Intents => Ok(Value::Array(intents(rest::get("intents?detail=true")?)?)),
        }
    }

    /// Whether there is something that a restore would have to replace. Components always have a configuration.
    ///
    /// # Errors
    /// When the cluster does not tell.
    pub fn is_in_the_way(self) -> Result<bool> {
        let held = self.read()?;
        Ok(match self {
            Self::Components => false,
            Self::Network => held.as_object().is_some_and(|it| !it.is_empty()),
            Self::Intents => held.as_array().is_some_and(|it| !it.is_empty()),
        })
    }

    /// Archives it.
    ///
    /// # Errors
    /// When the cluster does not tell.
    pub fn export(self) -> Result<Summary> {
        let value = self.read()?;
        put("state.json", &value)?;
        let items = match &value {
            Value::Array(all) => all.len(),
            Value::Object(all) => all.values().filter_map(Value::as_object).map(Map::len).sum(),
            _ => 0,
        };
        Ok(Summary::of_items(items as u64).with_fingerprint(print(&value)?))
    }

    /// Writes it back.
    ///
    /// # Errors
    /// When the cluster does not take it.
    pub fn import(self, names: &Names) -> Result<()> {
        let wanted = names.apply(take("state.json")?);
        let held = self.read()?;
        match self {
            Self::Network => write_network(&wanted, &held),
            Self::Components => write_components(&wanted, &held),
            Self::Intents => write_intents(&wanted, &held),
        }
    }

    /// The fingerprint of what the cluster has now, with the names that it had in the backup.
    ///
    /// # Errors
    /// When the cluster does not tell.
    pub fn fingerprint(self, names: &Names) -> Result<String> {
        let mut value = names.inverted().apply(self.read()?);
        if let Value::Array(all) = &mut value {
            all.sort_by_key(Value::to_string);
        }
        print(&value)
    }
}

fn print(value: &Value) -> Result<String> {
    let mut print = Fingerprint::new();
    print.add(serde_json::to_vec(value)?);
    Ok(print.finish())
}

/// Network configuration without classes and subjects that have nothing: ONOS tells all classes that it knows.
fn filled(value: Value) -> Value {
    match value {
        Value::Object(classes) => {
            let full = |(key, it): (String, Value)| match it {
                Value::Object(subjects) => {
                    let subjects: Map<String, Value> = subjects
                        .into_iter()
                        .filter(|(_, configs)| configs.as_object().is_none_or(|it| !it.is_empty()))
                        .collect();
                    (!subjects.is_empty()).then_some((key, Value::Object(subjects)))
                }
                other => Some((key, other)),
            };
            Value::Object(classes.into_iter().filter_map(full).collect())
        }
        other => other,
    }
}

fn intents(value: Value) -> Result<Vec<Value>> {
    let Some(Value::Array(all)) = value.get("intents").cloned() else {
        return Err(Error::corrupt("ONOS tells intents that are no list"));
    };
    let mut intents = Vec::new();
    for intent in all {
        let Value::Object(mut members) = intent else {
            return Err(Error::corrupt("ONOS tells an intent that is no object"));
        };
        // What was withdrawn or failed to be is on its way out.
        let state = members.get("state").and_then(Value::as_str).unwrap_or_default();
        if state.starts_with("WITHDRAW") {
            continue;
        }
        OWN.iter().for_each(|key| drop(members.remove(*key)));
        intents.push(Value::Object(members));
    }
    intents.sort_by_key(Value::to_string);
    Ok(intents)
}

fn write_network(wanted: &Value, held: &Value) -> Result<()> {
    let empty = Map::new();
    let members = |value: &'_ Value| value.as_object().cloned().unwrap_or_default();
    for (class, subjects) in held.as_object().unwrap_or(&empty) {
        for (subject, configs) in members(subjects) {
            let kept = wanted.get(class).and_then(|it| it.get(&subject));
            for (key, _) in members(&configs) {
                if kept.and_then(|it| it.get(&key)).is_none() {
                    let path = [class, &subject, &key].map(|it| segment(it)).join("/");
                    rest::act("DELETE", &format!("network/configuration/{path}"))?;
                }
            }
        }
    }
    for (class, subjects) in wanted.as_object().unwrap_or(&empty) {
        if held.get(class) != Some(subjects) {
            rest::post(&format!("network/configuration/{}", segment(class)), subjects)?;
        }
    }
    Ok(())
}

fn write_components(wanted: &Value, held: &Value) -> Result<()> {
    let empty = Map::new();
    for (name, properties) in wanted.as_object().unwrap_or(&empty) {
        let there = held.get(name).and_then(Value::as_object);
        let differs = |(key, value): &(&String, &Value)| {
            there.is_none_or(|there| there.get(*key) != Some(value)) && !value.is_null()
        };
        let properties = properties.as_object().unwrap_or(&empty);
        let changed: Map<String, Value> =
            properties.iter().filter(differs).map(|(key, it)| (key.clone(), it.clone())).collect();
        if !changed.is_empty() {
            // A component that does not run yet finds its properties when it starts.
            let preset = if there.is_none() { "?preset=true" } else { "" };
            let path = format!("configuration/{}{preset}", segment(name));
            rest::post(&path, &Value::Object(changed))?;
        }
    }
    Ok(())
}

fn write_intents(wanted: &Value, held: &Value) -> Result<()> {
    let name = |intent: &Value| {
        let text = |key: &str| intent.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((text("appId")?, text("key")?))
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let keys: BTreeSet<_> = list(wanted).iter().filter_map(name).collect();
    for intent in list(held) {
        if let Some((app, key)) = name(&intent).filter(|it| !keys.contains(it)) {
            rest::act("DELETE", &format!("intents/{}/{}", segment(&app), segment(&key)))?;
        }
    }
    let known = list(held);
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for intent in list(wanted) {
        let kind = intent.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !TAKEN.contains(&kind.as_str()) {
            *left.entry(kind).or_default() += 1;
        } else if !known.contains(&intent) {
            rest::post("intents", &intent).with_context(|| format!("{:?}", name(&intent)))?;
        }
    }
    for (kind, count) in left {
        log::warn!(
            "{count} intents of type {} are archived and were not written: the REST interface does not take them",
            printable(kind)
        );
    }
    Ok(())
}

/// Archives what the cluster has observed. It changes all the time, so that it has no fingerprint.
///
/// # Errors
/// When the cluster does not tell.
pub fn export_observed() -> Result<Summary> {
    let mut count = 0;
    let mut summary = Summary::default();
    for (name, path) in OBSERVATIONS {
        let Some(value) = rest::get_if_there(path)? else { continue };
        put(&format!("{name}.json"), &value)?;
        let items = listed(&value);
        count += items.len() as u64;
        if COMPARED.contains(&name) {
            summary = summary.with_attribute(name, items.len().to_string());
        }
    }
    summary.items = count;
    Ok(summary)
}

/// Compares what the cluster observes now with what it did, and tells what is not there.
///
/// # Errors
/// When the cluster does not tell.
pub fn compare_observed() -> Result<()> {
    for name in COMPARED {
        let archived = listed(&take(&format!("{name}.json"))?);
        let now = listed(&rest::get_if_there(name)?.unwrap_or_default());
        let gone: Vec<&String> =
            archived.difference(&now).take(crate::limits::NAMES_IN_MESSAGE).collect();
        if gone.is_empty() {
            log::info!("all {} {name} of the backup are observed again", archived.len());
        } else {
            let shown: Vec<String> = gone.iter().map(printable).collect();
            log::warn!("{name} of the backup that are not observed now: {}", shown.join(", "));
        }
    }
    Ok(())
}

/// Names of the things in an answer: its ids, or for links both ends.
fn listed(value: &Value) -> BTreeSet<String> {
    let lists =
        value.as_object().into_iter().flat_map(|it| it.values()).filter_map(Value::as_array);
    let name = |item: &Value| match item.get("id").and_then(Value::as_str) {
        Some(id) => id.to_owned(),
        None => json!([item.get("src"), item.get("dst")]).to_string(),
    };
    lists.flatten().map(name).collect()
}

fn put(name: &str, value: &Value) -> Result<()> {
    let entry = Entry::new(name.as_bytes()).with_media_type("application/json");
    let mut writer = archive::create(&entry)?;
    // One line for each member, so that a change moves few bytes.
    writer.write_all(&serde_json::to_vec_pretty(value)?)?;
    writer.write_all(b"\n")?;
    writer.finish()
}

fn take(name: &str) -> Result<Value> {
    let mut text = Vec::new();
    archive::open(name.as_bytes())?.take(2 * ANSWER_BYTES_MAX).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_or_changes_by_itself_is_left_out() {
        let told = json!({"apps": {}, "devices": {"of:1": {"basic": {}}, "of:2": {}}});
        assert_eq!(filled(told), json!({"devices": {"of:1": {"basic": {}}}}));
        let told = json!({"intents": [
            {"type": "PointToPointIntent", "id": "0x2", "key": "b", "appId": "x", "state": "INSTALLED"},
            {"type": "PointToPointIntent", "id": "0x1", "key": "a", "appId": "x", "state": "FAILED"},
            {"type": "PointToPointIntent", "id": "0x3", "key": "c", "appId": "x", "state": "WITHDRAWN"},
        ]});
        let kept = intents(told).unwrap();
        assert_eq!(kept[0], json!({"type": "PointToPointIntent", "key": "a", "appId": "x"}));
        assert_eq!(kept.len(), 2);
        assert!(intents(json!({})).is_err() && intents(json!({"intents": [1]})).is_err());
    }

    #[test]
    fn observed_things_have_names() {
        let links = json!({"links": [{"src": {"device": "a"}, "dst": {"device": "b"}}]});
        assert_eq!(listed(&links).len(), 1);
        assert_eq!(listed(&json!({"devices": [{"id": "of:1"}]})), ["of:1".to_owned()].into());
        assert!(listed(&json!(null)).is_empty() && listed(&json!([1])).is_empty());
    }
}
