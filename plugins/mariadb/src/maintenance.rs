//! Maintenance: the server refuses the writes of all accounts but those with `READ ONLY ADMIN`, of which lockgate's is one.
//!
//! A server that is read-only already stays as it is. Otherwise an empty database remembers that it was not, so that whoever
//! comes later knows what to put back. <https://mariadb.com/kb/en/server-system-variables/#read_only>

use lockgate_plugin::Error as Told;
use lockgate_plugin::host::{Host, Stream};

use crate::config::Config;
use crate::error::Error;
use crate::server::Product;
use crate::session::Session;

/// The database that stands for a server that this plugin made read-only. It is in no binary log and in no backup.
pub const MARKER: &str = "lockgate_maintenance";

/// Takes the server out of service for writers. Again, nothing more.
///
/// # Errors
/// When the account may not, or a statement of another client is in the way for too long; then nothing is changed.
pub fn enter<H: Host>(host: &H, config: &Config) -> Result<(), Error> {
    let mut session = open(host, config)?;
    if !is_read_only(&mut session)? {
        session.execute(&format!("CREATE DATABASE IF NOT EXISTS {MARKER}"))?;
        if let Err(error) = session.execute("SET GLOBAL read_only = 1") {
            session.execute(&format!("DROP DATABASE IF EXISTS {MARKER}"))?;
            return Err(error.during("make the server read-only"));
        }
    }
    session.close();
    Ok(())
}

/// Makes the server what it was before. Without a mode that was entered, nothing is changed.
///
/// # Errors
/// When the account may not, or the server fails; then it can be tried again.
pub fn leave<H: Host>(host: &H, config: &Config) -> Result<(), Error> {
    let mut session = open(host, config)?;
    let marked = session.rows(&format!("SHOW DATABASES LIKE '{}'", MARKER.replace('_', "\\_")))?;
    if !marked.is_empty() {
        session.execute("SET GLOBAL read_only = 0")?;
        // Last: until then it is known what to do.
        session.execute(&format!("DROP DATABASE {MARKER}"))?;
    }
    session.close();
    Ok(())
}

/// A session that alone enters or leaves. The server keeps the lock until the session's last statement has ended, also when
/// its host was killed: what that still did is then undone by whoever waits for the lock.
fn open<H: Host>(host: &H, config: &Config) -> Result<Session<H::Stream>, Error> {
    config.validate()?;
    let mut session = Session::open(host, config)?;
    if session.server().product != Product::MariaDb {
        let text = format!("no maintenance mode was made for {}", session.server());
        return Err(Told::unsupported(text).into());
    }
    let cluster = session.rows("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'")?;
    if cluster.first().is_some_and(|row| row.required(1).is_ok_and(|value| value == "ON")) {
        let text =
            "no maintenance mode: the other nodes of a Galera cluster would go on to take writes";
        return Err(Told::unsupported(text).into());
    }
    // What is changed here is of this server, and not of its replicas.
    session.execute("SET SESSION sql_log_bin = 0")?;
    let seconds = config.lock_wait_seconds;
    session.execute(&format!("SET SESSION lock_wait_timeout = {seconds}"))?;
    if session.one(&format!("SELECT GET_LOCK('{MARKER}', {seconds})"))?.required(0).ok()
        != Some("1")
    {
        let text =
            format!("another session enters or leaves maintenance for more than {seconds} s");
        return Err(Told::conflict(text).into());
    }
    Ok(session)
}

fn is_read_only<S: Stream>(session: &mut Session<S>) -> Result<bool, Error> {
    Ok(session.one("SELECT @@GLOBAL.read_only")?.required(0)? != "0")
}
