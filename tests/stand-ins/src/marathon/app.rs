//! Applications: `types/app.raml`.

use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::tree::{Group, canonical};
use super::{CPUS_MAX, DEFINITION_BYTES_MAX};

/// Properties and their types. Others are not kept.
const PROPERTIES: [(&str, &str); 42] = [
    ("id", "string"),
    ("acceptedResourceRoles", "array"),
    ("args", "array"),
    ("backoffFactor", "number"),
    ("backoffSeconds", "number"),
    ("check", "object"),
    ("cmd", "string"),
    ("constraints", "array"),
    ("container", "object"),
    ("cpus", "number"),
    ("dependencies", "array"),
    ("disk", "number"),
    ("env", "object"),
    ("executor", "string"),
    ("executorResources", "object"),
    ("fetch", "array"),
    ("gpus", "number"),
    ("healthChecks", "array"),
    ("instances", "number"),
    ("ipAddress", "object"),
    ("killSelection", "string"),
    ("labels", "object"),
    ("maxLaunchDelaySeconds", "number"),
    ("mem", "number"),
    ("networks", "array"),
    ("portDefinitions", "array"),
    ("ports", "array"),
    ("readinessChecks", "array"),
    ("requirePorts", "boolean"),
    ("residency", "object"),
    ("resourceLimits", "object"),
    ("role", "string"),
    ("secrets", "object"),
    ("taskKillGracePeriodSeconds", "number"),
    ("tty", "boolean"),
    ("unreachableStrategy", "object"),
    ("upgradeStrategy", "object"),
    ("uris", "array"),
    ("user", "string"),
    ("version", "string"),
    ("versionInfo", "object"),
    ("deployments", "array"),
];
/// Left out of an answer when they are empty (`pragma.omitEmpty`).
const OMIT_EMPTY: [&str; 10] = [
    "args",
    "constraints",
    "dependencies",
    "env",
    "fetch",
    "healthChecks",
    "labels",
    "readinessChecks",
    "secrets",
    "residency",
];

/// The properties of `given` that there are.
pub fn known(given: &Value, path: &str) -> Result<Map<String, Value>, Problem> {
    let given = given.as_object().ok_or_else(|| Problem::wrong_type(path, "object"))?;
    let mut app = Map::new();
    for (key, kind) in PROPERTIES {
        let Some(value) = given.get(key).filter(|value| !value.is_null()) else { continue };
        let fits = match kind {
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "boolean" => value.is_boolean(),
            _ => value.is_number(),
        };
        if !fits {
            return Err(Problem::wrong_type(&format!("{path}/{key}"), kind));
        }
        app.insert(key.to_owned(), value.clone());
    }
    for key in ["version", "versionInfo", "deployments"] {
        app.remove(key);
    }
    Ok(app)
}

/// The application as it is kept: valid, with an absolute id and all defaults. A service port that is left to Marathon is the
/// one that it has in `root`, or the next one.
pub fn complete(
    mut app: Map<String, Value>,
    base: &str,
    path: &str,
    root: &Group,
    port: &mut u64,
) -> Result<Value, Problem> {
    let at = |key: &str| format!("{path}/{key}");
    let id = app
        .get("id")
        .and_then(Value::as_str)
        .ok_or_else(|| Problem::invalid(&at("id"), "must not be empty"))?;
    let absolute = canonical(id, base)?;
    if absolute == "/" {
        return Err(Problem::invalid(&at("id"), "must not be root"));
    }
    let inside = if base == "/" {
        absolute.rfind('/') == Some(0)
    } else {
        absolute.starts_with(&format!("{base}/"))
    };
    if !inside && !path.is_empty() {
        let error =
            format!("identifier {absolute} is not child of {base}. Hint: use relative paths.");
        return Err(Problem::invalid(&at("id"), &error));
    }
    let home = super::tree::parent(&absolute);
    app.insert("id".to_owned(), absolute.into());
    check(&app, path)?;
    for (old, new) in [("uris", "fetch"), ("ports", "portDefinitions")] {
        if let Some(values) = app.remove(old) {
            let made = |value: &Value| {
                if old == "uris" {
                    json!({ "uri": value })
                } else {
                    json!({ "port": value, "protocol": "tcp" })
                }
            };
            let made: Vec<Value> = values.as_array().into_iter().flatten().map(made).collect();
            app.insert(new.to_owned(), made.into());
        }
    }
    for need in app.get_mut("dependencies").and_then(Value::as_array_mut).into_iter().flatten() {
        *need = canonical(
            need.as_str().ok_or_else(|| Problem::wrong_type(&at("dependencies"), "string"))?,
            &home,
        )?
        .into();
    }
    let defaults = json!({
        "backoffFactor": 1.15, "backoffSeconds": 1, "cpus": 1, "disk": 0, "executor": "", "gpus": 0, "instances": 1,
        "killSelection": "YOUNGEST_FIRST", "maxLaunchDelaySeconds": 300, "mem": 128, "networks": [{ "mode": "host" }],
        "portDefinitions": [{ "name": "default", "port": 0, "protocol": "tcp" }], "requirePorts": false,
        "unreachableStrategy": { "expungeAfterSeconds": 0, "inactiveAfterSeconds": 0 },
        "upgradeStrategy": { "maximumOverCapacity": 1, "minimumHealthCapacity": 1 },
    });
    app.entry("role").or_insert_with(|| root.default_role(&home).into());
    for (key, value) in defaults.as_object().into_iter().flatten() {
        app.entry(key.as_str()).or_insert_with(|| value.clone());
    }
    let there = root.app(app.get("id").and_then(Value::as_str).unwrap_or_default());
    let had = |number: usize| {
        there.and_then(|it| it.pointer(&format!("/portDefinitions/{number}/port"))).cloned()
    };
    let ports = app.get_mut("portDefinitions").and_then(Value::as_array_mut);
    for (number, definition) in ports.into_iter().flatten().enumerate() {
        if definition.get("port").and_then(Value::as_u64) == Some(0) {
            definition["port"] = had(number).unwrap_or_else(|| {
                *port += 1;
                (*port - 1).into()
            });
        }
    }
    app.retain(|key, value| {
        let is_empty = value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        !(is_empty && OMIT_EMPTY.contains(&key.as_str()))
    });
    Ok(Value::Object(app))
}

/// `AppValidation`.
fn check(app: &Map<String, Value>, path: &str) -> Result<(), Problem> {
    let wrong = |key: &str, error: &str| Err(Problem::invalid(&format!("{path}/{key}"), error));
    let has = |key: &str| app.contains_key(key);
    if has("cmd") && has("args") || !(has("cmd") || has("args") || has("container")) {
        return wrong(
            "",
            "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.",
        );
    }
    if has("ports") && has("portDefinitions") {
        return wrong("", "cannot specify both ports and port definitions");
    }
    if has("uris") && has("fetch") {
        return wrong("", "cannot specify both uris and fetch fields");
    }
    for key in ["cpus", "mem", "disk", "gpus", "instances"] {
        if app.get(key).and_then(Value::as_f64).is_some_and(|value| value < 0.0) {
            return wrong(key, "got a negative number, expected 0 or more");
        }
    }
    if app.get("instances").is_some_and(|value| value.as_u64().is_none()) {
        return Err(Problem::wrong_type(&format!("{path}/instances"), "integer"));
    }
    for key in ["minimumHealthCapacity", "maximumOverCapacity"] {
        let value = app.get("upgradeStrategy").and_then(|it| it.get(key)).and_then(Value::as_f64);
        if value.is_some_and(|value| value > 1.0) {
            return wrong(&format!("upgradeStrategy/{key}"), "is greater than 1");
        }
    }
    for (key, value) in app.get("labels").and_then(Value::as_object).into_iter().flatten() {
        if !value.is_string() {
            return Err(Problem::wrong_type(&format!("{path}/labels/{key}"), "string"));
        }
    }
    for (key, value) in app.get("env").and_then(Value::as_object).into_iter().flatten() {
        let secret = value.get("secret").and_then(Value::as_str);
        let is_defined = |name| app.get("secrets").and_then(|it| it.get(name)).is_some();
        if !(value.is_string() || secret.is_some_and(is_defined)) {
            return wrong(&format!("env({key})"), "references an undefined secret, or is no text");
        }
    }
    if serde_json::to_vec(app).map_or(0, |text| text.len()) > DEFINITION_BYTES_MAX {
        return Err(Problem::too_large());
    }
    Ok(())
}

/// Whether no machine could run it.
pub fn is_stuck(app: &Value) -> bool {
    let number = |key: &str| app.get(key).and_then(Value::as_f64).unwrap_or_default();
    number("instances") > 0.0 && number("cpus") > CPUS_MAX
}
