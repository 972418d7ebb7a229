//! Requests to real servers on this machine, most of which do what they should not.

mod requests;
mod responses;
mod server;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use lockgate_trust::Grants;
use lockgate_types::Failure;

use super::*;

/// What a session has, with one endpoint named `server`.
struct Stage {
    _runtime: tokio::runtime::Runtime,
    net: Net,
    http: Http,
    credentials: Credentials,
    silence: Duration,
    is_cleanup: bool,
    exchanges: Exchanges,
}

impl Stage {
    fn new(address: SocketAddr, more: &str) -> Self {
        let text = format!("[endpoints.server]\naddress = '{address}'\n{more}");
        let grants: Grants = toml::from_str(&text).unwrap();
        grants.check().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Self {
            net: Net::new(&grants, runtime.handle().clone()).unwrap(),
            http: Http::default(),
            credentials: Credentials::new(&grants, runtime.handle().clone()),
            silence: Duration::from_secs(5),
            is_cleanup: false,
            exchanges: Exchanges::default(),
            _runtime: runtime,
        }
    }

    fn plain(address: SocketAddr) -> Self {
        Self::new(address, "encryption = 'off'")
    }

    fn parts(&mut self) -> (Around<'_>, &mut Exchanges) {
        let around = Around {
            http: &self.http,
            net: &self.net,
            credentials: &self.credentials,
            silence: self.silence,
            is_cleanup: self.is_cleanup,
        };
        (around, &mut self.exchanges)
    }

    fn start(&mut self, request: HttpRequest) -> Result<u32, Failure> {
        let (around, exchanges) = self.parts();
        match exchanges.start(around, request)? {
            Answer::Started { exchange } => Ok(exchange),
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, exchange: u32, data: &[u8]) -> Result<(), Failure> {
        let (around, exchanges) = self.parts();
        exchanges.write(around, exchange, data.to_vec()).map(drop)
    }

    fn finish(&mut self, exchange: u32) -> Result<Response, Failure> {
        let (around, exchanges) = self.parts();
        match exchanges.finish(around, exchange)? {
            Answer::Response { status, headers } => Ok(Response { status, headers }),
            other => panic!("{other:?}"),
        }
    }

    fn read(&mut self, exchange: u32, max: u32) -> Result<Vec<u8>, Failure> {
        let (around, exchanges) = self.parts();
        match exchanges.read(around, exchange, max)? {
            Answer::Bytes(bytes) => Ok(bytes),
            other => panic!("{other:?}"),
        }
    }

    fn read_all(&mut self, exchange: u32) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        loop {
            match self.read(exchange, 1 << 20)? {
                bytes if bytes.is_empty() => return Ok(whole),
                bytes => whole.extend(bytes),
            }
        }
    }

    /// Asks without a body and reads the whole response.
    fn ask(&mut self, request: HttpRequest) -> Result<(Response, Vec<u8>), Failure> {
        let exchange = self.start(request)?;
        let response = self.finish(exchange)?;
        let body = self.read_all(exchange)?;
        self.exchanges.close(exchange).unwrap();
        Ok((response, body))
    }

    fn get(&mut self, target: &str) -> Result<(Response, Vec<u8>), Failure> {
        self.ask(request("GET", target))
    }
}

#[derive(Debug)]
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn request(method: &str, target: &str) -> HttpRequest {
    HttpRequest {
        endpoint: "server".to_owned(),
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body_length: Some(0),
    }
}

fn with_header(name: &str, value: &str) -> HttpRequest {
    let mut request = request("GET", "/");
    request.headers.push((name.to_owned(), value.to_owned()));
    request
}
