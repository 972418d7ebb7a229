//! The tree of groups, as the server shows it in one answer, and as it takes it.

use std::collections::BTreeMap;

use lockgate_plugin::{Error, Result, printable};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client;
use crate::definition::{self, Definition, Sort};
use crate::names::{self, ROOT};

/// Everything that the answer shall hold. Without a word, old servers leave pods out.
const EMBED: &str = "embed=group.groups&embed=group.apps&embed=group.pods";

/// `GroupInfo` in `types/group.raml`. What is in it may be as much as `A` and `P` take.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group<A = Value, P = Status> {
    id: String,
    #[serde(default = "Vec::new")]
    apps: Vec<A>,
    #[serde(default = "Vec::new")]
    pods: Vec<P>,
    #[serde(default = "Vec::new")]
    groups: Vec<Group<A, P>>,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    enforce_role: Option<bool>,
    #[serde(default)]
    version: Option<String>,
}

/// `PodStatus` in `types/podStatus.raml`: groups show pods only in this form.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    spec: Value,
}

/// What has an id, and maybe needs others.
#[derive(Clone, Debug, Deserialize)]
pub struct Named {
    id: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The tree without the definitions.
pub type Outline = Group<Named, Named>;

/// The tree as it is now, without the definitions.
///
/// # Errors
/// When the server does not tell.
pub fn outline() -> Result<Outline> {
    client::get(&format!("/v2/groups?{EMBED}"))
}

/// The version of the tree as it is now.
///
/// # Errors
/// When the server does not tell.
pub fn version() -> Result<String> {
    #[derive(Deserialize)]
    struct Root {
        version: Option<String>,
    }
    // The smallest answer: groups without what is in them.
    let root: Root = client::get("/v2/groups?embed=group.groups")?;
    Ok(printable(root.version.unwrap_or_default()))
}

/// The tree as it is now.
///
/// # Errors
/// When the server does not tell.
pub fn whole() -> Result<Group> {
    client::get(&format!("/v2/groups?{EMBED}"))
}

/// A group with everything in it, if it is there.
///
/// # Errors
/// When the server does not tell.
pub fn group(id: &str) -> Result<Option<Vec<Definition>>> {
    let found: Option<Group> = client::get_if_there(&format!("/v2/groups{id}?{EMBED}"))?;
    found.map(Group::definitions).transpose()
}

/// An application, if it is there.
///
/// # Errors
/// When the server does not tell.
pub fn app(id: &str) -> Result<Option<Definition>> {
    #[derive(Deserialize)]
    struct Found {
        app: Value,
    }
    let found: Option<Found> = client::get_if_there(&format!("/v2/apps{id}"))?;
    found.map(|found| Definition::of(Sort::App, found.app)).transpose()
}

/// A pod, if it is there.
///
/// # Errors
/// When the server does not tell.
pub fn pod(id: &str) -> Result<Option<Definition>> {
    let found: Option<Value> = client::get_if_there(&format!("/v2/pods{id}"))?;
    found.map(|found| Definition::of(Sort::Pod, found)).transpose()
}

impl<A, P> Group<A, P> {
    /// When the group last changed; the root's is that of everything.
    #[must_use]
    pub fn version(&self) -> String {
        printable(self.version.as_deref().unwrap_or_default())
    }

    /// What the group itself depends on.
    #[must_use]
    pub fn dependencies(&self) -> &[String] {
        &self.dependencies
    }
}

/// What is directly below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// What it is.
    pub kind: Sort,
    /// Its id.
    pub id: String,
    /// How many definitions it has.
    pub items: u64,
    /// Ids outside of it that it depends on.
    pub needs: Vec<String>,
}

impl Outline {
    /// What is directly below the root, by kind and id.
    ///
    /// # Errors
    /// When an id is none.
    pub fn children(&self) -> Result<Vec<Child>> {
        let mut children = Vec::new();
        let apps = self.apps.iter().map(|app| (Sort::App, app));
        for (kind, one) in apps.chain(self.pods.iter().map(|pod| (Sort::Pod, pod))) {
            let needs = outside(&one.id, one.dependencies.clone());
            children.push(Child { kind, id: one.id.clone(), items: 1, needs });
        }
        for group in &self.groups {
            let (mut items, mut needs) = (0, Vec::new());
            group.collect(&mut items, &mut needs);
            let needs = outside(&group.id, needs);
            children.push(Child { kind: Sort::Group, id: group.id.clone(), items, needs });
        }
        children.iter().try_for_each(|child| names::check(&child.id))?;
        children.sort_by(|left, right| (left.kind, &left.id).cmp(&(right.kind, &right.id)));
        Ok(children)
    }

    fn collect(&self, count: &mut u64, needs: &mut Vec<String>) {
        *count += 1 + (self.apps.len() + self.pods.len()) as u64;
        needs.extend(self.dependencies.iter().cloned());
        needs.extend(self.apps.iter().flat_map(|app| app.dependencies.iter().cloned()));
        self.groups.iter().for_each(|group| group.collect(count, needs));
    }
}

fn outside(id: &str, mut needs: Vec<String>) -> Vec<String> {
    needs.retain(|need| !names::is_inside(need, id));
    needs.sort();
    needs.dedup();
    needs
}

impl Group {
    /// What is directly below the root, by kind and id.
    ///
    /// # Errors
    /// When something is no definition.
    pub fn into_children(self) -> Result<BTreeMap<(Sort, String), Vec<Definition>>> {
        let mut children = BTreeMap::new();
        let apps = self.apps.into_iter().map(|app| (Sort::App, app));
        let pods = self.pods.into_iter().map(|pod| (Sort::Pod, pod.spec));
        for (kind, shown) in apps.chain(pods) {
            let one = Definition::of(kind, shown)?;
            children.insert((kind, one.id().to_owned()), vec![one]);
        }
        for group in self.groups {
            children.insert((Sort::Group, group.id.clone()), group.definitions()?);
        }
        Ok(children)
    }

    /// The group and everything in it, in the order of the archive.
    ///
    /// # Errors
    /// When something is no definition.
    pub fn definitions(self) -> Result<Vec<Definition>> {
        let mut definitions = Vec::new();
        self.flatten(&mut definitions)?;
        definition::sort(&mut definitions);
        Ok(definitions)
    }

    fn flatten(self, into: &mut Vec<Definition>) -> Result<()> {
        if self.id != ROOT {
            into.push(Definition::of_group(&self.id, &self.dependencies, self.enforce_role)?);
        }
        for app in self.apps {
            into.push(Definition::of(Sort::App, app)?);
        }
        for pod in self.pods {
            into.push(Definition::of(Sort::Pod, pod.spec)?);
        }
        self.groups.into_iter().try_for_each(|group| group.flatten(into))
    }
}

/// The body that makes groups with their applications (`GroupUpdate` in `types/group.raml`): the group `id` and what is below
/// it. Pods are none of its business: they stay as they are.
///
/// # Errors
/// When a definition is in no group.
pub fn update(id: &str, definitions: &[Definition]) -> Result<Value> {
    let mut groups: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for one in definitions.iter().filter(|one| one.kind == Sort::Group) {
        let mut group = one.definition.clone();
        group.insert("apps".to_owned(), Value::Array(Vec::new()));
        group.insert("groups".to_owned(), Value::Array(Vec::new()));
        groups.insert(one.id(), group);
    }
    let lost = |id: &str| Error::corrupt(format!("{} is in no group of its part", printable(id)));
    let parent = |id: &str| id.rfind('/').and_then(|end| id.get(..end)).map(str::to_owned);
    let add = |groups: &mut BTreeMap<&str, Map<String, Value>>, id: &str, to: &str, what: Value| {
        let above = parent(id).ok_or_else(|| lost(id))?;
        let list =
            groups.get_mut(above.as_str()).and_then(|group| group.get_mut(to)?.as_array_mut());
        list.ok_or_else(|| lost(id))?.push(what);
        Ok::<(), Error>(())
    };
    for one in definitions.iter().filter(|one| one.kind == Sort::App) {
        add(&mut groups, one.id(), "apps", Value::Object(one.definition.clone()))?;
    }
    // Deepest first, so that each is complete when it is put into the one above.
    let mut ids: Vec<&str> = groups.keys().copied().filter(|below| *below != id).collect();
    ids.sort_by_key(|id| std::cmp::Reverse(id.matches('/').count()));
    for below in ids {
        let group = groups.remove(below).ok_or_else(|| lost(below))?;
        add(&mut groups, below, "groups", Value::Object(group))?;
    }
    groups.remove(id).map(Value::Object).ok_or_else(|| lost(id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown() -> Value {
        json!({
            "id": "/", "dependencies": [], "version": "2026-01-01T00:00:00.000Z",
            "apps": [{"id": "/single", "cmd": "true"}],
            "pods": [{"id": "/lone", "status": "STABLE", "spec": {"id": "/lone", "containers": []}}],
            "groups": [{
                "id": "/shop", "dependencies": ["/base"], "enforceRole": true, "apps": [{"id": "/shop/web", "dependencies": ["/shop/db/main", "/single"]}],
                "pods": [{"id": "/shop/p", "spec": {"id": "/shop/p", "version": "x"}}],
                "groups": [{"id": "/shop/db", "enforceRole": false, "groups": [], "apps": [{"id": "/shop/db/main"}]}],
            }],
        })
    }

    #[test]
    fn a_tree_is_taken_apart_and_put_together() {
        let root: Group = serde_json::from_value(shown()).unwrap();
        let children = root.into_children().unwrap();
        let shop = &children[&(Sort::Group, "/shop".to_owned())];
        let ids: Vec<&str> = shop.iter().map(Definition::id).collect();
        assert_eq!(ids, ["/shop", "/shop/db", "/shop/db/main", "/shop/p", "/shop/web"]);
        let expected = json!({
            "id": "/shop", "dependencies": ["/base"], "enforceRole": true,
            "apps": [{"id": "/shop/web", "dependencies": ["/shop/db/main", "/single"]}],
            "groups": [{"id": "/shop/db", "dependencies": [], "apps": [{"id": "/shop/db/main"}], "groups": []}],
        });
        assert_eq!(update("/shop", shop).unwrap(), expected);
        assert_eq!(children.len(), 3);
    }

    #[test]
    fn an_outline_knows_what_a_part_needs_of_others() {
        let root: Outline = serde_json::from_value(shown()).unwrap();
        let children = root.children().unwrap();
        let seen: Vec<_> = children.iter().map(|it| (it.kind, it.id.as_str(), it.items)).collect();
        assert_eq!(
            seen,
            [(Sort::Group, "/shop", 5), (Sort::App, "/single", 1), (Sort::Pod, "/lone", 1)]
        );
        assert_eq!(children[0].needs, ["/base", "/single"]);
        assert!(children[1].needs.is_empty());
    }

    #[test]
    fn hostile_trees_are_errors() {
        let deep = format!("{}{}", r#"{"id":"/a","groups":["#.repeat(4_000), "]}".repeat(4_000));
        for text in ["{", "{}", r#"{"id":1}"#, r#"{"id":"/","apps":{}}"#, &deep] {
            assert!(serde_json::from_str::<Group>(text).is_err());
        }
        let odd: Outline =
            serde_json::from_value(json!({"id": "/", "groups": [{"id": "/../x"}]})).unwrap();
        assert!(odd.children().is_err());
        let lost = [Definition::of(Sort::App, json!({"id": "/b/c"})).unwrap()];
        assert!(update("/a", &lost).is_err());
    }
}
