//! The action `reindex`: the server copies the documents of an index into a new one, whose settings and mappings may differ.
//!
//! <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/docs-reindex.html>

use std::collections::BTreeMap;

use lockgate_plugin::http::segment;
use lockgate_plugin::{Context, Error, Finding, Result, Severity, clock, job};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{get, must, reason};
use crate::config::Config;
use crate::definition::{self, Definition};
use crate::limits::TASK_LOOK_MS;
use crate::names::{Kind, Subject};
use crate::server::Server;
use crate::target::{Present, present};

/// What the action is given, as JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Arguments {
    /// The index to copy.
    source: String,
    /// The index to make; must not be there.
    target: String,
    /// Settings of the new index that differ, flat: `{"index.number_of_shards": "3"}`.
    #[serde(default)]
    settings: BTreeMap<String, Value>,
    /// Mappings of the new index in place of the old ones.
    #[serde(default)]
    mappings: Option<Value>,
}

/// The state of a task: <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/tasks.html>.
#[derive(Debug, Deserialize)]
struct Task {
    completed: bool,
    #[serde(default)]
    task: Value,
    #[serde(default)]
    response: Value,
    #[serde(default)]
    error: Option<Value>,
}

/// Runs the action.
///
/// # Errors
/// When it cannot be begun, was stopped, or did not copy everything; the new index is deleted then.
pub fn act(config: &Config, arguments: &str) -> Result<Vec<Finding>> {
    config.validate()?;
    let arguments: Arguments = serde_json::from_str(arguments)
        .map_err(|error| Error::config(format!("reindex: the arguments: {error}")))?;
    Server::probe(config)?;
    let Arguments { source, target, settings, mappings } = arguments;
    let definition = Definition::read(&source)?
        .ok_or_else(|| Error::config(format!("reindex: there is no index {source}")))?;
    let subject = Subject { kind: Kind::Index, name: target.clone() };
    if present(&subject)? != Present::Nothing {
        return Err(Error::conflict(format!("reindex: {target} is there already")));
    }
    let mut new = Definition { aliases: BTreeMap::new(), ..definition };
    new.settings.extend(settings);
    if let Some(mappings) = mappings {
        new.mappings = mappings;
    }
    must("PUT", &format!("/{}", segment(&target)), Some(&new.to_be_loaded()))?;
    let copied = copy(&source, &target).and_then(|count| new.complete(&target).map(|()| count));
    let count = match copied {
        Ok(count) => count,
        Err(error) => {
            // The reason is the first error.
            let _ = must("DELETE", &format!("/{}", segment(&target)), None);
            return Err(error.context(format!("reindexing {source} into {target}")));
        }
    };
    let text = format!(
        "{count} documents of {source} were copied into {target}; aliases stay with {source}"
    );
    Ok(vec![Finding::new(Severity::Ok, "reindexed", text)])
}

fn copy(source: &str, target: &str) -> Result<u64> {
    definition::must_be_assigned(target)?;
    // What was written last must be seen too.
    must("POST", &format!("/{}/_refresh", segment(source)), None)?;
    let body = json!({
        "source": { "index": source },
        "dest": { "index": target, "version_type": "external", "pipeline": "_none" },
    });
    let started = must("POST", "/_reindex?wait_for_completion=false", Some(&body));
    let started = started.context("the server must have its module `reindex`")?;
    let task = started.get("task").and_then(Value::as_str);
    let task = task.ok_or_else(|| Error::corrupt("the server named no task"))?;
    let response = follow(task)?;
    let number = |key: &str| response.get(key).and_then(Value::as_u64).unwrap_or_default();
    let failures = response.get("failures").and_then(Value::as_array);
    if let Some(first) = failures.and_then(|failures| failures.first()) {
        let cause = first.get("cause").unwrap_or(first);
        return Err(Error::other(reason(cause, b"a document failed")));
    }
    let done = number("created") + number("updated");
    let refused = number("version_conflicts");
    if done != number("total") || refused > 0 {
        return Err(Error::conflict(format!(
            "of {} documents {done} were copied: something else wrote to the target",
            number("total")
        )));
    }
    Ok(done)
}

/// Watches a task to its end, or stops it with the run.
fn follow(id: &str) -> Result<Value> {
    let target = format!("/_tasks/{}", segment(id).replace("%3A", ":"));
    loop {
        if job::is_cancelled() {
            return Err(Error::cancelled());
        }
        let task: Task = get(&target)?;
        let status = task.task.get("status").cloned().unwrap_or_default();
        let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or_default();
        job::progress("reindex", 0, number("created") + number("updated"));
        if let Some(error) = task.error {
            return Err(Error::other(reason(&error, b"the task failed")));
        }
        if task.completed {
            return Ok(task.response);
        }
        clock::sleep(TASK_LOOK_MS).map_err(Error::from)?;
    }
}
