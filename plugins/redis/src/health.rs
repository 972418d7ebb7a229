//! A look at the live server that changes nothing.

use lockgate_plugin::host::Host;
use lockgate_plugin::{Finding, Result, Severity};

use crate::client::Client;
use crate::cluster::Topology;
use crate::config::{Config, Method};
use crate::server::{Server, TESTED};
use crate::sync;

/// Memory that is used, of what is allowed, beyond which a restore or a fork may fail, in percent.
const MEMORY_PERCENT_MAX: u64 = 90;

/// Reachability, version, role, what the server last wrote to its disk, memory, cluster, and whether it gives snapshots.
///
/// # Errors
/// When the server cannot be reached, refuses the account, or is of an unknown version.
pub fn check<H: Host>(host: &H, config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    let mut client = Client::open(host, &None)?;
    let server = client.server()?;
    server.admit(config.allow_untested_version)?;
    let mut findings = vec![Finding::new(Severity::Ok, "reachable", format!("{server} answers"))];
    if !server.is_tested() {
        let text = format!("{server} was not run in the tests of this plugin ({TESTED})");
        findings.push(Finding::new(Severity::Notice, "version-untested", text));
    }
    findings.extend(replication(&server));
    findings.extend(persistence(&server));
    findings.extend(memory(&server));
    if config.method != Method::Scan && !sync::is_allowed(&mut client)? {
        let text = "the account may not replicate (PSYNC, REPLCONF): keys are saved one by one, not at one moment";
        findings.push(Finding::new(Severity::Warning, "no-snapshot", text));
    }
    if server.is_cluster() {
        let topology = Topology::read::<H>(&mut client)?;
        for master in &topology.masters {
            Client::open(host, &master.address)?;
        }
        let text = format!("all {} masters of the cluster answer", topology.masters.len());
        findings.push(Finding::new(Severity::Ok, "cluster", text));
    }
    Ok(findings)
}

fn replication(server: &Server) -> Option<Finding> {
    match (server.fact("role"), server.fact("master_link_status")) {
        (Some("slave"), Some("up")) => {
            let text = "the server is a replica: a backup shows what it has got so far";
            Some(Finding::new(Severity::Notice, "replica", text))
        }
        (Some("slave"), _) => {
            let text = "the server is a replica without its master, and gives no snapshot";
            Some(Finding::new(Severity::Critical, "replica-alone", text))
        }
        _ => {
            let replicas = server.number("connected_slaves")?;
            Some(Finding::new(
                Severity::Ok,
                "master",
                format!("the server is a master with {replicas} replicas"),
            ))
        }
    }
}

fn persistence(server: &Server) -> Vec<Finding> {
    let failed = |fact: &str, what: &str| {
        (server.fact(fact) == Some("err")).then(|| {
            Finding::new(
                Severity::Warning,
                "not-written",
                format!("the server's last {what} failed: see its log"),
            )
        })
    };
    let mut findings: Vec<Finding> = [
        failed("rdb_last_bgsave_status", "snapshot (BGSAVE)"),
        failed("aof_last_write_status", "write to its append-only file"),
        failed("aof_last_bgrewrite_status", "rewrite of its append-only file"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if server.fact("loading") == Some("1") {
        findings.push(Finding::new(
            Severity::Warning,
            "loading",
            "the server still loads its data",
        ));
    }
    findings
}

fn memory(server: &Server) -> Option<Finding> {
    let (used, most) = (server.number("used_memory")?, server.number("maxmemory")?);
    if most == 0 || used < most / 100 * MEMORY_PERCENT_MAX {
        return None;
    }
    let text = format!(
        "{used} of {most} bytes of memory are in use: the server may remove keys or refuse writes"
    );
    Some(Finding::new(Severity::Warning, "memory", text))
}
