//! One definition in the form in which it is archived: what an operator wrote and Marathon completed, and nothing that changes
//! by itself, so that the same definition is the same bytes each time.
//!
//! Their properties: `types/app.raml`, `types/pod.raml` and `types/group.raml` in
//! <https://github.com/mesosphere/marathon/tree/v1.10.26/docs/docs/rest-api/public/api/v2>.

use lockgate_plugin::{Error, Fingerprint, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::names::{self, Renames};

/// What it defines. Sorts groups before what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// A group, without what is in it.
    Group,
    /// An application.
    App,
    /// A pod.
    Pod,
}

/// One definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// What of.
    pub kind: Sort,
    /// As the server takes it.
    pub definition: Map<String, Value>,
}

/// What Marathon tells beside an application's or pod's definition.
const VOLATILE: [&str; 13] = [
    "deployments",
    "lastTaskFailure",
    "readinessCheckResults",
    "taskStats",
    "tasks",
    "tasksHealthy",
    "tasksRunning",
    "tasksStaged",
    "tasksStats",
    "tasksUnhealthy",
    "version",
    "versionInfo",
    // Of old servers: what `fetch` was made of, in another place.
    "storeUrls",
];
/// Sets, which the server gives in any order (`uniqueItems`).
const SETS: [&str; 4] = ["acceptedResourceRoles", "constraints", "dependencies", "healthChecks"];
/// Older spellings that a server shows beside the newer one, and takes only one of.
const SPELLINGS: [(&str, &str); 2] = [("uris", "fetch"), ("ports", "portDefinitions")];
/// The label of what is suspended: how many instances it is to have.
pub const SUSPENDED: &str = "lockgate-instances";

impl Definition {
    /// Of an application or a pod as the server shows it.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(kind: Sort, shown: Value) -> Result<Self> {
        let Value::Object(mut definition) = shown else {
            return Err(Error::corrupt("the server shows a definition that is no object"));
        };
        definition.retain(|key, value| !VOLATILE.contains(&key.as_str()) && !value.is_null());
        for (old, new) in SPELLINGS {
            if definition.contains_key(new) {
                definition.remove(old);
            }
        }
        for key in SETS {
            sort_set(definition.get_mut(key));
        }
        if let Some(placement) =
            definition.get_mut("scheduling").and_then(|it| it.get_mut("placement"))
        {
            SETS.iter().for_each(|key| sort_set(placement.get_mut(*key)));
        }
        let made = Self { kind, definition };
        names::check(made.id())?;
        Ok(made)
    }

    /// Of a group without what is in it.
    ///
    /// # Errors
    /// When its id is none.
    pub fn of_group(id: &str, dependencies: &[String], enforce_role: Option<bool>) -> Result<Self> {
        names::check(id)?;
        let mut definition = Map::from_iter([("id".to_owned(), id.into())]);
        let mut dependencies = json!(dependencies);
        sort_set(Some(&mut dependencies));
        definition.insert("dependencies".to_owned(), dependencies);
        // Only groups directly below the root have a say in it.
        if let Some(is_enforced) = enforce_role.filter(|_| names::is_top_level(id)) {
            definition.insert("enforceRole".to_owned(), is_enforced.into());
        }
        Ok(Self { kind: Sort::Group, definition })
    }

    /// Its absolute id; empty when it has none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.definition.get("id").and_then(Value::as_str).unwrap_or_default()
    }

    /// The same under its new id, with dependencies that follow. A role that is the name of the group at the top follows, too.
    #[must_use]
    pub fn renamed(mut self, renames: &Renames) -> Self {
        let old = self.id().to_owned();
        let new = renames.of(&old);
        if self.definition.get("role").and_then(Value::as_str) == Some(names::top(&old)) {
            self.definition.insert("role".to_owned(), names::top(&new).into());
        }
        if !names::is_top_level(&new) {
            self.definition.remove("enforceRole");
        }
        let listed = self.definition.get_mut("dependencies").and_then(Value::as_array_mut);
        for id in listed.into_iter().flatten() {
            if let Some(text) = id.as_str() {
                *id = renames.of(text).into();
            }
        }
        self.definition.insert("id".to_owned(), new.into());
        SETS.iter().for_each(|key| sort_set(self.definition.get_mut(*key)));
        self
    }

    /// The number of instances, where it is written down.
    fn instances(&mut self) -> Option<&mut Value> {
        match self.kind {
            Sort::Group => None,
            Sort::App => self.definition.get_mut("instances"),
            Sort::Pod => self.definition.get_mut("scaling")?.get_mut("instances"),
        }
    }

    /// The same with no instances, and a label that tells how many there are to be.
    #[must_use]
    pub fn suspended(mut self) -> Self {
        let Some(instances) = self.instances() else { return self };
        let Some(count) = instances.as_u64().filter(|count| *count > 0) else { return self };
        *instances = 0.into();
        let labels = self.definition.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(SUSPENDED.to_owned(), count.to_string().into());
        }
        self
    }

    /// The same with the instances that it had before [`Definition::suspended`]; none when it is not suspended.
    #[must_use]
    pub fn resumed(mut self) -> Option<Self> {
        let labels = self.definition.get_mut("labels").and_then(Value::as_object_mut)?;
        let count: u64 = labels.get(SUSPENDED)?.as_str()?.parse().ok()?;
        if self.instances()?.as_u64() != Some(0) {
            return None;
        }
        *self.instances()? = count.into();
        let labels = self.definition.get_mut("labels").and_then(Value::as_object_mut)?;
        labels.remove(SUSPENDED);
        // The server shows no labels for an application without, and takes either.
        if labels.is_empty() && self.kind == Sort::Pod {
            self.definition.remove("labels");
        }
        Some(self)
    }
}

fn sort_set(set: Option<&mut Value>) {
    if let Some(items) = set.and_then(Value::as_array_mut) {
        items.sort_by_cached_key(ToString::to_string);
    }
}

/// Puts definitions into the order in which they are archived.
pub fn sort(definitions: &mut [Definition]) {
    definitions.sort_by(|left, right| (left.id(), left.kind).cmp(&(right.id(), right.kind)));
}

/// A hash over definitions in their order. One that is suspended counts as what it was.
///
/// # Errors
/// When one has no JSON form.
pub fn fingerprint(definitions: &[Definition]) -> Result<String> {
    let mut fingerprint = Fingerprint::new();
    for definition in definitions {
        let awake = definition.clone().resumed();
        let mut counted = awake.unwrap_or_else(|| definition.clone());
        // No labels are the same as an empty list of them.
        if counted.definition.get("labels").and_then(Value::as_object).is_some_and(Map::is_empty) {
            counted.definition.remove("labels");
        }
        fingerprint.add(serde_json::to_vec(&counted)?);
    }
    Ok(fingerprint.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(value: Value) -> Definition {
        Definition::of(Sort::App, value).unwrap()
    }

    #[test]
    fn what_changes_by_itself_is_left_out_and_sets_have_an_order() {
        let one = app(json!({
            "id": "/a", "version": "2026-01-01T00:00:00.000Z", "versionInfo": {}, "tasksRunning": 3, "deployments": [],
            "uris": ["http://x"], "fetch": [{"uri": "http://x"}], "ports": [1], "portDefinitions": [{"port": 1}],
            "cmd": null, "constraints": [["b", "UNIQUE"], ["a", "UNIQUE"]], "dependencies": ["/z", "/b"],
        }));
        let other = app(json!({
            "id": "/a", "version": "2027-01-01T00:00:00.000Z", "fetch": [{"uri": "http://x"}],
            "portDefinitions": [{"port": 1}], "constraints": [["a", "UNIQUE"], ["b", "UNIQUE"]],
            "dependencies": ["/b", "/z"],
        }));
        assert_eq!(one, other);
        // Alone, the older spelling is what there is.
        assert!(app(json!({"id": "/a", "uris": ["http://x"]})).definition.contains_key("uris"));
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        for wrong in [
            json!(null),
            json!([]),
            json!({}),
            json!({"id": 7}),
            json!({"id": "a"}),
            json!({"id": "/../a"}),
        ] {
            assert!(Definition::of(Sort::App, wrong.clone()).is_err(), "{wrong}");
        }
        assert!(Definition::of_group("/a/\u{1b}b", &[], None).is_err());
    }

    #[test]
    fn a_suspended_definition_comes_back_and_counts_as_what_it_was() {
        for one in [
            app(json!({"id": "/a", "instances": 3, "labels": {"x": "y"}})),
            app(json!({"id": "/a", "instances": 3})),
            Definition::of(
                Sort::Pod,
                json!({"id": "/p", "scaling": {"kind": "fixed", "instances": 2}}),
            )
            .unwrap(),
        ] {
            let asleep = one.clone().suspended();
            assert_ne!(asleep, one);
            let of = |it: &Definition| fingerprint(std::slice::from_ref(it)).unwrap();
            assert_eq!(of(&asleep), of(&one));
            assert_eq!(asleep.clone().suspended(), asleep);
            assert!(one.resumed().is_none());
        }
        let none = app(json!({"id": "/a", "instances": 0}));
        assert_eq!(none.clone().suspended(), none);
        // Somebody scaled it by hand since.
        let scaled = app(json!({"id": "/a", "instances": 1, "labels": {SUSPENDED: "3"}}));
        assert!(scaled.resumed().is_none());
    }

    #[test]
    fn dependencies_and_roles_follow_a_new_name() {
        let renames = Renames::new(&[("/shop".to_owned(), "/test".to_owned())]).unwrap();
        let one = app(
            json!({"id": "/shop/web", "role": "shop", "dependencies": ["/shop/db", "/other", "/shopping"]}),
        );
        let one = one.renamed(&renames);
        assert_eq!(one.id(), "/test/web");
        assert_eq!(one.definition["role"], "test");
        assert_eq!(one.definition["dependencies"], json!(["/other", "/shopping", "/test/db"]));
        let group = Definition::of_group("/shop", &["/shop/db".to_owned()], Some(true)).unwrap();
        let deep = Renames::new(&[("/shop".to_owned(), "/old/shop".to_owned())]).unwrap();
        assert!(!group.renamed(&deep).definition.contains_key("enforceRole"));
    }
}
