//! Answers that change nothing.

use serde_json::{Value, json};

use super::change::{State, stamp};
use super::problem::Problem;
use super::tree::{Group, canonical};
use crate::service::Answer;

/// The answer to GET `path`.
pub fn answer(state: &State, path: &str, query: &str) -> Result<Answer, Problem> {
    let ok = |value: &Value| Ok(Answer::json(200, value));
    let (area, id) = super::change::place(path)?;
    match area {
        "apps" if id.is_empty() => {
            let apps: Vec<Value> =
                state.root.all_apps().values().map(|app| with_counts(state, app)).collect();
            ok(&json!({ "apps": apps }))
        }
        "apps" => {
            if let Some(id) = id.strip_suffix("/versions") {
                let id = canonical(id, "/")?;
                let app = state.root.app(&id).ok_or_else(|| Problem::not_there("App", &id))?;
                return ok(&json!({ "versions": [app["version"]] }));
            }
            let id = canonical(&id, "/")?;
            let app = state.root.app(&id).ok_or_else(|| Problem::not_there("App", &id))?;
            ok(&json!({ "app": with_counts(state, app) }))
        }
        "groups" => {
            let id = canonical(&id, "/")?;
            let group = state.root.find(&id).ok_or_else(|| Problem::not_there("Group", &id))?;
            let embeds: Vec<&str> =
                query.split('&').filter_map(|it| it.strip_prefix("embed=")).collect();
            let wants = |what: &str| embeds.is_empty() || embeds.contains(&what);
            let wanted = [wants("group.groups"), wants("group.apps"), wants("group.pods")];
            ok(&shown(group, wanted))
        }
        "pods" if id == "::status" => {
            let all: Vec<Value> = state.root.all_pods().values().map(|pod| status(pod)).collect();
            ok(&all.into())
        }
        "pods" if id.is_empty() => {
            let all: Vec<Value> =
                state.root.all_pods().values().map(|pod| Value::clone(pod)).collect();
            ok(&all.into())
        }
        "pods" => {
            let id = canonical(&id, "/")?;
            let pod = state.root.pod(&id).ok_or_else(|| Problem::not_there("Pod", &id))?;
            ok(pod)
        }
        "deployments" if id.is_empty() => {
            let all: Vec<Value> =
                state.deployments.iter().map(|deployment| deployment.shown()).collect();
            ok(&all.into())
        }
        "queue" => {
            let apps = state.root.all_apps();
            let waiting = apps.values().filter(|app| super::app::is_stuck(app));
            let waiting: Vec<Value> = waiting
                .map(|app| json!({ "app": Value::clone(app), "count": app["instances"] }))
                .collect();
            ok(&json!({ "queue": waiting }))
        }
        "tasks" => ok(&json!({ "tasks": [] })),
        _ => Err(Problem::no_route()),
    }
}

/// `AppInfo` with what is embedded by default.
fn with_counts(state: &State, app: &Value) -> Value {
    let mut shown = app.clone();
    let running = state
        .deployments
        .iter()
        .filter(|it| app["id"].as_str().is_some_and(|id| it.apps.contains(id)));
    let running: Vec<Value> = running.map(|it| json!({ "id": it.id })).collect();
    let count = if running.is_empty() { app["instances"].clone() } else { 0.into() };
    for (key, value) in [
        ("tasksRunning", count),
        ("tasksStaged", 0.into()),
        ("tasksHealthy", 0.into()),
        ("tasksUnhealthy", 0.into()),
    ] {
        shown[key] = value;
    }
    shown["deployments"] = running.into();
    shown
}

/// `GroupInfo`.
fn shown(group: &Group, wanted: [bool; 3]) -> Value {
    let mut shown = json!({
        "id": group.id, "dependencies": group.dependencies, "version": stamp(group.version), "enforceRole": group.enforce_role,
    });
    let [groups, apps, pods] = wanted;
    if groups {
        shown["groups"] = group.groups.values().map(|group| self::shown(group, wanted)).collect();
    }
    if apps {
        shown["apps"] = group.apps.values().map(|app| Value::clone(app)).collect();
    }
    if pods {
        shown["pods"] = group.pods.values().map(|pod| status(pod)).collect();
    }
    shown
}

/// `PodStatus`.
fn status(pod: &Value) -> Value {
    let since = &pod["version"];
    json!({
        "id": pod["id"], "spec": pod, "status": "STABLE", "statusSince": since, "lastUpdated": since, "lastChanged": since,
        "instances": [], "terminationHistory": [],
    })
}
