//! ArangoDB 3.12, single server and coordinator, from its public HTTP interface
//! (<https://docs.arangodb.com/stable/develop/http-api/>).
//!
//! The state folder can hold three files that are read at the start: `role` (`single` or `coordinator`), `version`
//! (as `3.11.14`), and `password` of the user `root` (else `secret`). `GET /_stand-in` tells what clients left open.

mod admin;
mod analyzer;
mod backup;
mod call;
mod collection;
mod database;
mod document;
mod dump;
mod graph;
mod index;
mod modify;
mod query;
mod refused;
mod replication;
mod restore;
mod shard;
mod state;
mod user;
mod view;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde_json::Value;

use crate::journal::Journal;
use crate::service::{Answer, Request, Service};
use call::Call;
use refused::{Outcome, Refused};
use state::State;

/// The server: what it holds, and what lives only as long as the process.
pub struct Arango {
    is_cluster: bool,
    version: String,
    inner: Mutex<Inner>,
}

/// All behind one lock: requests are answered one after the other.
pub struct Inner {
    pub state: State,
    journal: Journal,
    pub sessions: Sessions,
}

/// What a restart ends.
#[derive(Default)]
pub struct Sessions {
    pub tokens: Vec<(String, String)>,
    pub cursors: std::collections::HashMap<String, query::Cursor>,
    pub batches: std::collections::BTreeMap<String, replication::Batch>,
    pub dumps: std::collections::BTreeMap<String, dump::Dump>,
    /// Salted passwords that were right once: computing is slow when each request does it.
    pub known: std::collections::HashSet<String>,
}

impl Sessions {
    /// What clients have left open, for tests that look for it: nothing that the real server has.
    fn open(&self) -> Answer {
        let now = std::time::Instant::now();
        let batches = self.batches.values().filter(|it| it.is_open(now)).count();
        let dumps = self.dumps.values().filter(|it| it.is_open(now)).count();
        Answer::json(
            200,
            &serde_json::json!({ "batches": batches, "dumps": dumps, "cursors": self.cursors.len() }),
        )
    }
}

impl Inner {
    /// Keeps a change and does it.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn commit(&mut self, change: &Value) -> Outcome<()> {
        let kept = self.journal.append(change);
        kept.map_err(|error| Refused::new(500, 4, format!("{error:#}")))?;
        self.state.apply(change);
        Ok(())
    }
}

/// Starts the server with what its folder holds.
///
/// # Errors
/// When the folder cannot be read.
pub fn start(folder: &Path) -> Result<Box<dyn Service>> {
    let setting = |name: &str, default: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        if text.trim().is_empty() { default.to_owned() } else { text.trim().to_owned() }
    };
    let (journal, changes) = Journal::open(folder)?;
    let mut state = State::fresh();
    changes.iter().for_each(|change| state.apply(change));
    let mut inner = Inner { state, journal, sessions: Sessions::default() };
    if inner.state.databases.is_empty() {
        let changes = inner.state.database_changes(state::SYSTEM, &Value::Null);
        let root = user::document("root", &setting("password", "secret"), true, &Value::Null);
        for change in &changes {
            inner.journal.append(change)?;
            inner.state.apply(change);
        }
        let change = user::insertion(&mut inner.state, &root);
        inner.journal.append(&change)?;
        inner.state.apply(&change);
    }
    let is_cluster = setting("role", "single") == "coordinator";
    let version = setting("version", "3.12.5");
    Ok(Box::new(Arango { is_cluster, version, inner: Mutex::new(inner) }))
}

impl Service for Arango {
    fn answer(&self, request: &Request) -> Result<Answer> {
        let answered = Call::parse(request).and_then(|call| self.route(&call));
        let answer = answered.unwrap_or_else(|refused| refused.answer());
        Ok(answer.with("server", "ArangoDB"))
    }
}

impl Arango {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, call: &Call<'_>) -> Outcome {
        let inner = &mut *self.lock();
        if call.is(&["_open", "auth"]) {
            return user::log_in(inner, call);
        }
        let user = user::authenticate(inner, call)?;
        user::authorize(inner, call, &user)?;
        if !inner.state.databases.contains_key(&call.database) {
            return Err(Refused::no_database());
        }
        match call.path.first().map(String::as_str) {
            Some("_stand-in") => Ok(inner.sessions.open()),
            Some("_admin") => admin::answer(self, inner, call),
            Some("_api") => self.api(inner, call, &user),
            _ => Err(Refused::unknown_path(&call.shown())),
        }
    }

    fn api(&self, inner: &mut Inner, call: &Call<'_>, user: &str) -> Outcome {
        match call.path.get(1).map(String::as_str).unwrap_or_default() {
            "version" | "engine" | "cluster" => admin::answer(self, inner, call),
            "database" => database::answer(inner, call, user),
            "collection" => collection::answer(self.is_cluster, inner, call),
            "document" => document::answer(inner, call),
            "import" => modify::import(inner, call),
            "index" => index::answer(inner, call),
            "view" => view::answer(inner, call),
            "gharial" => graph::answer(self.is_cluster, inner, call),
            "analyzer" => analyzer::answer(inner, call),
            "user" => user::answer(inner, call),
            "cursor" => query::answer(inner, call),
            "replication" => replication::answer(self.is_cluster, inner, call),
            "dump" if !self.version.starts_with("3.11") => {
                dump::answer(self.is_cluster, inner, call, user)
            }
            "foxx" if call.method == "POST" => Ok(Answer::empty(204)),
            _ => Err(Refused::unknown_path(&call.shown())),
        }
    }
}
