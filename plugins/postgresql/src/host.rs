//! What this plugin asks of the host, as a seam: in a component the SDK answers ([`Granted`]), in the tests of this crate
//! the operating system does, so that the plugin runs against a real server without a sandbox.

use std::io::{BufRead, Write};

use lockgate_plugin::net::{self, Encryption};
use lockgate_plugin::{Entry, Result, archive, credentials, job};

use crate::error::Error;
use crate::wire::{Authenticator, Stream};

/// The capabilities that this plugin uses.
pub trait Host: Clone + std::fmt::Debug + 'static {
    /// A connection to the server.
    type Stream: Stream;
    /// The account at the server.
    type Account: Authenticator;

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

    /// The credential of that name.
    ///
    /// # Errors
    /// When it is not granted.
    fn account(&self, credential: &str) -> Result<Self::Account>;

    /// Starts an entry of the part that is exported.
    ///
    /// # Errors
    /// When the host does not take it.
    fn create(&self, entry: &Entry) -> Result<Box<dyn Output>>;

    /// The paths of the entries of the part that is imported.
    ///
    /// # Errors
    /// When the archive cannot be read.
    fn entries(&self) -> Result<Vec<String>>;

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

    fn account(&self, credential: &str) -> Result<credentials::Credential> {
        Ok(credentials::open(credential)?)
    }

    fn create(&self, entry: &Entry) -> Result<Box<dyn Output>> {
        Ok(Box::new(archive::create(entry)?))
    }

    fn entries(&self) -> Result<Vec<String>> {
        archive::entries("").map(|entry| Ok(String::from_utf8(entry?.path)?)).collect()
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
    fn start_tls(&mut self) -> Result<(), Error> {
        Ok(net::Connection::start_tls(self)?)
    }

    fn is_encrypted(&self) -> bool {
        net::Connection::is_encrypted(self)
    }
}

impl Authenticator for credentials::Credential {
    fn principal(&self) -> String {
        credentials::Credential::principal(self)
    }

    fn respond(
        &self,
        scheme: &str,
        challenge: &[u8],
        parameters: &[(String, Vec<u8>)],
    ) -> Result<Vec<u8>, Error> {
        let answer = credentials::Credential::respond(self, scheme, challenge, parameters);
        Ok(answer.map_err(lockgate_plugin::Error::from)?)
    }
}

impl Output for archive::EntryWriter {
    fn finish(self: Box<Self>) -> Result<()> {
        archive::EntryWriter::finish(*self)
    }
}
