//! Users, their grants, and who is asking. Users are documents of `_users`, with salted hashes of their passwords.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::arangodb::Inner;
use crate::arangodb::call::{Call, result, success};
use crate::arangodb::refused::{Outcome, Refused};
use crate::arangodb::state::{SYSTEM, State};
use crate::service::Answer;

const USERS: &str = "_users";

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A user as it is kept in `_users`.
pub fn document(name: &str, password: &str, is_active: bool, extra: &Value) -> Value {
    let salt = sha256(&format!("{name}{:?}", std::time::SystemTime::now()))[..8].to_owned();
    let hash = sha256(&format!("{salt}{password}"));
    let databases = if name == "root" {
        json!({ "*": { "permissions": { "read": true, "write": true },
            "collections": { "*": { "permissions": { "read": true, "write": true } } } } })
    } else {
        json!({})
    };
    json!({
        "user": name, "source": "LOCAL", "databases": databases, "userData": extra,
        "authData": { "active": is_active, "simple": { "hash": hash, "salt": salt, "method": "sha256" } },
    })
}

fn put(state: &mut State, key: &str, document: &Value) -> Value {
    let revision = state.tick();
    json!({ "op": "documents", "db": SYSTEM, "c": USERS, "documents": [[key, revision, document.to_string()]] })
}

/// The change that adds a user.
pub fn insertion(state: &mut State, document: &Value) -> Value {
    let key = state.tick().to_string();
    put(state, &key, document)
}

/// Key and document of a user.
fn find(state: &State, name: &str) -> Option<(String, Value)> {
    let users = state.databases.get(SYSTEM)?.collections.get(USERS)?;
    users.documents.by_revision.values().find_map(|document| {
        let value: Value = serde_json::from_str(&document.body).ok()?;
        (value["user"] == name).then(|| (document.key.clone(), value))
    })
}

fn check(inner: &mut Inner, name: &str, password: &str) -> Outcome<()> {
    let (_, user) = find(&inner.state, name).ok_or_else(Refused::unauthorized)?;
    let simple = &user["authData"]["simple"];
    let salted = format!("{}{password}", simple["salt"].as_str().unwrap_or_default());
    let is_right = inner.sessions.known.contains(&format!("{salted}{}", simple["hash"]))
        || simple["hash"] == sha256(&salted);
    if !is_right || user["authData"]["active"] != true {
        return Err(Refused::unauthorized());
    }
    inner.sessions.known.insert(format!("{salted}{}", simple["hash"]));
    Ok(())
}

/// The user who asks.
pub fn authenticate(inner: &mut Inner, call: &Call<'_>) -> Outcome<String> {
    let header = call.request.header("authorization").ok_or_else(Refused::unauthorized)?;
    let (scheme, value) = header.split_once(' ').ok_or_else(Refused::unauthorized)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        let known = inner.sessions.tokens.iter().find(|(token, _)| token == value.trim());
        return known.map(|(_, user)| user.clone()).ok_or_else(Refused::unauthorized);
    }
    let pair = STANDARD.decode(value.trim()).ok().and_then(|it| String::from_utf8(it).ok());
    let pair = pair.ok_or_else(Refused::unauthorized)?;
    let (name, password) = pair.split_once(':').ok_or_else(Refused::unauthorized)?;
    check(inner, name, password)?;
    Ok(name.to_owned())
}

/// What a user may do in a database: 0 nothing, 1 read, 2 write.
fn level(state: &State, user: &str, database: &str) -> u8 {
    let Some((_, user)) = find(state, user) else { return 0 };
    let grants = &user["databases"];
    let grant = grants.get(database).or_else(|| grants.get("*"));
    let is = |key: &str| grant.is_some_and(|grant| grant["permissions"][key] == true);
    u8::from(is("read")) + u8::from(is("write"))
}

/// Everything but reading needs to write, and the rest needs to read.
pub fn authorize(inner: &Inner, call: &Call<'_>, user: &str) -> Outcome<()> {
    let is_own =
        call.path.get(1).is_some_and(|it| it == "user" || it == "database" || it == "version");
    let is_reading = matches!(call.method, "GET" | "HEAD")
        || call.path.get(1).is_some_and(|it| it == "cursor" || it == "dump")
        || (call.path.get(2).is_some_and(|it| it == "batch"));
    let needed = if is_reading { 1 } else { 2 };
    if is_own && is_reading || level(&inner.state, user, &call.database) >= needed {
        return Ok(());
    }
    Err(Refused::forbidden())
}

/// `POST /_open/auth`.
pub fn log_in(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    check(inner, text("username"), text("password"))?;
    let encode =
        |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let head = encode(&json!({ "alg": "HS256", "typ": "JWT" }));
    let claims = encode(&json!({ "preferred_username": text("username"), "iss": "arangodb",
        "exp": now + 3600, "iat": now, "n": inner.state.tick() }));
    let token = format!("{head}.{claims}.{}", &sha256(&claims)[..43]);
    inner.sessions.tokens.push((token.clone(), text("username").to_owned()));
    Ok(Answer::json(200, &json!({ "jwt": token })))
}

fn shown(user: &Value) -> Value {
    let extra = if user["userData"].is_object() { user["userData"].clone() } else { json!({}) };
    json!({ "user": user["user"], "active": user["authData"]["active"], "extra": extra })
}

fn is_granting(permissions: &Value) -> &'static str {
    match (permissions["read"].as_bool(), permissions["write"].as_bool()) {
        (_, Some(true)) => "rw",
        (Some(true), _) => "ro",
        _ => "none",
    }
}

fn permissions(grant: &str) -> Outcome<Value> {
    match grant {
        "rw" => Ok(json!({ "read": true, "write": true })),
        "ro" => Ok(json!({ "read": true, "write": false })),
        "none" => Ok(json!({ "read": false, "write": false })),
        _ => Err(Refused::bad("expecting 'rw', 'ro' or 'none'")),
    }
}

/// `/_api/user`.
pub fn answer(inner: &mut Inner, call: &Call<'_>) -> Outcome {
    let rest = call.rest();
    let unknown = || Refused::new(404, 1703, "user not found");
    match (call.method, rest.as_slice()) {
        ("GET", []) => {
            let users = &inner.state.databases[SYSTEM].collections[USERS].documents;
            let all = users.by_revision.values();
            let all = all.filter_map(|it| serde_json::from_str::<Value>(&it.body).ok());
            Ok(result(200, all.map(|user| shown(&user)).collect()))
        }
        ("POST", []) => create(inner, &call.object()?),
        (method, [name]) => {
            let (key, mut user) = find(&inner.state, name).ok_or_else(unknown)?;
            match method {
                "GET" => Ok(success(200, shown(&user))),
                "DELETE" => {
                    inner.commit(
                        &json!({ "op": "documents", "db": SYSTEM, "c": USERS, "remove": [key] }),
                    )?;
                    Ok(success(202, json!({})))
                }
                "PUT" | "PATCH" => {
                    change(&mut user, &call.object()?, method == "PUT");
                    let change = put(&mut inner.state, &key, &user);
                    inner.commit(&change)?;
                    Ok(success(200, shown(&user)))
                }
                _ => Err(Refused::no_method()),
            }
        }
        (_, [name, "database", path @ ..]) => {
            let (key, user) = find(&inner.state, name).ok_or_else(unknown)?;
            grants(inner, call, &key, user, path)
        }
        _ => Err(Refused::unknown_path(&call.shown())),
    }
}

fn create(inner: &mut Inner, body: &Map<String, Value>) -> Outcome {
    let name = body.get("user").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refused::new(400, 1700, "invalid user name"))?;
    if find(&inner.state, name).is_some() {
        return Err(Refused::new(409, 1702, "duplicate user"));
    }
    let password = body.get("passwd").and_then(Value::as_str).unwrap_or_default();
    let is_active = body.get("active").and_then(Value::as_bool).unwrap_or(true);
    let user = document(name, password, is_active, body.get("extra").unwrap_or(&Value::Null));
    let change = insertion(&mut inner.state, &user);
    inner.commit(&change)?;
    Ok(success(201, shown(&user)))
}

fn change(user: &mut Value, body: &Map<String, Value>, is_replacing: bool) {
    let name = user["user"].as_str().unwrap_or_default().to_owned();
    if let Some(password) = body.get("passwd").and_then(Value::as_str) {
        user["authData"] = document(&name, password, true, &Value::Null)["authData"].clone();
    }
    let active = body.get("active").cloned();
    if let Some(active) = active.or(is_replacing.then_some(Value::Bool(true))) {
        user["authData"]["active"] = active;
    }
    if let Some(extra) = body.get("extra").cloned().or(is_replacing.then(|| json!({}))) {
        user["userData"] = extra;
    }
}

fn grants(
    inner: &mut Inner,
    call: &Call<'_>,
    key: &str,
    mut user: Value,
    path: &[&str],
) -> Outcome {
    let place = match path {
        [] if call.method == "GET" => {
            return Ok(result(200, overview(&inner.state, &user, call.flag("full"))));
        }
        [database] => user["databases"].get(*database).map(|it| it["permissions"].clone()),
        [database, collection] => user["databases"]
            .get(*database)
            .and_then(|it| Some(it["collections"].get(*collection)?["permissions"].clone())),
        _ => return Err(Refused::unknown_path(&call.shown())),
    };
    let database = path[0];
    match call.method {
        "GET" => {
            let general = || user["databases"]["*"]["permissions"].clone();
            return Ok(result(200, is_granting(&place.unwrap_or_else(general)).into()));
        }
        "PUT" => {
            let body = call.object()?;
            let grant = permissions(body.get("grant").and_then(Value::as_str).unwrap_or_default())?;
            if !user["databases"].is_object() {
                user["databases"] = json!({});
            }
            let entry = &mut user["databases"][database];
            if !entry.is_object() {
                *entry = json!({ "permissions": { "undefined": true }, "collections": {} });
            }
            match path.get(1) {
                Some(collection) => {
                    entry["collections"][*collection] = json!({ "permissions": grant })
                }
                None => entry["permissions"] = grant,
            }
        }
        "DELETE" => {
            let collections = |user: &mut Value| user["databases"][database]["collections"].take();
            if let Some(collection) = path.get(1) {
                let mut left = collections(&mut user);
                left.as_object_mut().map(|left| left.remove(*collection));
                user["databases"][database]["collections"] = left;
            } else if let Some(databases) = user["databases"].as_object_mut() {
                databases.remove(database);
            }
        }
        _ => return Err(Refused::no_method()),
    }
    let change = put(&mut inner.state, key, &user);
    inner.commit(&change)?;
    let status = if call.method == "PUT" { 200 } else { 202 };
    let granted = call.object()?.get("grant").cloned().unwrap_or_default();
    let name = path.join("/");
    Ok(success(status, json!({ name: granted })))
}

/// Every database with what the user may do there.
fn overview(state: &State, user: &Value, is_full: bool) -> Value {
    let mut all = Map::new();
    let grants = user["databases"].as_object().cloned().unwrap_or_default();
    let general = grants.get("*").map(|it| it["permissions"].clone());
    let mut names: Vec<String> = state.databases.keys().cloned().collect();
    names.extend(grants.contains_key("*").then(|| "*".to_owned()));
    for name in names {
        let own = grants.get(&name);
        let permissions = own.map(|it| it["permissions"].clone()).or_else(|| general.clone());
        let permission = is_granting(&permissions.unwrap_or_default());
        if !is_full {
            if permission != "none" {
                all.insert(name, permission.into());
            }
            continue;
        }
        let mut collections = Map::new();
        let own = own.and_then(|own| own["collections"].as_object().cloned()).unwrap_or_default();
        for (collection, grant) in own {
            collections.insert(collection, is_granting(&grant["permissions"]).into());
        }
        if !collections.contains_key("*") {
            collections.insert("*".to_owned(), "undefined".into());
        }
        all.insert(name, json!({ "permission": permission, "collections": collections }));
    }
    all.into()
}
