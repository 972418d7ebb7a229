//! HTTP for all stand-ins.

use std::net::Ipv4Addr;

use anyhow::{Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tiny_http::{Header, Response, Server};

/// Threads that answer: more than one client's connections.
const THREADS: usize = 16;

/// A request, its body read.
#[derive(Debug)]
pub struct Request {
    /// In capital letters.
    pub method: String,
    /// Path and query as they stand in the request line.
    pub target: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of the header with this name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The header `Authorization` of an account: <https://www.rfc-editor.org/rfc/rfc7617>.
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// One without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// One with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { status, headers: Vec::new(), body }.with("content-type", "application/json")
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What answers requests, of several clients at the same time.
pub trait Service: Sync {
    /// The answer to `request`. An error is answered with 500 and its words.
    ///
    /// # Errors
    /// When the stand-in itself is at fault.
    fn answer(&self, request: &Request) -> Result<Answer>;
}

/// Answers on this port of 127.0.0.1 until the process is killed.
///
/// # Errors
/// When it cannot listen.
pub fn serve(service: &dyn Service, port: u16) -> Result<()> {
    let server = Server::http((Ipv4Addr::LOCALHOST, port)).map_err(|error| anyhow!("{error}"))?;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for request in server.incoming_requests() {
                    handle(service, request);
                }
            });
        }
    });
    Ok(())
}

fn handle(service: &dyn Service, mut request: tiny_http::Request) {
    let answer = read(&mut request).and_then(|request| service.answer(&request));
    let answer = answer.unwrap_or_else(|error| Answer {
        status: 500,
        headers: Vec::new(),
        body: format!("{error:#}").into_bytes(),
    });
    let mut response = Response::from_data(answer.body).with_status_code(answer.status);
    for (name, value) in &answer.headers {
        if let Ok(header) = Header::from_bytes(name.as_bytes(), value.as_bytes()) {
            response.add_header(header);
        }
    }
    // Fails when the client has gone, which is its own business.
    let _ = request.respond(response);
}

fn read(request: &mut tiny_http::Request) -> Result<Request> {
    let mut body = Vec::new();
    request.as_reader().read_to_end(&mut body)?;
    let headers = request.headers().iter().map(|header| {
        (header.field.as_str().as_str().to_ascii_lowercase(), header.value.as_str().to_owned())
    });
    Ok(Request {
        method: request.method().as_str().to_ascii_uppercase(),
        target: request.url().to_owned(),
        headers: headers.collect(),
        body,
    })
}
