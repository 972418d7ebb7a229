//! Groups with what is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::problem::Problem;

/// A group. Definitions are shared between versions of the tree.
#[derive(Clone, Debug)]
pub struct Group {
    pub id: String,
    pub apps: BTreeMap<String, Arc<Value>>,
    pub pods: BTreeMap<String, Arc<Value>>,
    pub groups: BTreeMap<String, Group>,
    pub dependencies: Vec<String>,
    pub enforce_role: bool,
    pub version: i64,
}

impl Group {
    pub fn new(id: &str, version: i64) -> Self {
        Self {
            id: id.to_owned(),
            apps: BTreeMap::new(),
            pods: BTreeMap::new(),
            groups: BTreeMap::new(),
            dependencies: Vec::new(),
            enforce_role: false,
            version,
        }
    }

    pub fn find(&self, id: &str) -> Option<&Self> {
        let mut group = self;
        for prefix in prefixes(id) {
            group = group.groups.get(prefix)?;
        }
        Some(group)
    }

    /// The group of this id, made with those above it when it is not there. All on the way are of a new version.
    pub fn at(&mut self, id: &str, version: i64) -> &mut Self {
        self.version = version;
        let mut group = self;
        for prefix in prefixes(id) {
            group =
                group.groups.entry(prefix.to_owned()).or_insert_with(|| Self::new(prefix, version));
            group.version = version;
        }
        group
    }

    /// The group directly below the root that says which role everything in it has, when one does.
    pub fn enforcing(&self, id: &str) -> Option<&str> {
        let top = self.groups.get(prefixes(id).next()?)?;
        top.enforce_role.then(|| top.id.trim_start_matches('/'))
    }

    /// The role of what names none.
    pub fn default_role(&self, id: &str) -> &str {
        self.enforcing(id).unwrap_or("*")
    }

    /// Takes a group out.
    pub fn remove(&mut self, id: &str, version: i64) -> bool {
        self.find(id).is_some() && self.at(&parent(id), version).groups.remove(id).is_some()
    }

    pub fn app(&self, id: &str) -> Option<&Arc<Value>> {
        self.find(&parent(id))?.apps.get(id)
    }

    pub fn pod(&self, id: &str) -> Option<&Arc<Value>> {
        self.find(&parent(id))?.pods.get(id)
    }

    pub fn all_apps(&self) -> BTreeMap<&str, &Arc<Value>> {
        self.all(|group| &group.apps)
    }

    pub fn all_pods(&self) -> BTreeMap<&str, &Arc<Value>> {
        self.all(|group| &group.pods)
    }

    fn all<'a>(
        &'a self,
        of: fn(&'a Self) -> &'a BTreeMap<String, Arc<Value>>,
    ) -> BTreeMap<&'a str, &'a Arc<Value>> {
        let mut all: BTreeMap<&str, &Arc<Value>> =
            of(self).iter().map(|(id, it)| (id.as_str(), it)).collect();
        self.groups.values().for_each(|group| all.extend(group.all(of)));
        all
    }

    /// What depends on what: groups stand for all that is in them.
    fn edges(&self, into: &mut Vec<(String, String)>) {
        into.extend(self.dependencies.iter().map(|need| (self.id.clone(), need.clone())));
        for (id, app) in &self.apps {
            let needs = app.get("dependencies").and_then(Value::as_array).into_iter().flatten();
            into.extend(needs.filter_map(Value::as_str).map(|need| (id.clone(), need.to_owned())));
        }
        self.groups.values().for_each(|group| group.edges(into));
    }

    /// Whether everything could be started in some order.
    pub fn check_cycles(&self) -> Result<(), Problem> {
        let mut edges = Vec::new();
        self.edges(&mut edges);
        // An application is started once what it, or a group around it, needs is there.
        let is_around = |outer: &str, inner: &str| {
            inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
        };
        while !edges.is_empty() {
            let before = edges.len();
            let froms: Vec<String> = edges.iter().map(|(from, _)| from.clone()).collect();
            edges.retain(|(_, need)| {
                froms.iter().any(|from| is_around(need, from) || is_around(from, need))
            });
            if edges.len() == before {
                return Err(Problem::invalid("/", "Dependency graph has cyclic dependencies."));
            }
        }
        Ok(())
    }
}

/// `/a`, `/a/b` of `/a/b`.
fn prefixes(id: &str) -> impl Iterator<Item = &str> {
    let ends = id.char_indices().skip(1).filter(|(_, letter)| *letter == '/').map(|(at, _)| at);
    let own = (id.len() > 1).then_some(id.len());
    ends.chain(own).filter_map(move |end| id.get(..end))
}

/// The group that something is in.
pub fn parent(id: &str) -> String {
    match id.rfind('/') {
        Some(end) if end > 0 => id.get(..end).unwrap_or("/").to_owned(),
        _ => "/".to_owned(),
    }
}

/// `PathId` as an absolute one: relative to `base`, with `.` and `..`.
pub fn canonical(id: &str, base: &str) -> Result<String, Problem> {
    let text = if id.starts_with('/') { id.to_owned() } else { format!("{base}/{id}") };
    let mut names: Vec<&str> = Vec::new();
    for name in text.split('/').filter(|name| !name.is_empty() && *name != ".") {
        if name == ".." {
            names.pop();
            continue;
        }
        let label = |label: &str| {
            let inner =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !label.is_empty()
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !name.split('.').all(label) {
            let error = "must fully match regular expression '^(([a-z0-9]|[a-z0-9][a-z0-9\\-]*[a-z0-9])\\.)*([a-z0-9]|\
                         [a-z0-9][a-z0-9\\-]*[a-z0-9])|(\\.|\\.\\.)$'";
            return Err(Problem::invalid("/id", error));
        }
        names.push(name);
    }
    Ok(format!("/{}", names.join("/")))
}
