//! A server that does to each connection what a test says, byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// First line and headers.
    pub head: String,
    /// Without the framing of chunks.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub is_whole: bool,
}

/// Listens until it is dropped; connections are served one after the other.
pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves each connection by `act`.
    pub fn new(act: impl Fn(TcpStream, &Mutex<Vec<Seen>>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut first = [0];
                match stream.peek(&mut first) {
                    // The last connection is the one that `stop` makes.
                    Ok(1) if first == *b"q" => return,
                    Ok(1) => {}
                    // A client that went away before it said anything.
                    _ => continue,
                }
                count.fetch_add(1, Ordering::SeqCst);
                act(stream, &log);
            }
        });
        Self { address, seen, connections, thread: Some(thread) }
    }

    /// Answers each request of each connection by the response at its place; after the last one, by that.
    pub fn answering(responses: &[&str]) -> Self {
        let responses: Vec<String> = responses.iter().map(|text| (*text).to_owned()).collect();
        let count = AtomicUsize::new(0);
        Self::new(move |stream, seen| {
            let mut stream = BufReader::new(stream);
            while let Some(request) = read_request(&mut stream) {
                seen.lock().unwrap().push(request);
                let index = count.fetch_add(1, Ordering::SeqCst).min(responses.len() - 1);
                let response = responses[index].as_bytes();
                if stream.get_mut().write_all(response).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers one request of each connection and closes it.
    pub fn closing(response: &str) -> Self {
        let response = response.to_owned();
        Self::new(move |stream, seen| {
            let mut stream = BufReader::new(stream);
            if let Some(request) = read_request(&mut stream) {
                seen.lock().unwrap().push(request);
                let _ = stream.get_mut().write_all(response.as_bytes());
            }
        })
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Ends the server and returns what it saw. Connections must be closed by then.
    pub fn end(mut self) -> Vec<Seen> {
        self.stop();
        self.seen()
    }

    fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = TcpStream::connect(self.address).and_then(|mut last| last.write_all(b"q"));
            thread.join().unwrap();
        }
    }
}

/// Reads one request; none when the connection ends before it.
pub fn read_request(stream: &mut impl BufRead) -> Option<Seen> {
    let mut seen = Seen::default();
    while !seen.head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut seen.head).ok()? == 0 {
            return None;
        }
    }
    let head = seen.head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        seen.is_whole = read_chunks(stream, &mut seen.body).is_some();
    } else if let Some((_, rest)) = head.split_once("content-length: ") {
        let length = rest.lines().next()?.parse().ok()?;
        let count = stream.take(length).read_to_end(&mut seen.body).unwrap_or(0);
        seen.is_whole = count as u64 == length;
    } else {
        seen.is_whole = true;
    }
    Some(seen)
}

fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let length = u64::from_str_radix(line.trim(), 16).ok()?;
        let taken = stream.take(length).read_to_end(body).ok()?;
        let mut end = [0; 2];
        stream.read_exact(&mut end).ok()?;
        match length {
            0 => return Some(()),
            _ if taken as u64 == length => {}
            _ => return None,
        }
    }
}
