//! What this plugin asks of the host, as a seam: in a component the SDK answers ([`Granted`]), in the tests of this crate
//! the operating system does, so that the plugin runs against a real server without a sandbox.

use std::io::{BufRead, Write};

use lockgate_plugin::{
    Entry, Error, Failure, Result, archive, credentials, credentials_reveal, job, net,
};

/// The one endpoint in `plugin.toml`.
const ENDPOINT: &str = "server";
/// The one credential in `plugin.toml`.
const CREDENTIAL: &str = "account";

/// The capabilities that this plugin uses.
pub trait Host: Clone + std::fmt::Debug + 'static {
    /// A connection to a server.
    type Stream: BufRead + Write + std::fmt::Debug;

    /// Dials the server that the operator named.
    ///
    /// # Errors
    /// When it is not granted or nobody answers.
    fn connect(&self) -> Result<Self::Stream>;

    /// Dials another member of its cluster.
    ///
    /// # Errors
    /// When the grant does not cover it or nobody answers.
    fn connect_member(&self, address: &str, port: u16) -> Result<Self::Stream>;

    /// User name and password; none when no credential is granted.
    ///
    /// # Errors
    /// When the host does not show it.
    fn account(&self) -> Result<Option<(String, Vec<u8>)>>;

    /// Starts an entry of the part that is exported.
    ///
    /// # Errors
    /// When the host does not take it.
    fn create(&self, entry: &Entry) -> Result<Box<dyn Output>>;

    /// The paths of the entries of the part that is imported, below `folder`.
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

    fn connect(&self) -> Result<net::Connection> {
        net::connect(ENDPOINT)
    }

    fn connect_member(&self, address: &str, port: u16) -> Result<net::Connection> {
        net::connect_member(ENDPOINT, address, port)
    }

    fn account(&self) -> Result<Option<(String, Vec<u8>)>> {
        let credential = match credentials::open(CREDENTIAL) {
            Ok(credential) => credential,
            Err(Failure::Denied(_)) => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        let secret = credentials_reveal::reveal(&credential).map_err(|failure| match failure {
            Failure::Denied(reason) => {
                Error::denied(format!("{reason}; Redis takes the password itself: set reveal = true in credentials.account"))
            }
            other => other.into(),
        })?;
        Ok(Some((credential.principal(), secret)))
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

impl Output for archive::EntryWriter {
    fn finish(self: Box<Self>) -> Result<()> {
        archive::EntryWriter::finish(*self)
    }
}
