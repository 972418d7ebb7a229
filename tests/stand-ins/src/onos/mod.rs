//! ONOS 2.7, as far as its state is read and written over REST: written from the resources of `org.onosproject.rest` and the codecs of
//! `org.onosproject.codec`. The account is `onos` with the password `rocks`, or what a file `password` in its folder says.

mod applications;
mod intents;
mod network;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::journal::Journal;
use crate::service::{self, Answer, Request, Service};

/// Below this is everything.
const BASE: &str = "/onos/v1/";
const PASSWORD: &str = "rocks";

/// Starts it with what it was told before.
///
/// # Errors
/// When its journal cannot be read.
pub fn start(folder: &Path) -> Result<Box<dyn Service>> {
    let (journal, told) = Journal::open(folder)?;
    let mut state = State::new();
    for value in told {
        let text = |key: &str| value[key].as_str().unwrap_or_default();
        let answer = state.change(text("method"), text("target"), text("body"));
        anyhow::ensure!(answer.status < 300, "{value} was refused: {answer:?}");
    }
    Ok(Box::new(Onos { folder: folder.to_owned(), inner: Mutex::new((state, journal)) }))
}

struct Onos {
    folder: PathBuf,
    inner: Mutex<(State, Journal)>,
}

impl Service for Onos {
    fn answer(&self, request: &Request) -> Result<Answer> {
        let password = std::fs::read_to_string(self.folder.join("password"));
        let password = password.unwrap_or_else(|_| PASSWORD.to_owned());
        let expected = service::basic("onos", password.trim());
        if request.header("authorization") != Some(expected.as_str()) {
            return Ok(Answer::empty(401).with("www-authenticate", "Basic realm=\"karaf\""));
        }
        let Some(target) = request.target.strip_prefix(BASE) else {
            return Ok(error(404, "HTTP 404 Not Found"));
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, journal) = &mut *inner;
        if request.method == "GET" {
            return Ok(state.read(target));
        }
        let body = String::from_utf8(request.body.clone()).context("the body is no text")?;
        if let Some(refused) = wrong_type(request, target) {
            return Ok(refused);
        }
        let answer = state.change(&request.method, target, &body);
        // Of what is refused in part, the rest is done.
        if answer.status < 300 && answer.status != 207 {
            let told = json!({"method": request.method, "target": target, "body": body});
            journal.append(&told)?;
        }
        Ok(answer)
    }
}

/// JAX-RS answers another type than the one of `@Consumes` with 415.
fn wrong_type(request: &Request, target: &str) -> Option<Answer> {
    let kind = request.header("content-type").unwrap_or_default();
    let is_bits = target.split('?').next() == Some("applications");
    let wanted = match (request.method.as_str(), is_bits) {
        ("POST", true) => "application/octet-stream",
        ("POST", false) if !target.ends_with("/active") => "application/json",
        _ => return None,
    };
    (!kind.starts_with(wanted)).then(|| error(415, "HTTP 415 Unsupported Media Type"))
}

/// Everything that it knows.
struct State {
    network: network::Network,
    components: Map<String, Value>,
    applications: applications::Applications,
    intents: intents::Intents,
    hosts: Vec<Value>,
}

impl State {
    fn new() -> Self {
        let components = json!({
            "org.onosproject.fwd.ReactiveForwarding": {"flowTimeout": "10", "flowPriority": "10", "packetOutOnly": "false"},
            "org.onosproject.provider.lldp.impl.LldpLinkProvider": {"enabled": "true", "probeRate": "3000"},
        });
        Self {
            network: network::Network::default(),
            components: components.as_object().cloned().unwrap_or_default(),
            applications: applications::Applications::new(),
            intents: intents::Intents::default(),
            hosts: Vec::new(),
        }
    }

    fn read(&self, target: &str) -> Answer {
        let path = target.split('?').next().unwrap_or_default().trim_end_matches('/');
        let parts: Vec<String> = path.split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let told = match parts.as_slice() {
            ["system"] => {
                json!({"node": "127.0.0.1", "version": "2.7.0", "clusterId": "tested", "nodes": 1,
                "devices": 2, "links": 0, "hosts": self.hosts.len(), "sccs": 2, "flows": 0, "intents": self.intents.count()})
            }
            ["cluster"] => {
                json!({"nodes": [{"id": "n1", "ip": "127.0.0.1", "tcpPort": 9876, "status": "READY"}]})
            }
            ["devices"] => {
                json!({"devices": [device("of:0000000000000001"), device("of:0000000000000002")]})
            }
            ["hosts"] => json!({"hosts": self.hosts}),
            ["links"] => json!({"links": []}),
            ["flows"] => json!({"flows": []}),
            ["groups"] => json!({"groups": []}),
            ["meters"] => json!({"meters": []}),
            ["regions"] => json!({"regions": []}),
            ["mcast"] => json!({"routes": []}),
            ["keys"] => json!({"keys": []}),
            ["ui", "preferences"] => json!({}),
            ["configuration"] => Value::Object(self.components.clone()),
            ["configuration", name] => match self.components.get(*name) {
                Some(found) => json!({*name: found}),
                None => return error(404, "No such component"),
            },
            ["network", "configuration", below @ ..] => return self.network.read(below),
            ["applications", below @ ..] => return self.applications.read(below),
            ["intents", below @ ..] => {
                return self.intents.read(below, target.contains("detail=true"));
            }
            _ => return error(404, "HTTP 404 Not Found"),
        };
        Answer::json(200, &told)
    }

    fn change(&mut self, method: &str, target: &str, body: &str) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.trim_end_matches('/');
        let parts: Vec<String> = path.split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let json = serde_json::from_str::<Value>(body);
        match (method, parts.as_slice(), json) {
            (_, ["applications", below @ ..], _) => {
                self.applications.change(method, below, query, body)
            }
            ("DELETE", ["network", "configuration", below @ ..], _) => self.network.delete(below),
            ("DELETE", ["intents", app, key], _) => {
                self.intents.delete(app, key, &self.applications)
            }
            ("POST", _, Err(_)) => error(400, "Invalid JSON"),
            ("POST", ["network", "configuration", below @ ..], Ok(value)) => {
                self.network.post(below, &value)
            }
            ("POST", ["configuration", name], Ok(value)) => {
                self.configure(name, &value, query.contains("preset=true"))
            }
            ("POST", ["intents"], Ok(value)) => self.intents.post(value, &self.applications),
            ("POST", ["hosts"], Ok(mut value)) => {
                let (Some(mac), Some(vlan)) = (value["mac"].as_str(), value["vlan"].as_str())
                else {
                    return error(400, "mac and vlan are required");
                };
                value["id"] = format!("{mac}/{vlan}").into();
                self.hosts.push(value);
                Answer::empty(201)
            }
            _ => error(405, "HTTP 405 Method Not Allowed"),
        }
    }

    fn configure(&mut self, name: &str, properties: &Value, is_preset: bool) -> Answer {
        let Some(properties) = properties.as_object() else { return error(400, "Invalid JSON") };
        if is_preset {
            let component = self.components.entry(name).or_insert_with(|| json!({}));
            for (key, value) in properties {
                component[key] = value.clone();
            }
            return Answer::empty(200);
        }
        let mut wrong = Vec::new();
        for (key, value) in properties {
            match self.components.get_mut(name).and_then(|it| it.get_mut(key)) {
                Some(held) => *held = text(value).into(),
                None => wrong.push(format!("Property {key} does not exist for {name}")),
            }
        }
        if wrong.is_empty() { Answer::empty(200) } else { partly(&wrong) }
    }
}

/// A switch that it sees.
fn device(id: &str) -> Value {
    json!({"id": id, "type": "SWITCH", "available": true, "role": "MASTER", "driver": "ovs"})
}

/// As Jackson's `asText` shows a value.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the exception mappers answer.
fn error(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"code": status, "message": message}))
}

/// Some of it could not be done.
fn partly(messages: &[String]) -> Answer {
    Answer::json(207, &json!({"code": 207, "message": messages}))
}

/// A component of a path with its `%XX` as bytes.
fn decoded(component: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = component.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code =
            after.get(..2).filter(|_| *first == b'%').and_then(|it| std::str::from_utf8(it).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_onos_refuses_is_refused_with_its_words() {
        let mut state = State::new();
        let mut ask = |method: &str, target: &str, body: Value| {
            let answer = state.change(method, target, &body.to_string());
            (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap_or_default())
        };
        let network = "network/configuration";
        assert_eq!(ask("POST", network, json!({"devices": {"of:1": {"basic": {"a": 1}}}})).0, 200);
        let (status, told) = ask("POST", network, json!({"planets": {}}));
        assert_eq!(
            (status, &told["message"][0]),
            (207, &json!("subjectClassKey 'planets' not found"))
        );
        assert_eq!(ask("POST", "configuration/none", json!({"a": 1})).0, 207);
        assert_eq!(
            ask("POST", "intents", json!({"type": "PathIntent", "appId": "org.onosproject.fwd"})).0,
            400
        );
        let (status, told) =
            ask("POST", "intents", json!({"type": "HostToHostIntent", "appId": "none"}));
        assert_eq!((status, &told["message"]), (404, &json!("Application ID is not found")));
        assert_eq!(ask("POST", "applications/none/active", json!({})).0, 404);
        // `onos-netcfg` ends the path so.
        assert_eq!(ask("POST", "network/configuration/", json!({"devices": {}})).0, 200);
        assert_eq!(state.read("network/configuration/planets").status, 404);
        assert_eq!(state.read("network/configuration/devices/of%3A1/basic").body, br#"{"a":1}"#);
    }
}
