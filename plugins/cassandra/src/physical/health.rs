use lockgate_plugin::host::Granted;
use lockgate_plugin::{Finding, Result, Severity};

use super::backup::forgotten;
use super::node::Ring;
use super::snapshot;
use crate::config::Config;
use crate::cql::Session;

/// Looks at the nodes and at their data folders.
///
/// # Errors
/// When the cluster does not answer, or is not settled.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    config.physical.validate()?;
    let mut session = Session::open(&Granted, config)?;
    let ring = Ring::survey(&mut session, &config.physical)?;
    let mut findings = Vec::new();
    if let Err(error) = ring.whole(config.physical.missing_nodes_max) {
        findings.push(Finding::new(Severity::Critical, "node-missing", error.message()));
    }
    for node in &ring.nodes {
        let message =
            format!("node {} is NORMAL: {}, {} tokens", node.name, node.release, node.tokens.len());
        findings.push(Finding::new(Severity::Ok, "node", message));
        for folder in config.physical.data_of(&node.name) {
            match snapshot::leftovers(&folder) {
                Ok(tags) => findings.extend(forgotten(&node.name, &tags)),
                Err(error) => {
                    let message = format!("the data of node {} cannot be read: {error}", node.name);
                    findings.push(Finding::new(Severity::Critical, "unreadable", message));
                }
            }
        }
    }
    Ok(findings)
}
