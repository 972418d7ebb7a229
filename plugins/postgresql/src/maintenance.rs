//! Maintenance: new transactions in the databases that are taken are read-only, unless a client asks for something else.
//!
//! A setting of the database makes it so for sessions that begin, and those that are there are ended. What the setting was
//! before stands in another one, which only this plugin knows: both change in one transaction.
//! <https://www.postgresql.org/docs/15/runtime-config-client.html#GUC-DEFAULT-TRANSACTION-READ-ONLY>

use lockgate_plugin::Error as Told;
use lockgate_plugin::host::{Host, Stream};

use crate::config::Config;
use crate::error::Error;
use crate::session::Session;
use crate::sql::{quote_name, quote_text};

/// Remembers what [`READ_ONLY`] of a database was: a value, or [`UNSET`].
const BEFORE: &str = "lockgate.maintenance";
const READ_ONLY: &str = "default_transaction_read_only";
const UNSET: &str = "unset";
/// Key of the lock that whoever enters or leaves holds: the bytes of `lockgate`.
const LOCK: i64 = i64::from_be_bytes(*b"lockgate");
/// Looks, a tenth of a second apart, until sessions that were ended are gone.
const LOOKS_MAX: u32 = 300;
/// Looks in a row without such a session: one that is about to begin is not seen at once.
const LOOKS_CLEAR: u32 = 3;

/// Takes the databases out of service for writers. Again, it does the same.
///
/// # Errors
/// When the account may not, or the server fails; then it can be tried again, or left.
pub fn enter<H: Host>(host: &H, config: &Config) -> Result<(), Error> {
    let mut session = open(host, config)?;
    for database in taken(&mut session, config)? {
        let name = quote_name(&database);
        session.execute("BEGIN")?;
        let settings = settings(&mut session, &database)?;
        let is_entered = value(&settings, BEFORE).is_some();
        let before = value(&settings, READ_ONLY).unwrap_or(UNSET);
        if !is_entered && is_on(before) {
            // It is read-only for reasons of its operator's, and stays so.
            session.execute("ROLLBACK")?;
            continue;
        }
        if !is_entered {
            let before = quote_text(before);
            session.execute(&format!("ALTER DATABASE {name} SET {BEFORE} TO {before}"))?;
        }
        session.execute(&format!("ALTER DATABASE {name} SET {READ_ONLY} TO on"))?;
        session.execute("COMMIT")?;
        end_sessions(&mut session, &database)?;
    }
    session.close();
    Ok(())
}

/// Makes the databases what they were before. Those that were not entered stay as they are.
///
/// # Errors
/// When the account may not, or the server fails; then it can be tried again.
pub fn leave<H: Host>(host: &H, config: &Config) -> Result<(), Error> {
    let mut session = open(host, config)?;
    for database in taken(&mut session, config)? {
        let settings = settings(&mut session, &database)?;
        let Some(before) = value(&settings, BEFORE) else { continue };
        let name = quote_name(&database);
        session.execute(&match before {
            UNSET => format!("ALTER DATABASE {name} RESET {READ_ONLY}"),
            before => format!("ALTER DATABASE {name} SET {READ_ONLY} TO {}", quote_text(before)),
        })?;
        // A session keeps what it began with: an application would go on to be refused.
        end_sessions(&mut session, &database)?;
        // Last: until then it is known what to do.
        session.execute(&format!("ALTER DATABASE {name} RESET {BEFORE}"))?;
    }
    session.close();
    Ok(())
}

/// Keeps a database in maintenance that was in it before its settings were restored: what was restored holds when it is left.
///
/// # Errors
/// When the server fails.
pub fn stay<S: Stream>(session: &mut Session<S>, database: &str) -> Result<(), Error> {
    let settings = settings(session, database)?;
    let restored = value(&settings, READ_ONLY).unwrap_or("on");
    if value(&settings, BEFORE).is_some() && !is_on(restored) {
        let (name, restored) = (quote_name(database), quote_text(restored));
        session.execute(&format!("ALTER DATABASE {name} SET {BEFORE} TO {restored}"))?;
        session.execute(&format!("ALTER DATABASE {name} SET {READ_ONLY} TO on"))?;
    }
    Ok(())
}

/// The settings of a database as they are when it is in service, of those that it has now.
pub fn in_service(settings: Vec<String>) -> Vec<String> {
    let Some(before) = value(&settings, BEFORE).map(str::to_owned) else { return settings };
    let is_ours = |setting: &String| {
        let name = setting.split_once('=').map_or(setting.as_str(), |(name, _)| name);
        name == BEFORE || name == READ_ONLY
    };
    let mut others: Vec<String> = settings.into_iter().filter(|it| !is_ours(it)).collect();
    if before != UNSET {
        others.push(format!("{READ_ONLY}={before}"));
    }
    others
}

/// A session that alone enters or leaves. The server keeps the lock until the session has ended, also when its host was killed:
/// what that still did is then undone by whoever waits for the lock.
fn open<H: Host>(host: &H, config: &Config) -> Result<Session<H::Stream>, Error> {
    config.validate()?;
    let mut session = Session::open(host, config, &config.database)?;
    session.execute(&format!("SELECT pg_catalog.pg_advisory_lock({LOCK})"))?;
    Ok(session)
}

/// The databases that are taken and there: before a restore there may be none.
fn taken<S: Stream>(session: &mut Session<S>, config: &Config) -> Result<Vec<String>, Error> {
    let rows = session.rows(
        "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname COLLATE \"C\"",
    )?;
    let names: Result<Vec<String>, Error> = rows.iter().map(|row| row.owned(0)).collect();
    Ok(names?.into_iter().filter(|name| config.takes_database(name)).collect())
}

/// The settings of a database for all roles, as `name=value`.
fn settings<S: Stream>(session: &mut Session<S>, database: &str) -> Result<Vec<String>, Error> {
    let rows = session.rows(&format!(
        "SELECT unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
         WHERE s.setrole = 0 AND d.datname = {}",
        quote_text(database)
    ))?;
    rows.iter().map(|row| row.owned(0)).collect()
}

fn value<'a>(settings: &'a [String], name: &str) -> Option<&'a str> {
    settings.iter().find_map(|setting| setting.strip_prefix(name)?.strip_prefix('='))
}

fn is_on(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1")
}

/// Ends the sessions of clients in a database that began before now, and waits until they are gone.
fn end_sessions<S: Stream>(session: &mut Session<S>, database: &str) -> Result<(), Error> {
    let now = session.one("SELECT pg_catalog.clock_timestamp()")?.owned(0)?;
    let end = format!(
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE datname = {} \
         AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client backend' AND backend_start <= {}",
        quote_text(database),
        quote_text(&now)
    );
    let mut clear = 0;
    for _ in 0..LOOKS_MAX {
        // The list of sessions stands still in a transaction, which this is not.
        let sessions: u64 = session.one(&end)?.number(0)?;
        clear = if sessions == 0 { clear + 1 } else { 0 };
        if clear == LOOKS_CLEAR {
            return Ok(());
        }
        session.execute("SELECT pg_catalog.pg_sleep(0.1)")?;
    }
    let text = format!("sessions in database {database} do not end, and may still write");
    Err(Told::conflict(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_in_maintenance_is_that_of_a_database_in_service() {
        let owned =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let plain = owned(&["work_mem=4MB", "default_transaction_read_only=off"]);
        assert_eq!(in_service(plain.clone()), plain);
        let unset =
            ["work_mem=4MB", "lockgate.maintenance=unset", "default_transaction_read_only=on"];
        assert_eq!(in_service(owned(&unset)), owned(&["work_mem=4MB"]));
        let set = ["default_transaction_read_only=on", "lockgate.maintenance=off", "work_mem=4MB"];
        assert_eq!(in_service(owned(&set)), plain);
        assert!(is_on("on") && is_on("True") && !is_on(UNSET) && !is_on("off"));
    }
}
