//! A look at the live ensemble that changes nothing.

use lockgate_plugin::{Finding, Result, Severity};

use crate::config::Config;
use crate::error::Error;
use crate::reach;
use crate::server::{Server, TESTED};

/// More requests that wait than this are a warning.
const OUTSTANDING_MAX: u64 = 100;

/// Version, mode, account, and the state of each member.
///
/// # Errors
/// When the server cannot be reached, does not serve, refuses the account, or is of an unknown version.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    let server = reach::server(config)?;
    let mut session = reach::session(config)?;
    session.sync()?;
    let is_super = session.is_super()?;
    session.close();
    let mode = server.mode.as_deref().unwrap_or("of an unknown mode");
    let mut text = format!("{server} serves as {mode}");
    if let Some(nodes) = server.nodes {
        text.push_str(&format!(", with {nodes} nodes"));
    }
    let mut finding = Finding::new(Severity::Ok, "reachable", text);
    if let Some(zxid) = &server.zxid {
        finding = finding.with_attribute("zxid", zxid);
    }
    let mut findings = vec![finding];
    if !server.is_tested() {
        let text = format!("{server} was not run in the tests of this plugin ({TESTED})");
        findings.push(Finding::new(Severity::Notice, "version-untested", text));
    }
    if !is_super {
        findings.push(Finding::new(
            Severity::Notice,
            "account-not-super",
            "the account is not `super`: nodes whose ACL does not name it make a backup fail",
        ));
    }
    findings.extend(busy(&server));
    findings.extend(members(config));
    Ok(findings)
}

fn busy(server: &Server) -> Option<Finding> {
    let waiting = server.outstanding.filter(|waiting| *waiting > OUTSTANDING_MAX)?;
    let text =
        format!("{waiting} requests wait for their turn: the server has more to do than it can");
    Some(Finding::new(Severity::Warning, "outstanding", text))
}

/// Asks every member that the configuration names whether it serves, and whether they agree on one leader. Without members
/// in the configuration, only the server at the endpoint.
pub fn members(config: &Config) -> Vec<Finding> {
    let Ok(members) = config.member_addresses() else { return Vec::new() };
    let mut findings = Vec::new();
    let mut leaders = 0;
    for (address, port) in &members {
        let place = format!("{address}:{port}");
        match serves(config, address, *port) {
            Ok(mode) => {
                leaders += u32::from(mode == "leader");
                findings.push(Finding::new(
                    Severity::Ok,
                    "member-serves",
                    format!("member {place} serves as {mode}"),
                ));
            }
            Err(error) => {
                let text = format!(
                    "member {place} does not serve: {}",
                    lockgate_plugin::Error::from(error)
                );
                findings.push(Finding::new(Severity::Critical, "member-silent", text));
            }
        }
    }
    if members.is_empty() {
        findings.push(endpoint(config));
    } else if members.len() > 1 && leaders != 1 {
        let text = format!("{leaders} of {} members are leader, and one must be", members.len());
        findings.push(Finding::new(Severity::Critical, "leader", text));
    }
    findings
}

/// Whether clients get sessions and answers that are up to date; what the member is.
fn serves(config: &Config, address: &str, port: u16) -> Result<String, Error> {
    let server = reach::member(address, port)?;
    server.admit(config.allow_untested_version)?;
    let mut session = reach::member_session(config, address, port)?;
    session.sync()?;
    session.close();
    Ok(server.mode.unwrap_or_else(|| "a member of an unknown mode".to_owned()))
}

fn endpoint(config: &Config) -> Finding {
    let asked = reach::server(config).map_err(Error::from).and_then(|server| {
        let mut session = reach::session(config)?;
        session.sync()?;
        session.close();
        Ok(server)
    });
    match asked {
        Ok(server) => {
            let mode = server.mode.as_deref().unwrap_or("of an unknown mode");
            let text = format!(
                "the server serves as {mode}; name the `members` to have each of them asked"
            );
            Finding::new(Severity::Ok, "serves", text)
        }
        Err(error) => {
            let text =
                format!("the server does not serve: {}", lockgate_plugin::Error::from(error));
            Finding::new(Severity::Critical, "member-silent", text)
        }
    }
}
