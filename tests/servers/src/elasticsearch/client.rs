//! Plain HTTP to a server, as its administrator.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long one request may take.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(120);

/// Asks a server of a test, with an account of its administrator.
#[derive(Clone, Debug)]
pub struct SearchClient {
    /// 127.0.0.1.
    pub host: String,
    /// Of HTTP.
    pub port: u16,
    /// A header, or nothing.
    authorization: String,
}

impl SearchClient {
    pub(crate) fn new(port: u16, account: Option<(&str, &str)>) -> Self {
        let authorization = account.map_or(String::new(), |(name, password)| {
            // RFC 7617.
            format!("Authorization: Basic {}\r\n", base64(&format!("{name}:{password}")))
        });
        Self { host: "127.0.0.1".to_owned(), port, authorization }
    }

    /// The body of the request is JSON, or lines of JSON. Returns the body of the
    /// response.
    ///
    /// # Errors
    /// When it does not answer, or not with success.
    pub fn request(&self, method: &str, target: &str, body: &str) -> Result<String> {
        let kind =
            if target.contains("_bulk") { "application/x-ndjson" } else { "application/json" };
        // The older protocol, in which a response ends with the connection.
        let head = format!(
            "{method} {target} HTTP/1.0\r\nHost: {}:{}\r\n{}Content-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            self.host,
            self.port,
            self.authorization,
            body.len()
        );
        let mut stream = TcpStream::connect((self.host.as_str(), self.port))?;
        stream.set_read_timeout(Some(REQUEST_TIME_MAX))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("the server broke off")?;
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            bail!("{method} {target}: {status}: {body}");
        }
        Ok(body.to_owned())
    }
}

/// RFC 4648, section 4.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit) & 63) as usize;
            encoded.push(if digit <= three.len() { char::from(DIGITS[index]) } else { '=' });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_padded() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(super::base64(text), encoded);
        }
    }
}
