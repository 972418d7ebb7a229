//! A look at the live server that changes nothing.

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Finding, Severity};

use crate::config::Config;
use crate::error::Error;
use crate::privileges::Privileges;
use crate::server::TESTED;
use crate::session::Session;

/// Replication that is further behind is a warning, in seconds.
const LAG_SECONDS_MAX: u64 = 60;

/// Reachability, version, privileges, replication, and tables that the server cannot open.
///
/// # Errors
/// When the server cannot be reached, refuses the account, or is of an unknown version.
pub fn check<H: Host>(host: &H, config: &Config) -> Result<Vec<Finding>, Error> {
    config.validate()?;
    let mut session = Session::open(host, config)?;
    let server = session.server().clone();
    let mut findings = vec![Finding::new(Severity::Ok, "reachable", format!("{server} answers"))];
    if !server.is_tested() {
        let text = format!("{server} was not run in the tests of this plugin ({TESTED})");
        findings.push(Finding::new(Severity::Notice, "version-untested", text));
    }
    findings.extend(Privileges::read(&mut session)?.findings());
    findings.extend(replication(&mut session)?);
    findings.extend(broken_tables(&mut session)?);
    session.close();
    Ok(findings)
}

/// Whether this is a replica that does not keep up: a backup of it would be old. Columns by position, see
/// <https://mariadb.com/kb/en/show-replica-status/>; they are the same in MySQL 8.
fn replication<S: Stream>(session: &mut Session<S>) -> Result<Option<Finding>, Error> {
    const SECONDS_BEHIND: usize = 32;
    let row = match session.rows("SHOW SLAVE STATUS") {
        Ok(rows) => rows.into_iter().next(),
        // Without the privilege nobody can tell.
        Err(Error::Server(_)) => None,
        Err(error) => return Err(error),
    };
    let text = match row.map(|row| row.number(SECONDS_BEHIND)) {
        None | Some(Some(0..=LAG_SECONDS_MAX)) => return Ok(None),
        Some(Some(seconds)) => format!("the server is a replica that is {seconds} s behind"),
        Some(None) => "the server is a replica that does not follow its primary".to_owned(),
    };
    Ok(Some(Finding::new(Severity::Warning, "replication-lag", text)))
}

fn broken_tables<S: Stream>(session: &mut Session<S>) -> Result<Option<Finding>, Error> {
    let rows = session.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' \
         AND ENGINE IS NULL AND TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'sys') LIMIT 20",
    )?;
    if rows.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = rows
        .iter()
        .map(|row| {
            format!("{}.{}", crate::wire::text::shown(row, 0), crate::wire::text::shown(row, 1))
        })
        .collect();
    let text = format!("the server cannot open some tables: {}", names.join(", "));
    Ok(Some(Finding::new(Severity::Critical, "table-broken", text)))
}
