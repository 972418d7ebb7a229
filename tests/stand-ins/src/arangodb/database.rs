//! `/_api/database`.

use serde_json::{Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, result};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::SYSTEM;

/// <https://docs.arangodb.com/stable/concepts/data-structure/databases/#database-names>, extended names allowed.
fn is_legal(name: &str) -> bool {
    let first = name.chars().next().unwrap_or('0');
    !name.is_empty()
        && name.len() <= 128
        && !first.is_ascii_digit()
        && !"_.".contains(first)
        && !name.chars().any(|it| it.is_control() || "/:".contains(it))
        && name.trim() == name
}

pub fn answer(inner: &mut Inner, call: &Call<'_>, user: &str) -> Outcome {
    let rest = call.rest();
    match (call.method, rest.as_slice()) {
        ("GET", ["current"]) => {
            let database = call.database_of(&inner.state)?;
            let mut shown = json!({ "name": call.database, "id": database.id, "path": "",
                "isSystem": call.database == SYSTEM });
            let options = database.options.as_object().cloned().unwrap_or_default();
            for (key, value) in options {
                shown[key] = value;
            }
            Ok(result(200, shown))
        }
        ("GET", ["user"]) => Ok(result(200, names(inner))),
        _ if call.database != SYSTEM => {
            Err(Refused::new(403, 1230, "operation only allowed in system database"))
        }
        ("GET", []) => Ok(result(200, names(inner))),
        ("POST", []) => create(inner, call, user),
        ("DELETE", [name]) => {
            if *name == SYSTEM {
                return Err(Refused::forbidden());
            }
            if !inner.state.databases.contains_key(*name) {
                return Err(Refused::no_database());
            }
            inner.commit(&json!({ "op": "drop-database", "db": name }))?;
            Ok(result(200, Value::Bool(true)))
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

fn names(inner: &Inner) -> Value {
    inner.state.databases.keys().cloned().collect()
}

fn create(inner: &mut Inner, call: &Call<'_>, _user: &str) -> Outcome {
    let body = call.object()?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    if !is_legal(name) {
        return Err(Refused::new(400, 1229, "database name invalid"));
    }
    if inner.state.databases.contains_key(name) {
        return Err(Refused::duplicate_name(name));
    }
    let mut options = json!({ "sharding": "", "replicationFactor": 1, "writeConcern": 1 });
    for (key, value) in body.get("options").and_then(Value::as_object).into_iter().flatten() {
        if options.get(key).is_some() {
            options[key] = value.clone();
        }
    }
    let changes = inner.state.database_changes(name, &options);
    changes.iter().try_for_each(|change| inner.commit(change))?;
    Ok(result(201, Value::Bool(true)))
}
