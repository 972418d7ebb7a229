//! A look at the live server that changes nothing, and the action that starts what a restore left suspended.

use lockgate_plugin::{Finding, Result, Severity};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client;
use crate::config::Config;
use crate::definition::Sort;
use crate::deployments;
use crate::limits::NAMED_MAX;
use crate::server::Info;
use crate::tree;

/// `/v2/queue`.
#[derive(Deserialize)]
struct Queue {
    queue: Vec<Waiting>,
}

#[derive(Deserialize)]
struct Waiting {
    #[serde(default)]
    app: Value,
    #[serde(default)]
    pod: Value,
}

/// Version, leader, framework, deployments and what waits to be started.
///
/// # Errors
/// When the server cannot be asked, or is of an unknown version.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    let info = Info::ask(config)?;
    let mut findings = info.findings(client::leader_header()?.as_deref());
    let running = deployments::running()?;
    if !running.is_empty() {
        let text =
            format!("deployments run and lock what they change: {}", deployments::shown(&running));
        findings.push(Finding::new(Severity::Notice, "deployments-running", text));
    }
    let Queue { queue } = client::get("/v2/queue")?;
    if !queue.is_empty() {
        let id = |it: &Waiting| {
            let id = it.app.get("id").or_else(|| it.pod.get("id")).and_then(Value::as_str);
            lockgate_plugin::printable(id.unwrap_or("?"))
        };
        let named: Vec<String> = queue.iter().take(NAMED_MAX).map(id).collect();
        let text = format!("wait to be started ({}): {}", queue.len(), named.join(", "));
        findings.push(Finding::new(Severity::Notice, "queue", text));
    }
    let zookeeper = info.zookeeper();
    if !zookeeper.is_empty() {
        let text = format!(
            "the framework id and the tasks that run are in {zookeeper}, which the plugin zookeeper saves"
        );
        findings
            .push(Finding::new(Severity::Ok, "state", text).with_attribute("zookeeper", zookeeper));
    }
    Ok(findings)
}

/// Gives everything that a restore suspended its instances back.
///
/// # Errors
/// When the server refuses.
pub fn resume(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    Info::ask(config)?;
    let mut count = 0;
    for one in tree::whole()?.definitions()? {
        let Some(awake) = one.resumed() else { continue };
        let id = awake.id();
        let (target, body) = match awake.kind {
            Sort::Pod => (format!("/v2/pods{id}"), Value::Object(awake.definition.clone())),
            _ => {
                let of = |key: &str| awake.definition.get(key).cloned().unwrap_or_default();
                (
                    format!("/v2/apps{id}"),
                    json!({ "instances": of("instances"), "labels": of("labels") }),
                )
            }
        };
        deployments::change("PUT", &target, Some(&body), false, config.deployment_seconds)?;
        count += 1;
    }
    let text = format!("{count} applications and pods have their instances again");
    Ok(vec![Finding::new(Severity::Ok, "resumed", text)])
}
