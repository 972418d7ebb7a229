//! A connection to one server: authentication, commands and answers.

use lockgate_plugin::host::{Account, Host};
use lockgate_plugin::{Context, Error, Failure, Result};

use crate::resp::{Reply, read_reply, write_command};
use crate::server::Server;

/// The one endpoint in `plugin.toml`.
const ENDPOINT: &str = "server";
/// The one credential in `plugin.toml`.
const CREDENTIAL: &str = "account";
/// Begins the name that connections of this plugin have at the server.
const NAME: &str = "lockgate";

/// A connection.
#[derive(Debug)]
pub struct Client<S> {
    stream: S,
}

/// Where a server is: the one that the operator named, or a member of its cluster.
pub type Address = Option<(String, u16)>;

impl<S: std::io::BufRead + std::io::Write> Client<S> {
    /// Dials, authenticates and says who is there.
    ///
    /// # Errors
    /// When nobody answers or the server refuses the account.
    pub fn open<H: Host<Stream = S>>(host: &H, address: &Address) -> Result<Self> {
        let stream = match address {
            None => host.connect(ENDPOINT)?,
            Some((name, port)) => host.connect_member(ENDPOINT, name, *port).with_context(|| {
                format!("connecting to {name}:{port}, a master of the cluster (endpoints.server.members must allow it)")
            })?,
        };
        let mut client = Self { stream };
        if let Some((user, password)) = account(host)? {
            client.authenticate(&user, &password)?;
        }
        // Only for people who look at the server's list of clients.
        client.ask(&[b"CLIENT", b"SETNAME", NAME.as_bytes()])?;
        Ok(client)
    }

    fn authenticate(&mut self, user: &str, password: &[u8]) -> Result<()> {
        // Servers before 6 have no users, and no second argument either.
        let reply = if user.is_empty() || user == "default" {
            self.ask(&[b"AUTH", password])?
        } else {
            self.ask(&[b"AUTH", user.as_bytes(), password])?
        };
        reply.accepted().map(drop).with_context(|| format!("logging in as {user:?}"))
    }

    /// Sends a command and gives what the server answers, also a refusal.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<Reply> {
        write_command(&mut self.stream, words)?;
        self.receive()
    }

    /// Sends a command that the server must accept.
    ///
    /// # Errors
    /// When it refuses, or the connection breaks.
    pub fn call(&mut self, words: &[&[u8]]) -> Result<Reply> {
        let command =
            || String::from_utf8_lossy(words.first().copied().unwrap_or_default()).into_owned();
        self.ask(words)?.accepted().with_context(command)
    }

    /// The next answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn receive(&mut self) -> Result<Reply> {
        self.stream.flush()?;
        read_reply(&mut self.stream)
    }

    /// For what is not answered at once.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The connection without its protocol.
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// Works with a database.
    ///
    /// # Errors
    /// When the server does not have it.
    pub fn select(&mut self, database: u64) -> Result<()> {
        if database == 0 {
            return Ok(());
        }
        self.call(&[b"SELECT", database.to_string().as_bytes()]).map(drop)
    }

    /// What the server says about itself.
    ///
    /// # Errors
    /// When it does not.
    pub fn server(&mut self) -> Result<Server> {
        Server::parse(&self.call(&[b"INFO"])?.text()?)
    }

    /// The time at the server, in milliseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// When it does not tell.
    pub fn now(&mut self) -> Result<u64> {
        let time = self.call(&[b"TIME"])?.array()?;
        let mut numbers = time.into_iter().map(Reply::integer);
        let mut next =
            || numbers.next().unwrap_or_else(|| Err(Error::corrupt("TIME gives no time")));
        let (seconds, microseconds) = (next()?, next()?);
        u64::try_from(seconds.saturating_mul(1000).saturating_add(microseconds / 1000))
            .map_err(|_| Error::corrupt("TIME gives a time before 1970"))
    }

    /// Keys in the database.
    ///
    /// # Errors
    /// When the server does not tell.
    pub fn size(&mut self) -> Result<u64> {
        let size = self.call(&[b"DBSIZE"])?.integer()?;
        u64::try_from(size).map_err(|_| Error::corrupt("DBSIZE is negative"))
    }
}

/// User name and password; none when no credential is granted.
fn account<H: Host>(host: &H) -> Result<Option<(String, Vec<u8>)>> {
    let account = match host.account(CREDENTIAL) {
        Ok(account) => account,
        Err(error) if matches!(error.failure(), Failure::Denied(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let secret = host.reveal(&account).map_err(|error| match error.failure() {
        Failure::Denied(reason) => Error::denied(format!(
            "{reason}; Redis takes the password itself: set reveal = true in credentials.account"
        )),
        _ => error,
    })?;
    Ok(Some((account.principal(), secret)))
}
