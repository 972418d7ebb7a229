//! HTTP/1.1 to an agent, on one connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How long one request may take.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// Speaks with the REST interface of an agent, as the maker documents it.
#[derive(Debug)]
pub struct AtomixClient {
    port: u16,
    stream: Option<BufReader<TcpStream>>,
}

impl AtomixClient {
    pub(super) fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// The body of what is at `target`.
    ///
    /// # Errors
    /// When the agent does not answer, or not with success.
    pub fn get(&mut self, target: &str) -> Result<String> {
        self.request("GET", target, "text/plain", "")
    }

    /// Sends a text.
    ///
    /// # Errors
    /// When the agent does not answer, or not with success.
    pub fn send(&mut self, method: &str, target: &str, text: &str) -> Result<String> {
        self.request(method, target, "text/plain", text)
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// When the agent does not answer, or not with success.
    pub fn send_json(&mut self, method: &str, target: &str, json: &str) -> Result<String> {
        self.request(method, target, "application/json", json)
    }

    fn request(&mut self, method: &str, target: &str, kind: &str, body: &str) -> Result<String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port))?;
                stream.set_read_timeout(Some(REQUEST_TIME_MAX))?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream.get_mut().write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        let (status, body) = answer(&mut stream)?;
        self.stream = Some(stream);
        ensure!(status.starts_with('2'), "{method} {target}: {status}: {body}");
        Ok(body)
    }
}

fn answer(stream: &mut BufReader<TcpStream>) -> Result<(String, String)> {
    let mut status = None;
    let (mut length, mut is_chunked) = (0, false);
    loop {
        let mut line = String::new();
        ensure!(stream.read_line(&mut line)? > 0, "the agent broke off");
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if status.is_none() {
            status = line.split_whitespace().nth(1).map(str::to_owned);
            continue;
        }
        let (name, value) = line.split_once(':').context("a header has no colon")?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "transfer-encoding" => is_chunked = value.contains("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if is_chunked {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16)?;
            stream.by_ref().take(size).read_to_end(&mut body)?;
            stream.read_line(&mut line)?;
            if size == 0 {
                break;
            }
        }
    } else {
        stream.by_ref().take(length).read_to_end(&mut body)?;
    }
    let Some(status) = status else { bail!("the agent gave no status") };
    Ok((status, String::from_utf8(body)?))
}
