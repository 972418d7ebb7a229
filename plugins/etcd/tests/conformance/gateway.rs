use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A connection to the JSON gateway, as `curl` would have it.
pub struct Gateway {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Gateway {
    /// Logs in as `root`.
    pub fn open(address: &str, password: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut gateway = Self { stream: BufReader::new(stream), token: String::new() };
        let account = json!({ "name": "root", "password": password });
        let answer = gateway.ask("/v3/auth/authenticate", &account)?;
        gateway.token = answer["token"].as_str().context("a token")?.to_owned();
        Ok(gateway)
    }

    /// Asks, and demands success.
    pub fn ask(&mut self, path: &str, question: &Value) -> Result<Value> {
        let body = question.to_string();
        let token = match self.token.as_str() {
            "" => String::new(),
            token => format!("authorization: {token}\r\n"),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: etcd\r\n{token}content-length: {}\r\n\r\n",
            body.len()
        );
        self.stream.get_mut().write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            ensure!(self.stream.read_line(&mut head)? > 0, "the server closed the connection");
        }
        let answer = self.body(&head.to_ascii_lowercase())?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(head.starts_with("HTTP/1.1 200 "), "{path}: {text}");
        Ok(serde_json::from_slice(&answer)?)
    }

    /// The body of an answer, of a known length or in chunks (RFC 9112, sections 6.2 and 7.1).
    fn body(&mut self, head: &str) -> Result<Vec<u8>> {
        if let Some(length) = head.split("content-length: ").nth(1) {
            let mut body = vec![0; length.lines().next().context("a length")?.parse()?];
            self.stream.read_exact(&mut body)?;
            return Ok(body);
        }
        ensure!(head.contains("transfer-encoding: chunked"), "no length: {head}");
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16)?;
            if length == 0 {
                break;
            }
            let before = body.len();
            body.resize(before + length, 0);
            self.stream.read_exact(&mut body[before..])?;
            self.stream.read_exact(&mut [0; 2])?;
        }
        // Trailers, up to an empty line.
        let mut line = String::new();
        while self.stream.read_line(&mut line)? > 2 {
            line.clear();
        }
        Ok(body)
    }

    /// Sets a key, with a lease or 0.
    pub fn put(&mut self, key: &[u8], value: &[u8], lease: i64) -> Result<()> {
        let question =
            json!({ "key": base64(key), "value": base64(value), "lease": lease.to_string() });
        self.ask("/v3/kv/put", &question).map(drop)
    }

    /// Sets keys in one transaction.
    pub fn put_all<'a>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<()> {
        let put =
            |(key, value)| json!({ "request_put": { "key": base64(key), "value": base64(value) } });
        let puts: Vec<Value> = pairs.into_iter().map(put).collect();
        self.ask("/v3/kv/txn", &json!({ "success": puts })).map(drop)
    }

    /// Makes a lease.
    pub fn grant(&mut self, lease: i64, seconds: i64) -> Result<()> {
        let question = json!({ "ID": lease.to_string(), "TTL": seconds.to_string() });
        self.ask("/v3/lease/grant", &question).map(drop)
    }

    /// Makes a role that may do something with the keys of a range (`end` empty for one key).
    pub fn role(&mut self, name: &str, kind: &str, key: &[u8], end: &[u8]) -> Result<()> {
        self.ask("/v3/auth/role/add", &json!({ "name": name }))?;
        let permission = json!({ "permType": kind, "key": base64(key), "range_end": base64(end) });
        self.ask("/v3/auth/role/grant", &json!({ "name": name, "perm": permission })).map(drop)
    }

    /// Makes a user with roles.
    pub fn user(&mut self, name: &str, roles: &[&str]) -> Result<()> {
        self.ask("/v3/auth/user/add", &json!({ "name": name, "password": "a secret" }))?;
        for role in roles {
            self.ask("/v3/auth/user/grant", &json!({ "user": name, "role": role }))?;
        }
        Ok(())
    }
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn from_base64(value: &Value) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(value.as_str().unwrap_or_default())?)
}
