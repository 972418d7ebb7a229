//! A look at the live server that changes nothing.

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Finding, Severity};

use crate::config::Config;
use crate::database;
use crate::error::Error;
use crate::roles;
use crate::server::TESTED;
use crate::session::Session;

/// Questions whose answer, when there is one, is a finding: code, severity, statement that gives a text or NULL.
const QUESTIONS: [(&str, Severity, &str); 9] = [
    (
        "replication-lag",
        Severity::Warning,
        "SELECT format('the server is a standby that is %s s behind', extract(epoch FROM now() - pg_last_xact_replay_timestamp())::bigint) \
         WHERE pg_is_in_recovery() AND now() - pg_last_xact_replay_timestamp() > interval '60 s'",
    ),
    (
        "wraparound",
        Severity::Critical,
        "SELECT format('database %s has not been vacuumed for %s transactions: the server stops at 2100 million', datname, age(datfrozenxid)) \
         FROM pg_database WHERE age(datfrozenxid) > 1500000000 ORDER BY age(datfrozenxid) DESC LIMIT 1",
    ),
    (
        "transaction-old",
        Severity::Warning,
        "SELECT format('a transaction of %s is open since %s: rows that were deleted meanwhile cannot be removed', usename, xact_start) \
         FROM pg_stat_activity WHERE xact_start < now() - interval '6 hours' AND backend_type = 'client backend' ORDER BY xact_start LIMIT 1",
    ),
    (
        "prepared-transaction",
        Severity::Warning,
        "SELECT format('%s prepared transactions are open since %s and hold locks; they are not saved', count(*), min(prepared)) \
         FROM pg_prepared_xacts HAVING count(*) > 0",
    ),
    (
        "slot-inactive",
        Severity::Warning,
        "SELECT format('replication slots that nobody reads keep the write-ahead log: %s', string_agg(slot_name, ', ')) \
         FROM pg_replication_slots WHERE NOT active HAVING count(*) > 0",
    ),
    (
        "archiving-fails",
        Severity::Warning,
        "SELECT format('archiving of the write-ahead log fails since %s', last_failed_time) FROM pg_stat_archiver \
         WHERE last_failed_time > coalesce(last_archived_time, '-infinity')",
    ),
    (
        "connections-scarce",
        Severity::Warning,
        "SELECT format('%s of %s connections are in use', count(*), current_setting('max_connections')) FROM pg_stat_activity \
         HAVING count(*) > current_setting('max_connections')::int * 9 / 10",
    ),
    (
        "index-invalid",
        Severity::Warning,
        "SELECT format('invalid indexes are not saved: %s', string_agg(indexrelid::regclass::text, ', ')) FROM pg_index \
         WHERE NOT indisvalid HAVING count(*) > 0",
    ),
    (
        "checksums-fail",
        Severity::Critical,
        "SELECT format('pages of database %s failed their checksum: %s', datname, checksum_failures) FROM pg_stat_database \
         WHERE checksum_failures > 0 LIMIT 1",
    ),
];

/// Reachability, version, privileges, and what operators look at.
///
/// # Errors
/// When the server cannot be reached, refuses the account, or is of an unknown version.
pub fn check<H: Host>(host: &H, config: &Config) -> Result<Vec<Finding>, Error> {
    config.validate()?;
    let mut session = Session::open(host, config, &config.database)?;
    let server = session.server();
    let mut findings = vec![Finding::new(Severity::Ok, "reachable", format!("{server} answers"))];
    if !server.is_tested() {
        let text = format!("{server} was not run in the tests of this plugin ({TESTED})");
        findings.push(Finding::new(Severity::Notice, "version-untested", text));
    }
    if config.roles {
        findings.extend(roles::finding(&mut session)?);
    }
    for (code, severity, question) in QUESTIONS {
        findings.extend(ask(&mut session, code, severity, question)?);
    }
    let databases = database::list(&mut session, config)?;
    session.close();
    for name in databases {
        let mut session = Session::open(host, config, &name)?;
        findings.extend(privileges(&mut session, config)?);
        session.close();
    }
    Ok(findings)
}

fn ask<S: Stream>(
    session: &mut Session<S>,
    code: &str,
    severity: Severity,
    question: &str,
) -> Result<Option<Finding>, Error> {
    let rows = match session.rows(question) {
        Ok(rows) => rows,
        // What the account may not see nobody can tell.
        Err(Error::Server(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = rows.first().map(|row| row.shown(0));
    Ok(text.map(|text| Finding::new(severity, code, text)))
}

/// Tables that the account cannot read fail a backup; it is better to know before.
fn privileges<S: Stream>(
    session: &mut Session<S>,
    config: &Config,
) -> Result<Option<Finding>, Error> {
    let filter = config.filter();
    let rows = session.rows(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
         AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) ORDER BY 1, 2",
    )?;
    let mut names = Vec::new();
    for row in &rows {
        if filter.takes_in(row.required(0)?, row.required(1)?) {
            names.push(format!("{}.{}", row.shown(0), row.shown(1)));
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    let named = names.get(..20).unwrap_or(&names).join(", ");
    let text = format!(
        "the account may not read {} tables of database {}, so that a backup would fail: {named}",
        names.len(),
        session.database()
    );
    Ok(Some(Finding::new(Severity::Critical, "privilege-missing", text)))
}
