//! Pods: `types/pod.raml`.

use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::tree::{Group, canonical};
use super::{CPUS_MAX, DEFINITION_BYTES_MAX};

const PROPERTIES: [(&str, bool); 14] = [
    ("id", false),
    ("labels", true),
    ("user", false),
    ("environment", true),
    ("containers", false),
    ("secrets", true),
    ("volumes", false),
    ("networks", false),
    ("scaling", true),
    ("scheduling", true),
    ("executorResources", true),
    ("linuxInfo", true),
    ("role", false),
    ("legacySharedCgroups", false),
];

/// The pod as it is kept: valid, with an absolute id and all defaults.
pub fn complete(given: &Value, root: &Group) -> Result<Value, Problem> {
    let given = given.as_object().ok_or_else(|| Problem::wrong_type("", "object"))?;
    let mut pod = Map::new();
    for (key, is_object) in PROPERTIES {
        let Some(value) = given.get(key).filter(|value| !value.is_null()) else { continue };
        if is_object && !value.is_object() {
            return Err(Problem::wrong_type(&format!("/{key}"), "object"));
        }
        pod.insert(key.to_owned(), value.clone());
    }
    let id = pod
        .get("id")
        .and_then(Value::as_str)
        .ok_or_else(|| Problem::wrong_type("/id", "string"))?;
    let id = canonical(id, "/")?;
    pod.entry("role").or_insert_with(|| root.default_role(&id).into());
    pod.insert("id".to_owned(), id.into());
    let containers = pod.get("containers").and_then(Value::as_array);
    let containers = containers.ok_or_else(|| Problem::wrong_type("/containers", "array"))?;
    if containers.is_empty() {
        return Err(Problem::invalid("/containers", "must not be empty"));
    }
    for (number, container) in containers.iter().enumerate() {
        for key in ["name", "resources"] {
            if container.get(key).is_none() {
                return Err(Problem::invalid(
                    &format!("/containers({number})/{key}"),
                    "not defined",
                ));
            }
        }
    }
    let defaults = json!({
        "executorResources": { "cpus": 0.1, "disk": 10, "mem": 32 }, "legacySharedCgroups": false,
        "networks": [{ "mode": "host" }], "scaling": { "instances": 1, "kind": "fixed" },
        "scheduling": {
            "backoff": { "backoff": 1, "backoffFactor": 1.15, "maxLaunchDelay": 300 }, "killSelection": "YOUNGEST_FIRST",
            "placement": { "constraints": [] }, "upgrade": { "maximumOverCapacity": 1, "minimumHealthCapacity": 1 },
        },
    });
    for (key, value) in defaults.as_object().into_iter().flatten() {
        pod.entry(key.as_str()).or_insert_with(|| value.clone());
    }
    let pod = Value::Object(pod);
    if serde_json::to_vec(&pod).map_or(0, |text| text.len()) > DEFINITION_BYTES_MAX {
        return Err(Problem::too_large());
    }
    Ok(pod)
}

/// Whether no machine could run it.
pub fn is_stuck(pod: &Value) -> bool {
    let instances = pod.pointer("/scaling/instances").and_then(Value::as_u64).unwrap_or_default();
    let containers = pod.get("containers").and_then(Value::as_array).into_iter().flatten();
    let cpus: f64 = containers.filter_map(|it| it.pointer("/resources/cpus")?.as_f64()).sum();
    instances > 0 && cpus > CPUS_MAX
}
