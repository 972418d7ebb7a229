//! One authenticated connection with settings under which the same data always looks the same.

use lockgate_plugin::host::{Account, Host, Stream};
use lockgate_plugin::net::Encryption;

use crate::config::Config;
use crate::error::Error;
use crate::server::{Product, Server};
use crate::wire::command::{self, Answer, Done};
use crate::wire::frames::Message;
use crate::wire::handshake;
use crate::wire::packet::Packets;
use crate::wire::text::{Row, read_rows};

/// The server and the account, as `plugin.toml` asks for them.
const ENDPOINT: &str = "server";
const CREDENTIAL: &str = "account";

/// A day, in seconds: an idle worker waits for others, and a slow repository holds up a result.
const PATIENCE: &str = "86400";

/// One connection to the server.
#[derive(Debug)]
pub struct Session<S: Stream> {
    packets: Packets<S>,
    server: Server,
    /// An exchange was left in the middle, so that the next answer would belong to it.
    is_broken: bool,
}

impl<S: Stream> Session<S> {
    /// Dials, authenticates, refuses unknown servers, and sets what every session of this plugin needs.
    ///
    /// # Errors
    /// When any of that fails.
    pub fn open<H: Host<Stream = S>>(host: &H, config: &Config) -> Result<Self, Error> {
        let account = host.account(CREDENTIAL)?;
        let encryption = host.encryption(ENDPOINT)?;
        let stream = host.connect(ENDPOINT)?;
        Self::start(stream, encryption, &account, config.allow_untested_version)
    }

    fn start(
        stream: S,
        encryption: Encryption,
        account: &dyn Account,
        allow_untested: bool,
    ) -> Result<Self, Error> {
        let mut packets = Packets::new(stream);
        let greeting = handshake::connect(&mut packets, encryption, account)?;
        let server = Server::parse(&greeting.version)?;
        server.admit(allow_untested)?;
        let mut session = Self { packets, server, is_broken: false };
        session.execute("SET NAMES utf8mb4")?;
        session.execute(
            "SET SESSION sql_mode = '', time_zone = '+00:00', sql_quote_show_create = 1, \
             autocommit = 1, sql_select_limit = DEFAULT",
        )?;
        for variable in ["wait_timeout", "net_read_timeout", "net_write_timeout"] {
            session.set_if_known(variable, PATIENCE)?;
        }
        let unlimited = match session.server.product {
            Product::MariaDb => ["max_statement_time", "idle_transaction_timeout"].as_slice(),
            Product::MySql => ["max_execution_time"].as_slice(),
        };
        for variable in unlimited {
            session.set_if_known(variable, "0")?;
        }
        Ok(session)
    }

    /// What is on the other side.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Runs a statement that gives no rows.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn execute(&mut self, statement: &str) -> Result<Done, Error> {
        self.execute_bytes(statement.as_bytes())
    }

    /// Like [`Session::execute`], for statements that hold bytes which are not text.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn execute_bytes(&mut self, statement: &[u8]) -> Result<Done, Error> {
        match self.query(statement)? {
            Answer::Done(done) => Ok(done),
            Answer::Rows(columns) => {
                self.guarded(|packets| read_rows(packets, columns).map(|_| Done::default()))
            }
            Answer::WantsFile => self.refuse_file(),
        }
    }

    /// Runs a statement and holds its rows.
    ///
    /// # Errors
    /// When the server refuses it or the rows are too many to be held.
    pub fn rows(&mut self, statement: &str) -> Result<Vec<Row>, Error> {
        match self.query(statement.as_bytes())? {
            Answer::Done(_) => Ok(Vec::new()),
            Answer::Rows(columns) => self.guarded(|packets| read_rows(packets, columns)),
            Answer::WantsFile => self.refuse_file(),
        }
    }

    /// The first row of a statement's result.
    ///
    /// # Errors
    /// When the server refuses it or there is no row.
    pub fn one(&mut self, statement: &str) -> Result<Row, Error> {
        let first = self.rows(statement)?.into_iter().next();
        first.ok_or(Error::Protocol("a result that always has a row has none"))
    }

    /// Sets a variable of the session where the server has it: they differ by version.
    ///
    /// # Errors
    /// When the server refuses for another reason.
    pub fn set_if_known(&mut self, variable: &str, value: &str) -> Result<(), Error> {
        const UNKNOWN_VARIABLE: u16 = 1193;
        match self.execute(&format!("SET SESSION {variable} = {value}")) {
            Err(error) if error.server().is_some_and(|it| it.code == UNKNOWN_VARIABLE) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Runs a query whose rows are then taken by [`Session::next`] until it gives none; returns the number of columns.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn begin_rows(&mut self, statement: &str) -> Result<usize, Error> {
        match self.query(statement.as_bytes())? {
            Answer::Rows(columns) => {
                self.is_broken = true;
                Ok(columns)
            }
            Answer::Done(_) => Err(Error::Protocol("a query gives no rows")),
            Answer::WantsFile => self.refuse_file(),
        }
    }

    /// The next row or piece of a row.
    ///
    /// # Errors
    /// When the server breaks off.
    #[inline]
    pub fn receive(&mut self) -> Result<Option<Message<'_>>, Error> {
        match self.packets.receive_piecewise()? {
            Message::Whole(message) if command::is_end(message) => {
                self.is_broken = false;
                Ok(None)
            }
            Message::Whole(message) if message.first() == Some(&0xff) => {
                self.is_broken = false;
                Err(command::error_packet(message))
            }
            other => Ok(Some(other)),
        }
    }

    /// Runs a `LOAD DATA LOCAL` statement; the file is then sent by [`Session::send_file`].
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn begin_file(&mut self, statement: &str) -> Result<(), Error> {
        match self.query(statement.as_bytes())? {
            Answer::WantsFile => {
                self.is_broken = true;
                Ok(())
            }
            Answer::Done(_) | Answer::Rows(_) => {
                Err(Error::Protocol("the server does not ask for the file"))
            }
        }
    }

    /// Sends a piece of the file.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send_file(&mut self, piece: &[u8]) -> Result<(), Error> {
        // An empty message would end the file.
        if piece.is_empty() { Ok(()) } else { self.packets.send(piece) }
    }

    /// Ends the file and the statement.
    ///
    /// # Errors
    /// When the server could not take the rows.
    pub fn end_file(&mut self) -> Result<Done, Error> {
        self.packets.send(&[])?;
        self.guarded(command::finish)
    }

    /// Whether the session can still be used.
    pub fn is_usable(&mut self) -> bool {
        !self.is_broken && command::ping(&mut self.packets).is_ok()
    }

    /// Says good-bye.
    pub fn close(mut self) {
        if !self.is_broken {
            command::quit(&mut self.packets);
        }
    }

    fn query(&mut self, statement: &[u8]) -> Result<Answer, Error> {
        if self.is_broken {
            return Err(Error::Lost("an earlier exchange was broken off".to_owned()));
        }
        self.guarded(|packets| command::query(packets, statement))
    }

    /// Runs an exchange; unless it ends in a value or an error of the server's, the session is of no use any more.
    fn guarded<T>(
        &mut self,
        exchange: impl FnOnce(&mut Packets<S>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.is_broken = true;
        let result = exchange(&mut self.packets);
        self.is_broken = !matches!(result, Ok(_) | Err(Error::Server(_)));
        result
    }

    /// A server that asks for a file that no statement named is hostile.
    fn refuse_file<T>(&mut self) -> Result<T, Error> {
        self.is_broken = true;
        Err(Error::Protocol("the server asks for a file that no statement named"))
    }
}
