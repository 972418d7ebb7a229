//! Changes: each is a new version of the tree, and a deployment.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::problem::Problem;
use super::tree::{Group, canonical, parent};
use super::update::{differing, settle, updated};
use super::{DEPLOYMENT_MS, app, pod};
use crate::service::Answer;

/// Everything that there is.
#[derive(Debug)]
pub struct State {
    pub root: Group,
    pub deployments: Vec<Deployment>,
    count: u64,
    port: u64,
}

/// One that runs.
#[derive(Debug)]
pub struct Deployment {
    pub id: String,
    pub apps: BTreeSet<String>,
    pods: BTreeSet<String>,
    version: i64,
    /// None for one that waits for ever.
    ends: Option<i64>,
}

/// A request that changes something.
#[derive(Debug)]
pub struct Change {
    /// Milliseconds since 1970; the version that it makes.
    pub at: i64,
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: Value,
}

impl Change {
    pub fn for_journal(&self) -> Value {
        json!({ "at": self.at, "method": self.method, "path": self.path, "query": self.query, "body": self.body })
    }

    pub fn of_journal(value: &Value) -> Result<Self> {
        let text = |key: &str| {
            value[key].as_str().map(str::to_owned).with_context(|| format!("{key} in the journal"))
        };
        Ok(Self {
            at: value["at"].as_i64().context("at in the journal")?,
            method: text("method")?,
            path: text("path")?,
            query: text("query")?,
            body: value["body"].clone(),
        })
    }

    fn says(&self, word: &str) -> bool {
        self.query.split('&').any(|it| it.eq_ignore_ascii_case(word))
    }
}

/// `apps` and `shop/web` of `/v2/apps/shop/web`.
pub fn place(path: &str) -> Result<(&str, String), Problem> {
    let rest = path.strip_prefix("/v2/").ok_or_else(Problem::no_route)?;
    let (area, id) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((area, id.trim_matches('/').to_owned()))
}

/// As versions are written.
pub fn stamp(at: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

impl Deployment {
    pub fn shown(&self) -> Value {
        json!({
            "id": self.id, "version": stamp(self.version), "affectedApps": self.apps, "affectedPods": self.pods,
            "steps": [], "currentActions": [], "currentStep": 1, "totalSteps": 1,
        })
    }
}

impl State {
    pub fn new() -> Self {
        Self { root: Group::new("/", 0), deployments: Vec::new(), count: 0, port: 10_000 }
    }

    /// Deployments that have ended are gone.
    pub fn expire(&mut self, now: i64) {
        self.deployments.retain(|deployment| deployment.ends.is_none_or(|ends| ends > now));
    }

    /// Each version is later than the one before.
    pub fn next_version(&self, now: i64) -> i64 {
        now.max(self.root.version + 1)
    }

    /// Does it, or nothing.
    pub fn apply(&mut self, change: &Change) -> Result<Answer, Problem> {
        self.expire(change.at);
        let (area, id) = place(&change.path)?;
        match (change.method.as_str(), area) {
            ("POST", "apps") if id.is_empty() => self.create_app(change),
            ("PUT", "apps") if !id.is_empty() => self.put_app(change, &canonical(&id, "/")?),
            ("DELETE", "apps") if !id.is_empty() => self.delete_app(change, &canonical(&id, "/")?),
            ("POST", "pods") if id.is_empty() => self.put_pod(change, None),
            ("PUT", "pods") if !id.is_empty() => self.put_pod(change, Some(&canonical(&id, "/")?)),
            ("DELETE", "pods") if !id.is_empty() => self.delete_pod(change, &canonical(&id, "/")?),
            ("POST" | "PUT", "groups") => self.put_group(change, &canonical(&id, "/")?),
            ("PATCH", "groups") => self.patch_group(change, &canonical(&id, "/")?),
            ("DELETE", "groups") => self.delete_group(change, &canonical(&id, "/")?),
            ("DELETE", "deployments") => self.cancel(change, &id),
            _ => Err(Problem::no_route()),
        }
    }

    fn create_app(&mut self, change: &Change) -> Result<Answer, Problem> {
        let mut port = self.port;
        let made = app::complete(app::known(&change.body, "")?, "/", "", &self.root, &mut port)?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        if self.root.app(&id).is_some() {
            return Err(Problem::conflict(&format!("An app with id [{id}] already exists.")));
        }
        self.must_be_free(&id)?;
        self.port = port;
        let mut root = self.root.clone();
        let version = change.at;
        root.at(&parent(&id), version).apps.insert(id.clone(), Arc::new(made));
        let deployment = self.install(root, change)?;
        let mut shown = self.root.app(&id).map(|app| Value::clone(app)).unwrap_or_default();
        shown["deployments"] = json!([{ "id": deployment }]);
        shown["tasks"] = json!([]);
        Ok(Answer::json(201, &shown)
            .with("Marathon-Deployment-Id", &deployment)
            .with("Location", &format!("/v2/apps{id}")))
    }

    fn put_app(&mut self, change: &Change, id: &str) -> Result<Answer, Problem> {
        if change.body.get("version").is_some()
            && change.body.as_object().is_some_and(|body| body.len() > 1)
        {
            let error = "The 'version' field may only be combined with the 'id' field.";
            return Err(Problem::invalid("/", error));
        }
        let mut given = app::known(&change.body, "")?;
        let named = given
            .get("id")
            .and_then(Value::as_str)
            .map(|named| canonical(named, "/"))
            .transpose()?;
        if named.is_some_and(|named| named != id) {
            return Err(Problem::invalid(
                "/id",
                "The app id in the body does not match the one in the path",
            ));
        }
        given.insert("id".to_owned(), id.into());
        let there = self.root.app(id);
        let is_new = there.is_none();
        if let Some(there) = there.filter(|_| !change.says("partialUpdate=false")) {
            let mut merged = app::known(there, "")?;
            for (newer, older) in
                [("ports", "portDefinitions"), ("uris", "fetch"), ("cmd", "args"), ("args", "cmd")]
            {
                if given.contains_key(newer) {
                    merged.remove(older);
                }
            }
            merged.extend(given);
            given = merged;
        }
        let mut port = self.port;
        let made = app::complete(given, "/", "", &self.root, &mut port)?;
        if is_new {
            self.must_be_free(id)?;
        }
        self.port = port;
        let mut root = self.root.clone();
        root.at(&parent(id), change.at).apps.insert(id.to_owned(), Arc::new(made));
        let deployment = self.install(root, change)?;
        Ok(Self::result(if is_new { 201 } else { 200 }, &deployment, change.at))
    }

    fn delete_app(&mut self, change: &Change, id: &str) -> Result<Answer, Problem> {
        self.root.app(id).ok_or_else(|| Problem::not_there("App", id))?;
        let mut root = self.root.clone();
        root.at(&parent(id), change.at).apps.remove(id);
        let deployment = self.install(root, change)?;
        Ok(Self::result(200, &deployment, change.at))
    }

    fn put_pod(&mut self, change: &Change, path: Option<&str>) -> Result<Answer, Problem> {
        let made = pod::complete(&change.body, &self.root)?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        match path {
            Some(path) if path != id => {
                return Err(Problem::invalid(
                    "/id",
                    &format!("'{path}' does not match definition's id ('{id}')"),
                ));
            }
            Some(path) => drop(self.root.pod(path).ok_or_else(|| Problem::not_there("Pod", path))?),
            None if self.root.pod(&id).is_some() => {
                return Err(Problem::conflict(&format!("A pod with id [{id}] already exists.")));
            }
            None => self.must_be_free(&id)?,
        }
        let mut root = self.root.clone();
        root.at(&parent(&id), change.at).pods.insert(id.clone(), Arc::new(made));
        let deployment = self.install(root, change)?;
        let shown = self.root.pod(&id).map(|pod| Value::clone(pod)).unwrap_or_default();
        let status = if path.is_none() { 201 } else { 200 };
        Ok(Answer::json(status, &shown).with("Marathon-Deployment-Id", &deployment))
    }

    fn delete_pod(&mut self, change: &Change, id: &str) -> Result<Answer, Problem> {
        self.root.pod(id).ok_or_else(|| Problem::not_there("Pod", id))?;
        let mut root = self.root.clone();
        root.at(&parent(id), change.at).pods.remove(id);
        let deployment = self.install(root, change)?;
        Ok(Answer::empty(202).with("Marathon-Deployment-Id", &deployment))
    }

    /// Create, update and delete in a group: `UpdateGroupStructureOp`.
    fn put_group(&mut self, change: &Change, path: &str) -> Result<Answer, Problem> {
        let body = change.body.as_object().ok_or_else(|| Problem::wrong_type("", "object"))?;
        if body.contains_key("version") || body.contains_key("scaleBy") {
            return Err(Problem::invalid("/", "roll back and scaling of groups are not played"));
        }
        let named = body
            .get("id")
            .map(|id| id.as_str().ok_or_else(|| Problem::wrong_type("/id", "string")));
        let id = match named.transpose()? {
            Some(named) => canonical(named, path)?,
            None => path.to_owned(),
        };
        let there = self.root.find(&id);
        if change.method == "POST" && there.is_some() {
            return Err(Problem::conflict(&format!(
                "Group {id} is already created. Use PUT to change this group."
            )));
        }
        if self.root.app(&id).is_some() {
            return Err(Problem::conflict(&format!("An app with the path {id} already exists.")));
        }
        let mut root = self.root.clone();
        if id.rfind('/') == Some(0) && id != "/" {
            root.at(&id, change.at).enforce_role =
                body.get("enforceRole").and_then(Value::as_bool).unwrap_or_default();
        }
        let mut port = self.port;
        let group = updated(body, &id, there, change.at, "", (&root, &mut port))?;
        self.port = port;
        *root.at(&id, change.at) = group;
        let deployment = self.install(root, change)?;
        Ok(Self::result(if change.method == "POST" { 201 } else { 200 }, &deployment, change.at))
    }

    fn patch_group(&mut self, change: &Change, id: &str) -> Result<Answer, Problem> {
        if id.matches('/').count() != 1 || id == "/" {
            return Err(Problem::invalid("/id", &format!("identifier {id} is not top-level")));
        }
        self.root.find(id).ok_or_else(|| Problem::not_there("Group", id))?;
        let group = self.root.at(id, change.at);
        group.enforce_role =
            change.body.get("enforceRole").and_then(Value::as_bool).unwrap_or_default();
        Ok(Answer::empty(200))
    }

    fn delete_group(&mut self, change: &Change, id: &str) -> Result<Answer, Problem> {
        let mut root = self.root.clone();
        if id == "/" {
            root = Group::new("/", change.at);
        } else if !root.remove(id, change.at) {
            return Err(Problem::not_there("Group", id));
        }
        let deployment = self.install(root, change)?;
        Ok(Self::result(200, &deployment, change.at))
    }

    fn cancel(&mut self, change: &Change, id: &str) -> Result<Answer, Problem> {
        let is_it = |deployment: &Deployment| deployment.id == id;
        if !self.deployments.iter().any(is_it) {
            return Err(Problem::not_there("DeploymentPlan", id));
        }
        if !change.says("force=true") {
            return Err(Problem::invalid("/", "only force=true is played"));
        }
        self.deployments.retain(|deployment| !is_it(deployment));
        Ok(Answer::empty(202))
    }

    /// Nothing else has this id.
    fn must_be_free(&self, id: &str) -> Result<(), Problem> {
        let is_taken = self.root.app(id).is_some()
            || self.root.pod(id).is_some()
            || self.root.find(id).is_some();
        if is_taken {
            return Err(Problem::conflict(&format!(
                "An app, pod or group with id [{id}] already exists."
            )));
        }
        Ok(())
    }

    /// Makes `root` the tree, and a deployment of the differences; its id.
    fn install(&mut self, mut root: Group, change: &Change) -> Result<String, Problem> {
        root.check_cycles()?;
        self.check_roles(&root)?;
        let apps = differing(&self.root.all_apps(), &root.all_apps());
        let pods = differing(&self.root.all_pods(), &root.all_pods());
        let locks = |it: &Deployment| !it.apps.is_disjoint(&apps) || !it.pods.is_disjoint(&pods);
        let locking: Vec<String> =
            self.deployments.iter().filter(|it| locks(it)).map(|it| it.id.clone()).collect();
        if !locking.is_empty() && !change.says("force=true") {
            return Err(Problem::locked(&locking));
        }
        self.deployments.retain(|deployment| !locking.contains(&deployment.id));
        settle(&mut root, &self.root, change.at);
        root.version = change.at;
        self.root = root;
        self.count += 1;
        let id = format!("{:08x}-0000-4000-8000-{:012x}", self.count, change.at & 0xffff_ffff_ffff);
        let stuck = apps.iter().any(|id| self.root.app(id).is_some_and(|app| app::is_stuck(app)))
            || pods.iter().any(|id| self.root.pod(id).is_some_and(|pod| pod::is_stuck(pod)));
        if !(apps.is_empty() && pods.is_empty()) {
            let ends = (!stuck).then_some(change.at + DEPLOYMENT_MS);
            self.deployments.push(Deployment {
                id: id.clone(),
                apps,
                pods,
                version: change.at,
                ends,
            });
        }
        Ok(id)
    }

    /// What comes into a group that enforces its role has to have it; what was there may stay as it was.
    fn check_roles(&self, root: &Group) -> Result<(), Problem> {
        let (old_apps, old_pods) = (self.root.all_apps(), self.root.all_pods());
        let (apps, pods) = (root.all_apps(), root.all_pods());
        let old = |id: &str| old_apps.get(id).or_else(|| old_pods.get(id)).map(|it| &it["role"]);
        for (id, one) in apps.iter().chain(&pods) {
            let Some(role) = root.enforcing(id) else { continue };
            if one["role"] != role && old(id) != Some(&one["role"]) {
                return Err(Problem::invalid(
                    "/role",
                    &format!("got {}, expected one of: {role}", one["role"]),
                ));
            }
        }
        Ok(())
    }

    fn result(status: u16, deployment: &str, at: i64) -> Answer {
        let body = json!({ "version": stamp(at), "deploymentId": deployment });
        Answer::json(status, &body).with("Marathon-Deployment-Id", deployment)
    }
}
