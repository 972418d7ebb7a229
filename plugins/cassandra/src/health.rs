//! A look at the live cluster that changes nothing.

use std::collections::BTreeSet;

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Finding, Severity, printable};

use crate::config::Config;
use crate::cql::Session;
use crate::error::Error;
use crate::schema;
use crate::server::TESTED;

/// Reachability, version, nodes, agreement on the schema, and replication that the nodes cannot hold.
///
/// # Errors
/// When the node cannot be reached, refuses the account, or is of an unknown version.
pub fn check<H: Host>(host: &H, config: &Config) -> Result<Vec<Finding>, Error> {
    config.validate()?;
    let mut session = Session::open(host, config)?;
    let server = session.server().clone();
    let peers = session
        .rows("SELECT peer, data_center, release_version, schema_version FROM system.peers_v2")?;
    let text = format!(
        "{server} answers, of cluster {} with {} nodes",
        printable(&server.cluster),
        peers.len() + 1
    );
    let mut findings = vec![Finding::new(Severity::Ok, "reachable", text)];
    if !server.is_tested() {
        let text = format!("{server} was not run in the tests of this plugin ({TESTED})");
        findings.push(Finding::new(Severity::Notice, "version-untested", text));
    }
    let releases: Result<BTreeSet<&str>, Error> = peers.iter().map(|peer| peer.text(2)).collect();
    let mut releases = releases?;
    releases.insert(&server.release);
    if releases.len() > 1 {
        let releases: Vec<&str> = releases.into_iter().collect();
        let text = format!("the nodes are of several versions: {}", printable(releases.join(", ")));
        findings.push(Finding::new(Severity::Warning, "versions-differ", text));
    }
    let own = session.one("SELECT schema_version FROM system.local")?.uuid(0);
    let differ = peers.iter().filter(|peer| peer.uuid(3) != own);
    let differ: Vec<String> =
        differ.filter_map(|peer| peer.address(0)).map(|address| address.to_string()).collect();
    if !differ.is_empty() {
        let text = format!(
            "nodes that have another schema, or none because they are down: {}",
            differ.join(", ")
        );
        findings.push(Finding::new(Severity::Warning, "schema-disagreement", text));
    }
    findings.extend(down(&mut session)?);
    let mut datacenters: Vec<String> = vec![server.datacenter.clone()];
    for peer in &peers {
        datacenters.push(peer.text(1)?.to_owned());
    }
    findings.extend(replication(&mut session, config, &datacenters)?);
    Ok(findings)
}

/// Nodes that the asked one believes to be down, as far as it says: `gossip_info` came with 5.0.
fn down<S: Stream>(session: &mut Session<S>) -> Result<Option<Finding>, Error> {
    let rows = match session.rows("SELECT address, status_with_port FROM system_views.gossip_info")
    {
        Ok(rows) => rows,
        Err(Error::Server(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut down = Vec::new();
    for row in rows {
        let status = row.text(1)?;
        if !status.starts_with("NORMAL")
            && let Some(address) = row.address(0)
        {
            down.push(format!("{address} ({})", printable(status.split(',').next().unwrap_or(""))));
        }
    }
    if down.is_empty() {
        return Ok(None);
    }
    let text = format!("nodes that do not take part: {}", down.join(", "));
    Ok(Some(Finding::new(Severity::Warning, "nodes-not-normal", text)))
}

/// Keyspaces of a datacenter that is not there, or with more replicas than there are nodes.
fn replication<S: Stream>(
    session: &mut Session<S>,
    config: &Config,
    datacenters: &[String],
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for keyspace in schema::keyspaces(session)? {
        if !config.takes_keyspace(&keyspace.name) {
            continue;
        }
        for (key, value) in &keyspace.replication {
            let nodes = match key.as_str() {
                "class" => continue,
                "replication_factor" => datacenters.len(),
                datacenter => datacenters.iter().filter(|one| *one == datacenter).count(),
            };
            let factor = value.split('/').next().and_then(|number| number.parse::<usize>().ok());
            if factor.is_some_and(|factor| factor > nodes) {
                let text = format!(
                    "keyspace {} has {key} = {value}, and there are {nodes} such nodes",
                    keyspace.name
                );
                findings.push(Finding::new(Severity::Warning, "replication", text));
            }
        }
    }
    Ok(findings)
}
