//! What becomes of definitions and groups when the tree gets a new version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::app;
use super::change::stamp;
use super::problem::Problem;
use super::tree::{Group, canonical, parent};

/// Ids of what came, went or is another.
pub fn differing(
    before: &BTreeMap<&str, &Arc<Value>>,
    after: &BTreeMap<&str, &Arc<Value>>,
) -> BTreeSet<String> {
    let ids = before.keys().chain(after.keys());
    let differs = |id: &&&str| match (before.get(**id), after.get(**id)) {
        (Some(before), Some(after)) => !is_same(before, after),
        _ => true,
    };
    ids.filter(differs).map(|id| (*id).to_owned()).collect()
}

/// Whether they define the same, whenever that was written.
fn is_same(one: &Arc<Value>, other: &Arc<Value>) -> bool {
    let of = |it: &Arc<Value>| {
        let mut it = it.as_object().cloned().unwrap_or_default();
        it.retain(|key, _| key != "version" && key != "versionInfo");
        it
    };
    Arc::ptr_eq(one, other) || of(one) == of(other)
}

/// What is as it was keeps its version; all others get this one.
pub fn settle(group: &mut Group, old: &Group, at: i64) {
    let lists = [(&mut group.apps, true), (&mut group.pods, false)];
    for (definitions, is_app) in lists {
        for (id, one) in definitions {
            let before = if is_app { old.app(id) } else { old.pod(id) };
            match before {
                Some(before) if is_same(before, one) => *one = Arc::clone(before),
                _ => {
                    let mut dated = Value::clone(one);
                    dated["version"] = stamp(at).into();
                    if is_app {
                        dated["versionInfo"] =
                            json!({ "lastScalingAt": stamp(at), "lastConfigChangeAt": stamp(at) });
                    }
                    *one = Arc::new(dated);
                }
            }
        }
    }
    group.groups.values_mut().for_each(|below| settle(below, old, at));
}

/// A group after a `GroupUpdate`: lists that are not given stay as they are, and pods always do.
pub fn updated(
    body: &Map<String, Value>,
    id: &str,
    there: Option<&Group>,
    at: i64,
    path: &str,
    (root, port): (&Group, &mut u64),
) -> Result<Group, Problem> {
    let mut group = there.cloned().unwrap_or_else(|| Group::new(id, at));
    group.version = at;
    let list = |key: &str| match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => Err(Problem::wrong_type(&format!("{path}/{key}"), "array")),
    };
    if let Some(apps) = list("apps")? {
        group.apps.clear();
        for (number, given) in apps.iter().enumerate() {
            let path = format!("{path}/apps({number})");
            let made = app::complete(app::known(given, &path)?, id, &path, root, port)?;
            group.apps.insert(made["id"].as_str().unwrap_or_default().to_owned(), Arc::new(made));
        }
    }
    if let Some(groups) = list("groups")? {
        let before = std::mem::take(&mut group.groups);
        for (number, given) in groups.iter().enumerate() {
            let path = format!("{path}/groups({number})");
            let below = given.as_object().ok_or_else(|| Problem::wrong_type(&path, "object"))?;
            let named = below.get("id").and_then(Value::as_str);
            let named =
                named.ok_or_else(|| Problem::wrong_type(&format!("{path}/id"), "string"))?;
            let below_id = canonical(named, id)?;
            if parent(&below_id) != id {
                let error = format!(
                    "identifier {below_id} is not child of {id}. Hint: use relative paths."
                );
                return Err(Problem::invalid(&format!("{path}/id"), &error));
            }
            let made =
                updated(below, &below_id, before.get(&below_id), at, &path, (root, &mut *port))?;
            group.groups.insert(below_id, made);
        }
    }
    if let Some(needs) = list("dependencies")? {
        let text = |need: &Value| {
            need.as_str()
                .map(str::to_owned)
                .ok_or_else(|| Problem::wrong_type(&format!("{path}/dependencies"), "string"))
        };
        let needs = needs.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        group.dependencies =
            needs.iter().map(|need| canonical(need, id)).collect::<Result<_, _>>()?;
    }
    group.enforce_role = body.get("enforceRole").and_then(Value::as_bool).unwrap_or_default();
    Ok(group)
}
