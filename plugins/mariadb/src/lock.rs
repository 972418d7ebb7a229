//! The consistent point: writers are held off by one session while the others start to look.

use lockgate_plugin::host::{Host, Stream};

use crate::catalog::Database;
use crate::config::{Config, Lock};
use crate::error::Error;
use crate::names::qualified;
use crate::session::Session;

const ACCESS_DENIED: [u16; 3] = [1044, 1142, 1227];
const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// Holds writers off until it is released. When the host forgets to, the server closes the idle session after
/// `lock-wait-seconds`, and releasing then fails.
#[derive(Debug)]
pub struct Held<S: Stream> {
    session: Session<S>,
    /// How, for the manifest.
    pub how: &'static str,
}

/// Takes the lock that the configuration asks for.
///
/// # Errors
/// When the account may not, or a long statement of another client is in the way for too long.
pub fn take<H: Host>(
    host: &H,
    config: &Config,
    databases: &[Database],
) -> Result<Held<H::Stream>, Error> {
    let mut session = Session::open(host, config)?;
    let seconds = config.lock_wait_seconds;
    session
        .execute(&format!("SET SESSION lock_wait_timeout = {seconds}, wait_timeout = {seconds}"))?;
    let how = match config.lock {
        Lock::Global => lock_all(&mut session, seconds)?,
        Lock::Tables => lock_tables(&mut session, databases, seconds)?,
        Lock::Auto => match lock_all(&mut session, seconds) {
            Err(error) if error.server().is_some_and(|it| ACCESS_DENIED.contains(&it.code)) => {
                lock_tables(&mut session, databases, seconds)?
            }
            other => other?,
        },
    };
    Ok(Held { session, how })
}

impl<S: Stream> Held<S> {
    /// Lets writers go on.
    ///
    /// # Errors
    /// When the lock was lost before, so that nobody knows what the sessions see.
    pub fn release(mut self) -> Result<(), Error> {
        let released = self.session.execute("UNLOCK TABLES");
        released
            .map_err(|error| error.during("the lock was lost before all workers had joined"))?;
        self.session.close();
        Ok(())
    }
}

fn lock_all<S: Stream>(session: &mut Session<S>, seconds: u32) -> Result<&'static str, Error> {
    let locked = session.execute("FLUSH TABLES WITH READ LOCK");
    locked.map_err(|error| explained(error, seconds)).map(|_| "global read lock")
}

fn lock_tables<S: Stream>(
    session: &mut Session<S>,
    databases: &[Database],
    seconds: u32,
) -> Result<&'static str, Error> {
    let tables = databases.iter().flat_map(|database| {
        database
            .tables
            .iter()
            .map(|table| format!("{} READ", qualified(&database.name, &table.name)))
    });
    let tables: Vec<String> = tables.collect();
    if !tables.is_empty() {
        let locked = session.execute(&format!("LOCK TABLES {}", tables.join(", ")));
        locked.map_err(|error| explained(error, seconds))?;
    }
    Ok("read locks on the tables")
}

fn explained(error: Error, seconds: u32) -> Error {
    if error.server().is_some_and(|it| it.code == LOCK_WAIT_TIMEOUT) {
        return error.during(&format!(
            "no read lock within {seconds} s, because a statement or transaction of another client is in the way"
        ));
    }
    error.during("taking the read lock")
}
