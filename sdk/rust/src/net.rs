//! TCP to the endpoints that the operator named, as [`std::io`] streams. TLS is the host's work.

use std::io::{self, BufRead, Read, Write};

use crate::bindings::lockgate::datastore::net as host;
use crate::received::Received;
use crate::{Error, Result};

pub use host::{Encryption, Endpoint};

/// Most bytes that one read of the host returns.
const READ_BYTES: u32 = 256 << 10;
/// Written bytes that are gathered before they are sent.
const WRITE_BYTES: usize = 256 << 10;

/// The endpoints that the operator named.
///
/// # Errors
/// [`Error::denied`] when there is no grant.
pub fn endpoints() -> Result<Vec<Endpoint>> {
    Ok(host::endpoints()?)
}

/// Dials an endpoint.
///
/// # Errors
/// [`Error::denied`] when it is not granted, [`Error::unreachable`] when nobody answers.
pub fn connect(endpoint: &str) -> Result<Connection> {
    Ok(Connection::new(host::connect(endpoint)?))
}

/// Dials another member of the cluster behind an endpoint.
///
/// # Errors
/// [`Error::denied`] when the grant does not cover the address, [`Error::unreachable`] when nobody answers.
pub fn connect_member(endpoint: &str, host: &str, port: u16) -> Result<Connection> {
    Ok(Connection::new(host::connect_member(endpoint, host, port)?))
}

/// A buffered connection. What was written is sent by `flush`, and before any read, so that a request is on its way when
/// its answer is waited for.
#[derive(Debug)]
pub struct Connection {
    host: host::Connection,
    received: Received,
    unsent: Vec<u8>,
}

impl Connection {
    fn new(host: host::Connection) -> Self {
        Self { host, received: Received::default(), unsent: Vec::new() }
    }

    /// Turns the connection into TLS.
    ///
    /// # Errors
    /// When the server has already sent more (nothing may follow its agreement), or the handshake fails.
    pub fn start_tls(&mut self) -> Result<()> {
        self.send()?;
        if !self.received.is_empty() {
            return Err(Error::corrupt("the server sent bytes before the TLS handshake"));
        }
        Ok(self.host.start_tls()?)
    }

    /// Whether the host does TLS on it now.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.host.is_encrypted()
    }

    /// Sends what was written and tells the server that nothing more will come.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn close_write(&mut self) -> Result<()> {
        self.send()?;
        Ok(self.host.close_write()?)
    }

    fn send(&mut self) -> Result<()> {
        if !self.unsent.is_empty() {
            self.host.write(&self.unsent)?;
            self.unsent.clear();
        }
        Ok(())
    }
}

impl BufRead for Connection {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.received.is_empty() {
            self.send()?;
        }
        self.received.fill(|| Ok(self.host.read(READ_BYTES)?))
    }

    fn consume(&mut self, amount: usize) {
        self.received.consume(amount);
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }

    /// An end in the middle means that the server went away, not that data is corrupt.
    fn read_exact(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let count = self.read(buffer)?;
            if count == 0 {
                return Err(Error::unreachable("the server closed the connection").into());
            }
            buffer = buffer.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }
}

impl Write for Connection {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.unsent.len() + data.len() > WRITE_BYTES {
            self.send()?;
        }
        let taken = data.get(..WRITE_BYTES).unwrap_or(data);
        self.unsent.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.send()?)
    }
}
