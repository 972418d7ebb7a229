//! One authenticated connection to one database, with settings under which the same data always looks the same.

use lockgate_plugin::Error as Told;
use lockgate_plugin::host::{Host, Stream};

use crate::config::Config;
use crate::error::Error;
use crate::limits::RESULT_BYTES_MAX;
use crate::server::Server;
use crate::wire::message::Messages;
use crate::wire::row::Row;
use crate::wire::startup;

/// The server and the account, as `plugin.toml` asks for them.
const ENDPOINT: &str = "server";
const CREDENTIAL: &str = "account";

/// What every session sets; what a release does not know is left out. Names in definitions are qualified because the search
/// path is empty, and nothing is filtered silently by row security.
const SETTINGS: &str = "SELECT pg_catalog.set_config(v.name, v.value, false) FROM (VALUES ('search_path', ''), ('DateStyle', 'ISO'),
  ('IntervalStyle', 'postgres'), ('extra_float_digits', '3'), ('TimeZone', 'UTC'), ('bytea_output', 'hex'),
  ('quote_all_identifiers', 'off'), ('row_security', 'off'), ('synchronize_seqscans', 'off'), ('standard_conforming_strings', 'on'),
  ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'), ('transaction_timeout', '0'),
  ('check_function_bodies', 'off'), ('client_min_messages', 'warning'), ('xmloption', 'content'), ('default_tablespace', ''),
  ('default_table_access_method', 'heap'), ('default_transaction_read_only', 'off'), ('session_replication_role', 'origin'),
  ('tcp_keepalives_idle', '60')) AS v(name, value)
  JOIN pg_catalog.pg_settings s ON lower(s.name) = lower(v.name) WHERE s.setting IS DISTINCT FROM v.value";

/// A server that looks whether its client is still there, which it does on some systems only, gives up long statements
/// of a run that was stopped.
const LOOK_AFTER_CLIENT: &str = "SET client_connection_check_interval = '2s'";

/// One connection to the server.
#[derive(Debug)]
pub struct Session<S: Stream> {
    messages: Messages<S>,
    server: Server,
    database: String,
    /// An exchange was left in the middle, so that the next answer would belong to it.
    is_broken: bool,
}

impl<S: Stream> Session<S> {
    /// Dials, authenticates, refuses unknown servers, and sets what every session of this plugin needs.
    ///
    /// # Errors
    /// When any of that fails.
    pub fn open<H: Host<Stream = S>>(
        host: &H,
        config: &Config,
        database: &str,
    ) -> Result<Self, Error> {
        let account = host.account(CREDENTIAL)?;
        let encryption = host.encryption(ENDPOINT)?;
        let mut messages = Messages::new(host.connect(ENDPOINT)?);
        let version = startup::connect(&mut messages, encryption, &account, database)?;
        let server = Server::parse(&version)?;
        server.admit(config.allow_untested_version)?;
        let mut session =
            Self { messages, server, database: database.to_owned(), is_broken: false };
        let product = session.one("SELECT pg_catalog.version()")?.shown(0);
        if !product.starts_with("PostgreSQL ") && !config.allow_untested_version {
            let text = format!("the server is {product}, which only speaks like PostgreSQL");
            return Err(Told::unsupported(text).into());
        }
        session.execute(SETTINGS)?;
        session.execute(&format!("SET lock_timeout = '{}s'", config.lock_wait_seconds))?;
        if server.major >= 14 {
            match session.execute(LOOK_AFTER_CLIENT) {
                Ok(_) | Err(Error::Server(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(session)
    }

    /// What is on the other side.
    pub fn server(&self) -> Server {
        self.server
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Runs a statement whose rows are of no interest, and returns how many it changed.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn execute(&mut self, statement: &str) -> Result<u64, Error> {
        self.query(statement)?;
        self.guarded(|messages| finish(messages, |_| Ok(())))
    }

    /// Runs a statement and holds its rows.
    ///
    /// # Errors
    /// When the server refuses it or the rows are too many to be held.
    pub fn rows(&mut self, statement: &str) -> Result<Vec<Row>, Error> {
        self.query(statement)?;
        self.guarded(|messages| {
            let (mut rows, mut bytes) = (Vec::new(), 0);
            finish(messages, |body| {
                let row = Row::parse(body)?;
                bytes += row.weight();
                if bytes > RESULT_BYTES_MAX {
                    return Err(Error::Protocol("a list is larger than 64 MiB"));
                }
                rows.push(row);
                Ok(())
            })?;
            Ok(rows)
        })
    }

    /// The first row of a statement's result.
    ///
    /// # Errors
    /// When the server refuses it or there is no row.
    pub fn one(&mut self, statement: &str) -> Result<Row, Error> {
        let first = self.rows(statement)?.into_iter().next();
        first.ok_or(Error::Protocol("a result that always has a row has none"))
    }

    /// Runs `COPY ... TO STDOUT` and hands its bytes to `take` as they come.
    ///
    /// # Errors
    /// When the server refuses or breaks off, or `take` fails.
    pub fn copy_out(
        &mut self,
        statement: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.query(statement)?;
        self.guarded(|messages| {
            expect(messages, b'H', "COPY gives no rows")?;
            match messages.receive_rows(take)? {
                b'c' => finish(messages, |_| Err(OUT_OF_ORDER)).map(drop),
                _ => Err(OUT_OF_ORDER),
            }
        })
    }

    /// Runs `COPY ... FROM STDIN` with what `give` puts into its buffer until that is empty; returns the number of rows.
    ///
    /// # Errors
    /// When the server refuses the rows, or `give` fails; then the server has taken none of them.
    pub fn copy_in(
        &mut self,
        statement: &str,
        give: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.query(statement)?;
        self.guarded(|messages| {
            expect(messages, b'G', "COPY takes no rows")?;
            let mut buffer = Vec::new();
            loop {
                buffer.clear();
                if let Err(error) = give(&mut buffer) {
                    messages.send(b'f', &[b"the rest cannot be read\0"])?;
                    messages.flush()?;
                    // The server answers with an error of its own, which says less.
                    let _ = finish(messages, |_| Err(OUT_OF_ORDER));
                    return Err(error);
                }
                if buffer.is_empty() {
                    break;
                }
                messages.send(b'd', &[&buffer])?;
            }
            messages.send(b'c', &[])?;
            messages.flush()?;
            finish(messages, |_| Err(OUT_OF_ORDER))
        })
    }

    /// Whether the session can still be used.
    pub fn is_usable(&mut self) -> bool {
        !self.is_broken && self.execute("SELECT 1").is_ok()
    }

    /// Says good-bye. The server gives up what was not committed.
    pub fn close(mut self) {
        if !self.is_broken && self.messages.send(b'X', &[]).is_ok() {
            // The connection may be gone already, which is as good.
            let _ = self.messages.flush();
        }
    }

    fn query(&mut self, statement: &str) -> Result<(), Error> {
        if self.is_broken {
            return Err(Error::Lost("an earlier exchange was broken off".to_owned()));
        }
        if statement.contains('\0') {
            return Err(Told::corrupt("a statement has a NUL in it").into());
        }
        self.messages.send(b'Q', &[statement.as_bytes(), &[0]])?;
        self.messages.flush()
    }

    /// Runs an exchange; unless it ends in a value or an error of the server's, the session is of no use any more.
    fn guarded<T>(
        &mut self,
        exchange: impl FnOnce(&mut Messages<S>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.is_broken = true;
        let result = exchange(&mut self.messages);
        self.is_broken = match &result {
            Ok(_) => false,
            // The server is ready again after its error.
            Err(Error::Server(_)) => until_ready(&mut self.messages).is_err(),
            Err(_) => true,
        };
        result
    }
}

const OUT_OF_ORDER: Error = Error::Protocol("messages are out of order");

/// Takes the rest of a statement's answer: the number in its tag.
fn finish<S: Stream>(
    messages: &mut Messages<S>,
    mut row: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut count = 0;
    loop {
        match messages.receive()? {
            b'D' => row(messages.body())?,
            b'C' => {
                // "INSERT 0 5", "COPY 7", "LOCK TABLE".
                let tag = String::from_utf8_lossy(messages.body()).into_owned();
                let number = tag.trim_end_matches('\0').rsplit(' ').next();
                count = number.and_then(|number| number.parse().ok()).unwrap_or(0);
            }
            b'T' | b'S' | b'I' => {}
            b'Z' => return Ok(count),
            _ => return Err(OUT_OF_ORDER),
        }
    }
}

fn expect<S: Stream>(
    messages: &mut Messages<S>,
    kind: u8,
    otherwise: &'static str,
) -> Result<(), Error> {
    loop {
        match messages.receive()? {
            b'S' => {}
            found if found == kind => return Ok(()),
            _ => return Err(Error::Protocol(otherwise)),
        }
    }
}

fn until_ready<S: Stream>(messages: &mut Messages<S>) -> Result<(), Error> {
    loop {
        match messages.receive() {
            Ok(b'Z') => return Ok(()),
            Ok(_) | Err(Error::Server(_)) => {}
            Err(error) => return Err(error),
        }
    }
}
