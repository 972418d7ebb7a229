//! One authenticated connection to a node of a version that is known.

use std::collections::BTreeSet;

use lockgate_plugin::host::{Account, Host, Stream};
use lockgate_plugin::{Context, Error as Told, Failure, printable};

use super::connection::{Answer, Connection, Parameters};
use super::rows::Row;
use crate::config::{Config, Consistency};
use crate::error::{Error, ServerError};
use crate::limits::{AGREEMENT_MS_MAX, PAGE_ROWS_MAX, RESULT_BYTES_MAX, TRIES_MAX};
use crate::server::{self, Server};

/// The server and the account, as `plugin.toml` asks for them.
const ENDPOINT: &str = "server";
const CREDENTIAL: &str = "account";

/// One connection.
#[derive(Debug)]
pub struct Session<S> {
    /// For several questions at a time.
    pub connection: Connection<S>,
    server: Server,
    is_authenticated: bool,
    /// Nodes that did not agree on the schema in time, which are down as it seems.
    silent: BTreeSet<String>,
}

impl<S: Stream> Session<S> {
    /// Dials, authenticates and refuses unknown servers.
    ///
    /// # Errors
    /// When any of that fails.
    pub fn open<H: Host<Stream = S>>(host: &H, config: &Config) -> Result<Self, Error> {
        let mut connection = Connection::new(host.connect(ENDPOINT)?);
        server::admit_options(&connection.options()?, config.allow_untested_version)?;
        let is_authenticated = connection.start(|authenticator| login(host, authenticator))?;
        let server = Server::default();
        let mut session = Self { connection, server, is_authenticated, silent: BTreeSet::new() };
        let local =
            "SELECT release_version, cluster_name, data_center, partitioner FROM system.local";
        let row = session.one(local)?;
        let release = row.text(0)?.to_owned();
        session.server = Server {
            version: Server::parse(&release)?,
            release,
            cluster: row.text(1)?.to_owned(),
            datacenter: row.text(2)?.to_owned(),
            partitioner: row.text(3)?.rsplit('.').next().unwrap_or_default().to_owned(),
        };
        session.server.admit(config.allow_untested_version)?;
        Ok(session)
    }

    /// What is on the other side.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Whether the cluster wanted a login.
    pub fn is_authenticated(&self) -> bool {
        self.is_authenticated
    }

    /// Runs a statement that gives no rows.
    ///
    /// # Errors
    /// When the node refuses it.
    pub fn execute(&mut self, statement: &str) -> Result<(), Error> {
        self.rows(statement).map(drop)
    }

    /// Runs a statement and holds its rows.
    ///
    /// # Errors
    /// When the node refuses it or the rows are too many to be held.
    pub fn rows(&mut self, statement: &str) -> Result<Vec<Row>, Error> {
        let (mut held, mut bytes, mut state) = (Vec::new(), 0, None);
        loop {
            let parameters = Parameters {
                consistency: Consistency::One,
                page_rows: Some(PAGE_ROWS_MAX),
                paging_state: state.as_deref(),
                now: None,
            };
            let answer =
                self.patiently(|connection| connection.send_query(0, statement, &parameters));
            let mut rows = match answer? {
                Answer::Done => return Ok(held),
                Answer::Rows(rows) => rows,
            };
            bytes += rows.bytes_left();
            if bytes > RESULT_BYTES_MAX {
                return Err(Told::unsupported(format!(
                    "a list of the server's is too long (at most {RESULT_BYTES_MAX} bytes): {}",
                    printable(statement)
                ))
                .into());
            }
            state = rows.paging_state.take();
            held.extend(rows.hold()?);
            if state.is_none() {
                return Ok(held);
            }
        }
    }

    /// The first row of a statement's result.
    ///
    /// # Errors
    /// When the node refuses it or there is no row.
    pub fn one(&mut self, statement: &str) -> Result<Row, Error> {
        let first = self.rows(statement)?.into_iter().next();
        first.ok_or(Error::Protocol("a result that always has a row has none"))
    }

    /// Asks, and asks again when too few replicas can answer for the moment. For questions that may be asked twice.
    fn patiently(
        &mut self,
        mut send: impl FnMut(&mut Connection<S>) -> Result<(), Error>,
    ) -> Result<Answer, Error> {
        let mut tries = 0;
        loop {
            send(&mut self.connection)?;
            let (stream, answer) = self.connection.receive()?;
            if stream != 0 {
                return Err(Error::Protocol("an answer belongs to no question"));
            }
            match answer {
                Ok(answer) => return Ok(answer),
                Err(refused) => wait(&refused, &mut tries).ok_or(Error::Server(refused))??,
            }
        }
    }

    /// Waits until all nodes that are up have the schema of this one. A node that does not follow in time counts as down; it gets the
    /// schema when it comes back.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub fn agree(&mut self) -> Result<(), Error> {
        const STEP_MS: u32 = 100;
        let mut waited = 0;
        loop {
            let own = self.one("SELECT schema_version FROM system.local")?.uuid(0);
            let peers = self.rows("SELECT peer, schema_version FROM system.peers_v2")?;
            let differ = peers.iter().filter(|peer| peer.uuid(1) != own);
            let names = differ.filter_map(|peer| peer.address(0)).map(|peer| peer.to_string());
            let differ: BTreeSet<String> =
                names.filter(|name| !self.silent.contains(name)).collect();
            if differ.is_empty() {
                return Ok(());
            }
            if waited >= AGREEMENT_MS_MAX {
                let names: Vec<&str> = differ.iter().map(String::as_str).collect();
                log::warn!(
                    "these nodes have another schema after {} s and are taken to be down: {}",
                    AGREEMENT_MS_MAX / 1000,
                    names.join(", ")
                );
                self.silent.extend(differ);
                return Ok(());
            }
            pause(STEP_MS)?;
            waited += u64::from(STEP_MS);
        }
    }

    /// Seconds since 1970 by the node's clock.
    ///
    /// # Errors
    /// When it does not say.
    pub fn now(&mut self) -> Result<i32, Error> {
        let row = self.one("SELECT toUnixTimestamp(now()) FROM system.local")?;
        let seconds =
            row.bigint(0).and_then(|milliseconds| i32::try_from(milliseconds / 1000).ok());
        seconds.ok_or(Error::Protocol("the node's clock is out of range"))
    }
}

/// Waits before something is asked again; none when that makes no sense.
pub(crate) fn wait(refused: &ServerError, tries: &mut u32) -> Option<Result<(), Error>> {
    *tries += 1;
    let again = (refused.is_passing() || refused.is_timeout()) && *tries < TRIES_MAX;
    again.then(|| Ok(pause(50 << *tries)?))
}

/// Waits.
///
/// # Errors
/// When the clock is not granted.
pub fn pause(milliseconds: u32) -> lockgate_plugin::Result<()> {
    #[cfg(target_family = "wasm")]
    lockgate_plugin::clock::sleep(milliseconds)?;
    #[cfg(not(target_family = "wasm"))]
    std::thread::sleep(std::time::Duration::from_millis(milliseconds.into()));
    Ok(())
}

/// SASL PLAIN: <https://www.rfc-editor.org/rfc/rfc4616>, which all authenticators that take a password know.
fn login<H: Host>(host: &H, authenticator: &str) -> Result<Vec<u8>, Error> {
    let account = match host.account(CREDENTIAL) {
        Ok(account) => account,
        Err(error) if matches!(error.failure(), Failure::Denied(_)) => {
            return Err(Told::auth(format!(
                "the cluster wants a login ({}): give the source `credentials.account` with `reveal = true`",
                printable(authenticator)
            ))
            .into());
        }
        Err(error) => return Err(error.into()),
    };
    let secret = host.reveal(&account).context(
        "credentials.account: Cassandra wants the password itself, which needs `reveal = true`",
    )?;
    Ok([b"\0", account.principal().as_bytes(), b"\0", secret.as_slice()].concat())
}
