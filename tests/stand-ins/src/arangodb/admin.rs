//! Who the server is and how it is.

use serde_json::{Value, json};

use crate::arangodb::call::{Call, result, success};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::shard::SERVERS;
use crate::arangodb::{Arango, Inner, backup, shard};
use crate::service::Answer;

pub fn answer(server: &Arango, inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    if let ["_admin", "backup", action] = path.as_slice() {
        return backup::answer(inner, call, action);
    }
    if call.method != "GET" {
        return Err(Refused::no_method());
    }
    match path.as_slice() {
        ["_api", "version"] | ["_admin", "version"] => {
            let mut body =
                json!({ "server": "arango", "license": "community", "version": server.version });
            if call.flag("details") {
                body["details"] = json!({ "architecture": "64bit", "mode": "server", "host": "stand-in",
                    "role": role(server) });
            }
            Ok(Answer::json(200, &body))
        }
        ["_api", "engine"] => Ok(Answer::json(200, &json!({ "name": "rocksdb", "supports": {} }))),
        ["_admin", "server", "role"] => {
            Ok(success(200, json!({ "role": role(server), "errorNum": 0 })))
        }
        ["_admin", "server", "id"] if server.is_cluster => {
            Ok(success(200, json!({ "id": "CRDN-1" })))
        }
        ["_admin", "server", "mode"] => Ok(success(200, json!({ "mode": "default" }))),
        ["_admin", "server", "availability"] => Ok(success(200, json!({ "mode": "default" }))),
        ["_admin", "status"] => Ok(Answer::json(
            200,
            &json!({ "server": "arango", "license": "community",
            "version": server.version, "mode": "server", "foxxApi": false,
            "serverInfo": { "role": role(server), "maintenance": false, "readOnly": false } }),
        )),
        ["_api", "cluster", "endpoints"] if server.is_cluster => {
            let host = call.request.header("host").unwrap_or("127.0.0.1");
            Ok(success(200, json!({ "endpoints": [{ "endpoint": format!("http://{host}") }] })))
        }
        ["_admin", "cluster", "health"] if server.is_cluster => Ok(health(server)),
        ["_admin", "cluster", "shardDistribution"] if server.is_cluster => {
            Ok(result(200, shard::distribution(call.database_of(&inner.state)?)))
        }
        ["_api" | "_admin", "cluster", ..] => {
            Err(Refused::new(501, 9, "only allowed on coordinators"))
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

fn role(server: &Arango) -> &'static str {
    if server.is_cluster { "COORDINATOR" } else { "SINGLE" }
}

fn health(server: &Arango) -> Answer {
    let mut all = serde_json::Map::new();
    let entry = |role: &str| {
        json!({ "Role": role, "Status": "GOOD", "SyncStatus": "SERVING", "Version": server.version,
            "Engine": "rocksdb", "CanBeDeleted": false, "Endpoint": "tcp://127.0.0.1:8530" })
    };
    all.insert("CRDN-1".to_owned(), entry("Coordinator"));
    for name in SERVERS {
        all.insert(name.to_owned(), entry("DBServer"));
    }
    let agent =
        json!({ "Role": "Agent", "Status": "GOOD", "Version": server.version, "Leading": true });
    all.insert("AGNT-1".to_owned(), agent);
    success(200, json!({ "ClusterId": "stand-in", "Health": Value::Object(all) }))
}
