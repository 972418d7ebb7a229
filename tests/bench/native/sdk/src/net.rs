//! One server, reached by an ordinary connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;

use lockgate_plugin::{Error, Result};

pub use lockgate_plugin::net::{Encryption, Endpoint};

static ADDRESS: OnceLock<String> = OnceLock::new();

/// Bytes that are read, and gathered before they are sent, at a time: as in the real SDK.
const BUFFER_BYTES: usize = 256 << 10;

/// Says where the server is.
pub fn listen_at(address: &str) {
    ADDRESS.get_or_init(|| address.to_owned());
}

/// The one endpoint.
///
/// # Errors
/// Never.
pub fn endpoints() -> Result<Vec<Endpoint>> {
    Ok(vec![Endpoint { name: "server".to_owned(), encryption: Encryption::Off }])
}

/// Dials.
///
/// # Errors
/// When nobody answers.
pub fn connect(_endpoint: &str) -> Result<Connection> {
    let address = ADDRESS.get().ok_or_else(|| Error::config("there is no server"))?;
    let stream =
        TcpStream::connect(address).map_err(|error| Error::unreachable(error.to_string()))?;
    stream.set_nodelay(true)?;
    Ok(Connection { stream: BufReader::with_capacity(BUFFER_BYTES, stream), unsent: Vec::new() })
}

/// There is one server.
///
/// # Errors
/// Always.
pub fn connect_member(_endpoint: &str, _address: &str, _port: u16) -> Result<Connection> {
    Err(Error::unsupported("one server is measured"))
}

/// A buffered connection that sends before it reads.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    unsent: Vec<u8>,
}

impl Connection {
    /// There is no TLS.
    ///
    /// # Errors
    /// Always.
    pub fn start_tls(&mut self) -> Result<()> {
        Err(Error::unsupported("the measured server has no TLS"))
    }

    /// Never.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        false
    }
}

impl Write for Connection {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.unsent.len() + data.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.unsent.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(&self.unsent)?;
        self.unsent.clear();
        Ok(())
    }
}

impl BufRead for Connection {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if !self.unsent.is_empty() {
            self.flush()?;
        }
        self.stream.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.stream.consume(amount);
    }
}

impl Read for Connection {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(target)?;
        self.consume(count);
        Ok(count)
    }
}
