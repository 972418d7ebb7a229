//! Hot backups: `/_admin/backup`. What is kept is that they were made.

use serde_json::{Value, json};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, result};
use crate::arangodb::refused::{Outcome, Refused};

pub fn answer(inner: &mut Inner, call: &Call<'_>, action: &str) -> Outcome {
    if call.method != "POST" {
        return Err(Refused::no_method());
    }
    let body = call.object()?;
    let id = body.get("id").and_then(Value::as_str);
    let known = |inner: &Inner| match id {
        Some(id) if inner.state.backups.contains_key(id) => Ok(id.to_owned()),
        Some(_) => Err(Refused::new(404, 7006, "no such backup")),
        None => Err(Refused::bad("expecting 'id'")),
    };
    match action {
        "create" => {
            let label = body.get("label").and_then(Value::as_str).unwrap_or("unlabelled");
            let id = format!("2026-11-22T00.00.00Z.{}_{label}", inner.state.tick());
            let value = json!({ "id": id, "version": "3.12.5", "potentiallyInconsistent": false,
                "available": true, "nrDBServers": 1, "nrFiles": 1, "sizeInBytes": 1, "datetime": "2026-11-22T00:00:00Z",
                "keys": [], "nrPiecesPresent": 1 });
            inner.commit(&json!({ "op": "backup", "id": id, "value": value }))?;
            Ok(result(
                201,
                json!({ "id": id, "potentiallyInconsistent": false, "sizeInBytes": 1,
                "nrDBServers": 1, "nrFiles": 1, "datetime": "2026-11-22T00:00:00Z" }),
            ))
        }
        "list" => {
            let list = match id {
                Some(_) => {
                    let id = known(inner)?;
                    json!({ id.clone(): inner.state.backups[&id] })
                }
                None => inner
                    .state
                    .backups
                    .clone()
                    .into_iter()
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            };
            Ok(result(200, json!({ "list": list })))
        }
        "delete" => {
            let id = known(inner)?;
            inner.commit(&json!({ "op": "backup", "id": id, "value": null }))?;
            Ok(result(200, json!({})))
        }
        _ => Err(Refused::new(501, 9, "this stand-in only makes, lists and deletes backups")),
    }
}
