//! Marathon 1.10, as its REST interface is described in `docs/docs/rest-api/public/api` of
//! <https://github.com/mesosphere/marathon/tree/v1.10.26>.
//!
//! It keeps applications, pods and groups as Marathon does, and starts nothing. A change becomes a deployment that takes
//! [`DEPLOYMENT_MS`] and locks what it changes; one that asks for more than a machine has never ends, as it would while Mesos
//! offers too little. Who may ask is in the file `account` of its folder (`basic USER PASSWORD` or `token TOKEN`; nobody is
//! asked without it), the framework's id in `framework-id`.

mod app;
mod change;
mod pod;
mod problem;
mod show;
mod tree;
mod update;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::{Value, json};

use self::change::{Change, State};
use self::problem::Problem;
use crate::journal::Journal;
use crate::service::{self, Answer, Request, Service};

/// What it calls itself.
const VERSION: &str = "1.10.26";
/// How long a deployment takes.
const DEPLOYMENT_MS: i64 = 120;
/// Processors of the largest machine.
const CPUS_MAX: f64 = 64.0;
/// Bytes of a definition that a node of ZooKeeper takes (`--zk_max_node_size`).
const DEFINITION_BYTES_MAX: usize = 1_024_000;
const FRAMEWORK: &str = "96d7da70-b731-4cfb-96a7-0ee877af615d-0000";

struct Marathon {
    folder: PathBuf,
    kept: Mutex<(State, Journal)>,
}

/// Starts it with what is in `folder`.
///
/// # Errors
/// When the journal cannot be read.
pub fn start(folder: &Path) -> Result<Box<dyn Service>> {
    let (journal, changes) = Journal::open(folder)?;
    let mut state = State::new();
    for value in changes {
        // Only what was accepted is in the journal.
        let _ = state.apply(&Change::of_journal(&value)?);
    }
    Ok(Box::new(Marathon { folder: folder.to_owned(), kept: Mutex::new((state, journal)) }))
}

impl Service for Marathon {
    fn answer(&self, request: &Request) -> Result<Answer> {
        let host = request.header("host").unwrap_or("localhost").to_owned();
        let answer = match self.refuse(request)? {
            Some(refusal) => refusal,
            None => self.handle(request, &host)?,
        };
        Ok(answer.with("X-Marathon-Leader", &format!("http://{host}")))
    }
}

impl Marathon {
    /// Why the one who asks may not.
    fn refuse(&self, request: &Request) -> Result<Option<Answer>> {
        let Ok(account) = fs::read_to_string(self.folder.join("account")) else { return Ok(None) };
        let words: Vec<&str> = account.split_whitespace().collect();
        let wanted = match words.as_slice() {
            ["basic", user, password] => service::basic(user, password),
            ["token", token] => format!("token={token}"),
            _ => anyhow::bail!("the file account says {account:?}"),
        };
        let is_welcome =
            request.target == "/ping" || request.header("authorization") == Some(&wanted);
        let message = json!({ "message": "Invalid username or password." });
        let refusal =
            Answer::json(401, &message).with("WWW-Authenticate", "Basic realm=\"Mesosphere\"");
        Ok((!is_welcome).then_some(refusal))
    }

    fn handle(&self, request: &Request, host: &str) -> Result<Answer> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, journal) = &mut *kept;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        state.expire(now);
        if matches!(request.method.as_str(), "GET" | "HEAD") {
            return Ok(match path {
                "/ping" => Answer { body: b"pong".to_vec(), ..Answer::empty(200) },
                "/v2/info" => Answer::json(200, &self.info(host)),
                "/v2/leader" => Answer::json(200, &json!({ "leader": host })),
                _ => show::answer(state, path, query).unwrap_or_else(Problem::answer),
            });
        }
        let body = match serde_json::from_slice::<Value>(&request.body) {
            Ok(body) => body,
            Err(_) if request.body.is_empty() => Value::Null,
            Err(error) => return Ok(Problem::not_json(&error).answer()),
        };
        let change = Change {
            at: state.next_version(now),
            method: request.method.clone(),
            path: path.to_owned(),
            query: query.to_owned(),
            body,
        };
        match state.apply(&change) {
            Ok(answer) => {
                journal.append(&change.for_journal())?;
                Ok(answer)
            }
            Err(problem) => Ok(problem.answer()),
        }
    }

    fn info(&self, host: &str) -> Value {
        let framework = fs::read_to_string(self.folder.join("framework-id"));
        let framework =
            framework.map_or_else(|_| FRAMEWORK.to_owned(), |text| text.trim().to_owned());
        json!({
            "name": "marathon", "version": VERSION, "buildref": "unknown", "elected": true, "leader": host,
            "frameworkId": framework,
            "marathon_config": {
                "checkpoint": true, "executor": "//cmd", "failover_timeout": 604_800, "features": [],
                "framework_name": "marathon", "ha": true, "hostname": "localhost", "local_port_max": 20_000,
                "local_port_min": 10_000, "master": "zk://localhost:2181/mesos", "mesos_role": "*",
                "task_lost_expunge_initial_delay": 300_000, "task_lost_expunge_interval": 30_000,
            },
            "zookeeper_config": {
                "zk": "zk://localhost:2181/marathon", "zk_connection_timeout": 10_000, "zk_max_versions": 50,
                "zk_session_timeout": 10_000, "zk_timeout": 10_000,
            },
            "http_config": { "http_port": 8080, "https_port": 8443 },
        })
    }
}

#[cfg(test)]
mod tests;
