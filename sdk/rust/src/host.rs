//! What a plugin asks of the host, as a seam: in a component the SDK answers ([`Granted`]), in the tests of a plugin the operating
//! system does (`native::Native`), so that the same code runs against a real server without a sandbox.

use std::fmt::Debug;
use std::io::{BufRead, Write};

use crate::net::{self, Encryption};
use crate::{Entry, Result, archive, credentials, credentials_reveal, job};

/// The capabilities of a plugin that speaks a server's protocol over TCP.
pub trait Host: Clone + Debug + 'static {
    /// A connection to a server.
    type Stream: Stream;
    /// The account at the server.
    type Account: Account;

    /// Whether the host does TLS on connections to `endpoint`.
    ///
    /// # Errors
    /// When the endpoint is not granted.
    fn encryption(&self, endpoint: &str) -> Result<Encryption>;

    /// Dials.
    ///
    /// # Errors
    /// When the endpoint is not granted or nobody answers.
    fn connect(&self, endpoint: &str) -> Result<Self::Stream>;

    /// Dials another member of the cluster behind an endpoint.
    ///
    /// # Errors
    /// When the grant does not cover it or nobody answers.
    fn connect_member(&self, endpoint: &str, address: &str, port: u16) -> Result<Self::Stream>;

    /// The credential of that name.
    ///
    /// # Errors
    /// When it is not granted.
    fn account(&self, credential: &str) -> Result<Self::Account>;

    /// The secret itself, for protocols that cannot do without. Not a function of [`Account`], so that only a plugin that calls it
    /// imports the capability.
    ///
    /// # Errors
    /// When it is not granted.
    fn reveal(&self, account: &Self::Account) -> Result<Vec<u8>>;

    /// Starts an entry of the part that is exported.
    ///
    /// # Errors
    /// When the host does not take it.
    fn create(&self, entry: &Entry) -> Result<Box<dyn Output>>;

    /// The paths of the entries of the part that is imported, below `folder` (empty for all).
    ///
    /// # Errors
    /// When the archive cannot be read.
    fn entries(&self, folder: &str) -> Result<Vec<String>>;

    /// Opens an entry of the part that is imported.
    ///
    /// # Errors
    /// When there is none.
    fn open(&self, path: &str) -> Result<Box<dyn BufRead>>;

    /// Fails when the operator has stopped the run.
    ///
    /// # Errors
    /// That it was cancelled.
    fn go_on(&self) -> Result<()>;

    /// Tells how far a part is.
    fn progress(&self, part: &str, bytes: u64, items: u64);
}

/// A byte stream to a server that can become TLS in the middle.
pub trait Stream: BufRead + Write + Debug {
    /// Turns the stream into TLS; no bytes may be in flight.
    ///
    /// # Errors
    /// When the peer does not do TLS or its certificate is not trusted.
    fn start_tls(&mut self) -> Result<()>;

    /// Whether the bytes are encrypted.
    fn is_encrypted(&self) -> bool;
}

/// Answers the server's challenges in the name of an account.
pub trait Account {
    /// The user name.
    fn principal(&self) -> String;

    /// Answers `challenge` in the way of `scheme`, as the contract's `credential.respond`.
    ///
    /// # Errors
    /// When the scheme is unknown or the credential is not granted.
    fn respond(
        &self,
        scheme: &str,
        challenge: &[u8],
        parameters: &[(String, Vec<u8>)],
    ) -> Result<Vec<u8>>;
}

/// An entry that is written. Dropped without `finish`, it does not exist.
pub trait Output: Write {
    /// Completes it.
    ///
    /// # Errors
    /// When the host could not take the bytes.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What the operator granted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Granted;

impl Host for Granted {
    type Stream = net::Connection;
    type Account = credentials::Credential;

    fn encryption(&self, endpoint: &str) -> Result<Encryption> {
        let endpoints = net::endpoints()?;
        let found = endpoints.iter().find(|granted| granted.name == endpoint);
        // When it is not there, `connect` says so in the host's words.
        Ok(found.map_or(Encryption::Start, |found| found.encryption))
    }

    fn connect(&self, endpoint: &str) -> Result<net::Connection> {
        net::connect(endpoint)
    }

    fn connect_member(&self, endpoint: &str, address: &str, port: u16) -> Result<net::Connection> {
        net::connect_member(endpoint, address, port)
    }

    fn account(&self, credential: &str) -> Result<credentials::Credential> {
        Ok(credentials::open(credential)?)
    }

    fn reveal(&self, account: &credentials::Credential) -> Result<Vec<u8>> {
        Ok(credentials_reveal::reveal(account)?)
    }

    fn create(&self, entry: &Entry) -> Result<Box<dyn Output>> {
        Ok(Box::new(archive::create(entry)?))
    }

    fn entries(&self, folder: &str) -> Result<Vec<String>> {
        archive::entries(folder).map(|entry| Ok(String::from_utf8(entry?.path)?)).collect()
    }

    fn open(&self, path: &str) -> Result<Box<dyn BufRead>> {
        Ok(Box::new(archive::open(path.as_bytes())?))
    }

    fn go_on(&self) -> Result<()> {
        job::go_on()
    }

    fn progress(&self, part: &str, bytes: u64, items: u64) {
        job::progress(part, bytes, items);
    }
}

impl Stream for net::Connection {
    fn start_tls(&mut self) -> Result<()> {
        net::Connection::start_tls(self)
    }

    fn is_encrypted(&self) -> bool {
        net::Connection::is_encrypted(self)
    }
}

impl Account for credentials::Credential {
    fn principal(&self) -> String {
        credentials::Credential::principal(self)
    }

    fn respond(
        &self,
        scheme: &str,
        challenge: &[u8],
        parameters: &[(String, Vec<u8>)],
    ) -> Result<Vec<u8>> {
        Ok(credentials::Credential::respond(self, scheme, challenge, parameters)?)
    }
}

impl Output for archive::EntryWriter {
    fn finish(self: Box<Self>) -> Result<()> {
        archive::EntryWriter::finish(*self)
    }
}
