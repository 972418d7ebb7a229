//! HTTP to the endpoints that the operator named. Addresses, TLS, connections and credentials are the host's work: a request
//! names an endpoint and a path.

use std::fmt;
use std::io::{self, BufRead, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::lockgate::datastore::http as host;
use crate::received::Received;
use crate::{Error, Result};

/// Most bytes that one read of the host returns.
const READ_BYTES: u32 = 256 << 10;
/// Written bytes that are gathered before they are sent.
const WRITE_BYTES: usize = 256 << 10;
/// What of an error's body stands in a message, in bytes.
const EXCERPT_BYTES: u64 = 512;

/// A name as one segment of a path or one value of a query: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
#[must_use]
pub fn segment(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A request before its body.
///
/// ```no_run
/// use std::io::Read;
///
/// use lockgate_plugin::http::Request;
///
/// # fn ask() -> lockgate_plugin::Result<()> {
/// let mut names = String::new();
/// Request::get("server", "/names?sorted=true").send()?.success()?.read_to_string(&mut names)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    host: host::Request,
}

impl Request {
    /// Any method. `target` is path and query as they stand in the request line: percent-encoded, beginning with `/`.
    #[must_use]
    pub fn new(method: &str, endpoint: &str, target: &str) -> Self {
        let host = host::Request {
            endpoint: endpoint.to_owned(),
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body_length: Some(0),
        };
        Self { host }
    }

    /// `GET`.
    #[must_use]
    pub fn get(endpoint: &str, target: &str) -> Self {
        Self::new("GET", endpoint, target)
    }

    /// `POST`.
    #[must_use]
    pub fn post(endpoint: &str, target: &str) -> Self {
        Self::new("POST", endpoint, target)
    }

    /// `PUT`.
    #[must_use]
    pub fn put(endpoint: &str, target: &str) -> Self {
        Self::new("PUT", endpoint, target)
    }

    /// `DELETE`.
    #[must_use]
    pub fn delete(endpoint: &str, target: &str) -> Self {
        Self::new("DELETE", endpoint, target)
    }

    /// One more header. The host refuses those that are its own to write: `host`, `content-length`, `connection`, ...
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.host.headers.push(host::Header { name: name.to_owned(), value: value.to_owned() });
        self
    }

    /// Sends the request without a body.
    ///
    /// # Errors
    /// [`Error::denied`] when the endpoint is not granted, [`Error::unreachable`] when nobody answers.
    pub fn send(self) -> Result<Response> {
        Body::start(self)?.finish()
    }

    /// Sends the request with `body`.
    ///
    /// # Errors
    /// Those of [`Request::send`].
    pub fn send_bytes(self, body: &[u8]) -> Result<Response> {
        let mut stream = self.stream(Some(body.len() as u64))?;
        stream.write_all(body)?;
        stream.finish()
    }

    /// Sends the request with `body` as JSON.
    ///
    /// # Errors
    /// Those of [`Request::send`].
    pub fn send_json(self, body: &impl Serialize) -> Result<Response> {
        let body = serde_json::to_vec(body)?;
        self.header("content-type", "application/json").send_bytes(&body)
    }

    /// Starts a request whose body is written bit by bit: of `length` bytes, or in chunks until it is finished.
    ///
    /// # Errors
    /// Those of [`Request::send`].
    pub fn stream(mut self, length: Option<u64>) -> Result<Body> {
        self.host.body_length = length;
        Body::start(self)
    }
}

/// The body of a request, to be written. Dropped before [`Body::finish`], the request is given up and the server sees it
/// break off.
pub struct Body {
    exchange: host::Exchange,
    /// For messages.
    name: String,
    unsent: Vec<u8>,
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Body").field(&self.name).finish()
    }
}

impl Body {
    fn start(request: Request) -> Result<Self> {
        let request = request.host;
        let path = request.target.split('?').next().unwrap_or_default();
        let name = format!("{} {path} of {}", request.method, request.endpoint);
        Ok(Self { exchange: host::start(&request)?, name, unsent: Vec::new() })
    }

    /// Ends the body and waits for the response.
    ///
    /// # Errors
    /// When the body has not the length that was announced, or the server does not answer.
    pub fn finish(mut self) -> Result<Response> {
        self.flush()?;
        let head = self.exchange.finish()?;
        let Self { exchange, name, .. } = self;
        Ok(Response { exchange, name, head, received: Received::default() })
    }
}

impl Write for Body {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.unsent.len() + data.len() > WRITE_BYTES {
            self.flush()?;
        }
        let taken = data.get(..WRITE_BYTES).unwrap_or(data);
        self.unsent.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.exchange.write(&self.unsent)?;
            self.unsent.clear();
        }
        Ok(())
    }
}

/// A response; its body is read as it comes, and not decompressed. A body that ends too early is an error, not an end.
pub struct Response {
    exchange: host::Exchange,
    name: String,
    head: host::Response,
    received: Received,
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Response").field(&self.name).field(&self.head).finish()
    }
}

impl Response {
    /// The status, for example 200.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |header: &&host::Header| header.name.eq_ignore_ascii_case(name);
        self.head.headers.iter().find(is_it).map(|header| header.value.as_str())
    }

    /// All headers, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()))
    }

    /// The response, unless its status says that the request failed.
    ///
    /// # Errors
    /// With the beginning of the body: [`Error::auth`] for 401 and 403, [`Error::unreachable`] for what may go away (408, 429,
    /// 500 and more), [`Error::conflict`] for 409 and 412, [`Error::other`] for all others but 2xx.
    pub fn success(mut self) -> Result<Self> {
        let status = self.status();
        if (200..300).contains(&status) {
            return Ok(self);
        }
        let mut body = Vec::new();
        // The status is what matters; a body that cannot be read adds nothing.
        let _ = self.by_ref().take(EXCERPT_BYTES).read_to_end(&mut body);
        let excerpt = String::from_utf8_lossy(&body);
        let about = match self.header("location") {
            Some(location) => format!("redirected out of the endpoint, to {location}"),
            None => excerpt.trim().to_owned(),
        };
        let message = format!("{}: status {status}: {about}", self.name);
        Err(match status {
            401 | 403 => Error::auth(message),
            409 | 412 => Error::conflict(message),
            408 | 429 | 500.. => Error::unreachable(message),
            _ => Error::other(message),
        })
    }

    /// Reads the whole body; none when it is longer than `max` bytes.
    ///
    /// # Errors
    /// When it breaks off.
    pub fn bytes(self, max: u64) -> Result<Option<Vec<u8>>> {
        let announced = self.header("content-length").and_then(|length| length.parse().ok());
        if announced.is_some_and(|length: u64| length > max) {
            return Ok(None);
        }
        // What grows by doubling takes three times the memory in between, and a component gives none back.
        let mut body = Vec::with_capacity(announced.and_then(|it| it.try_into().ok()).unwrap_or(0));
        self.take(max.saturating_add(1)).read_to_end(&mut body)?;
        Ok(if body.len() as u64 > max { None } else { Some(body) })
    }

    /// Reads the whole body as JSON.
    ///
    /// # Errors
    /// [`Error::corrupt`] when it is not what `T` needs.
    pub fn json<T: DeserializeOwned>(self) -> Result<T> {
        let name = self.name.clone();
        let parsed = serde_json::from_reader(self);
        parsed.map_err(|error: serde_json::Error| match error.io_error_kind() {
            Some(_) => Error::from(io::Error::from(error)),
            None => Error::corrupt(format!("{name}: {error}")),
        })
    }
}

impl BufRead for Response {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.received.fill(|| Ok(self.exchange.read(READ_BYTES)?))
    }

    fn consume(&mut self, amount: usize) {
        self.received.consume(amount);
    }
}

impl Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(segment("logs-2024.01_a~"), "logs-2024.01_a~");
        assert_eq!(segment("a/b?c#é%"), "a%2Fb%3Fc%23%C3%A9%25");
        assert_eq!(segment(".."), "..");
    }
}
