//! Those who are told: small servers of HTTP and of mail.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::place::PATIENCE;

/// A request as it came.
#[derive(Debug)]
pub struct Request {
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Result<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).with_context(|| format!("no {name}: {self:?}"))
    }

    pub fn json(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.body)?)
    }
}

/// Takes requests and answers 200, or what it was told to answer first.
pub struct Http {
    port: u16,
    got: Mutex<mpsc::Receiver<Request>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
    is_over: Arc<AtomicBool>,
    /// Ids of what came.
    seen: Mutex<BTreeSet<String>>,
}

impl Http {
    pub fn start() -> Result<Self> {
        Self::at(0)
    }

    /// At this port of this machine.
    pub fn at(port: u16) -> Result<Self> {
        let server = tiny_http::Server::http(("127.0.0.1", port))
            .map_err(|error| anyhow::anyhow!("a receiver: {error}"))?;
        let port = server.server_addr().to_ip().context("an address")?.port();
        let (sender, got) = mpsc::channel();
        let answers: Arc<Mutex<VecDeque<u16>>> = Arc::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let (its_answers, its_end) = (Arc::clone(&answers), Arc::clone(&is_over));
        thread::spawn(move || {
            while !its_end.load(Ordering::SeqCst) {
                let Ok(Some(mut request)) = server.recv_timeout(Duration::from_millis(100)) else {
                    continue;
                };
                let mut body = String::new();
                request.as_reader().read_to_string(&mut body).ok();
                let pair = |header: &tiny_http::Header| {
                    (header.field.to_string(), header.value.to_string())
                };
                let headers = request.headers().iter().map(pair).collect();
                let url = request.url().to_owned();
                sender.send(Request { url, headers, body }).ok();
                let status = its_answers.lock().ok().and_then(|mut it| it.pop_front());
                let mut answer = tiny_http::Response::empty(status.unwrap_or(200));
                // Where a redirect would lead: to the same receiver, which would see it.
                if let Ok(header) = "Location: /elsewhere".parse::<tiny_http::Header>() {
                    answer.add_header(header);
                }
                request.respond(answer).ok();
            }
        });
        Ok(Self { port, got: Mutex::new(got), answers, is_over, seen: Mutex::default() })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Answers with these statuses before it is content.
    pub fn answer_first(&self, statuses: &[u16]) -> Result<()> {
        let mut answers = self.answers.lock().map_err(|error| anyhow::anyhow!("{error}"))?;
        answers.extend(statuses);
        Ok(())
    }

    /// The next request, also one that was sent again.
    pub fn any(&self) -> Result<Request> {
        let got = self.got.lock().map_err(|error| anyhow::anyhow!("{error}"))?;
        let request = got.recv_timeout(PATIENCE).context("nobody was told")?;
        self.is_new(&request);
        Ok(request)
    }

    /// The next request, which is on this occasion. What lockgate sent just before it ended may be sent again, and is left out.
    pub fn next(&self, occasion: &str) -> Result<Request> {
        loop {
            let got = self.got.lock().map_err(|error| anyhow::anyhow!("{error}"))?;
            let request = got.recv_timeout(PATIENCE).context("nobody was told")?;
            if self.is_new(&request) {
                ensure!(request.json()?["occasion"] == occasion, "not {occasion}: {request:?}");
                return Ok(request);
            }
        }
    }

    /// Whether nothing new came.
    pub fn is_empty(&self) -> bool {
        let Ok(got) = self.got.lock() else { return false };
        got.try_iter().all(|request| !self.is_new(&request))
    }

    fn is_new(&self, request: &Request) -> bool {
        let id = request.header("webhook-id").unwrap_or(&request.url).to_owned();
        self.seen.lock().is_ok_and(|mut seen| seen.insert(id))
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// Takes one mail, as a server of RFC 5321 does, and gives the envelope and the mail line by line.
pub fn mail() -> Result<(u16, mpsc::Receiver<Vec<String>>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || -> Result<()> {
        for stream in listener.incoming() {
            let mut stream = stream?;
            let mut lines = Vec::new();
            let mut is_data = false;
            stream.write_all(b"220 here\r\n")?;
            let mut reader = BufReader::new(stream.try_clone()?);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    break;
                }
                let line = line.trim_end_matches(['\r', '\n']).to_owned();
                let answer: &[u8] = match line.as_str() {
                    "." if is_data => {
                        is_data = false;
                        b"250 taken\r\n"
                    }
                    _ if is_data => b"",
                    "DATA" => {
                        is_data = true;
                        b"354 go on\r\n"
                    }
                    "QUIT" => b"221 bye\r\n",
                    _ => b"250 well\r\n",
                };
                lines.push(line);
                stream.write_all(answer)?;
                if lines.last().is_some_and(|line| line == "QUIT") {
                    break;
                }
            }
            sender.send(lines)?;
        }
        Ok(())
    });
    Ok((port, receiver))
}
