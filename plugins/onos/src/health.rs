//! A look at cluster and folders that changes nothing.

use lockgate_atomix_storage::{load, partition};
use lockgate_plugin::{Context, Finding, Result, Severity, printable};
use serde_json::Value;

use crate::backup::recorded;
use crate::config::Config;
use crate::version::Version;
use crate::{applications, rest, tree};

/// Reachability, version, nodes and applications; what the folders hold.
///
/// # Errors
/// When the version is not known, or a folder cannot be read.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    let mut findings = vec![recorded()];
    match rest::state()? {
        rest::State::NotGranted => {}
        rest::State::Silent(why) => {
            let text = format!("the REST interface does not answer: {why}");
            findings.push(Finding::new(Severity::Critical, "silent", text));
        }
        rest::State::Alive => findings.extend(cluster(config)?),
    }
    for folder in tree::granted()?.into_iter().map(|it| it.name) {
        findings.extend(node(&folder).with_context(|| format!("folder {folder}"))?);
    }
    Ok(findings)
}

fn cluster(config: &Config) -> Result<Vec<Finding>> {
    let system = rest::get("system")?;
    let version = system.get("version").and_then(Value::as_str).unwrap_or_default();
    Version::admit(version, config)?;
    let active = applications::all()?.len();
    let text = format!("ONOS {} answers, with {active} applications", printable(version));
    let mut findings = vec![Finding::new(Severity::Ok, "reachable", text)];
    let told = rest::get("cluster")?;
    for node in told.get("nodes").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| printable(node.get(key).and_then(Value::as_str).unwrap_or_default());
        let (id, status) = (text("id"), text("status"));
        // ACTIVE takes part, READY serves too.
        findings.push(if status == "READY" {
            Finding::new(Severity::Ok, "node-ready", format!("node {id} is ready"))
        } else {
            Finding::new(Severity::Critical, "node-not-ready", format!("node {id} is {status}"))
        });
    }
    Ok(findings)
}

fn node(folder: &str) -> Result<Vec<Finding>> {
    let partitions = partition::find(folder)?;
    let names: Vec<String> = partitions.iter().map(|it| printable(it.prefix())).collect();
    let text = format!(
        "folder {folder} is of node {} with ONOS {}: {} files, partitions {}",
        printable(tree::node(folder)?.unwrap_or_default()),
        printable(tree::version(folder)?),
        tree::find(folder)?.len(),
        names.join(", ")
    );
    let mut findings = vec![Finding::new(Severity::Ok, "folder", text)];
    if partitions.is_empty() {
        let text = format!(
            "folder {folder} has no partitions: the cluster keeps its state in Atomix agents of its own, which the plugin atomix saves"
        );
        findings.push(Finding::new(Severity::Notice, "state-elsewhere", text));
    }
    for partition in partitions {
        if load::is_unfinished(folder, &partition)? {
            let text = format!("{folder}: a restore of {} was not finished", partition.prefix());
            findings.push(Finding::new(Severity::Critical, "restore-unfinished", text));
        }
    }
    Ok(findings)
}
