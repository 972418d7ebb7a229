//! A proxy between lockgate and a server: slows the traffic, counts it, holds it at a byte, and changes what the server says.
//!
//! It has threads of its own and no queue: what a side does not take is not read from the other.

mod flow;
mod pump;
mod replace;

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

pub use flow::Traffic;
use flow::{Direction, Flow};
use pump::Pump;

/// Connections at the same time; one more is closed at once.
const CONNECTIONS_MAX: usize = 512;
/// Time to reach the server behind.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// A running proxy. Its threads end, and its connections close, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    listeners: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    flow: Flow,
    replies: Vec<(Vec<u8>, Vec<u8>)>,
    is_stopped: AtomicBool,
    open: AtomicUsize,
    /// Both ends of each connection, to close them.
    sockets: Mutex<Vec<TcpStream>>,
    pumps: Mutex<Vec<JoinHandle<()>>>,
}

impl Proxy {
    /// Listens on 127.0.0.1, once for each of `servers` (`127.0.0.1:PORT`), and passes on what it gets.
    ///
    /// # Errors
    /// When an address is none, or the system has no port.
    pub fn start<'a>(servers: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        Self::start_changing(servers, Vec::new())
    }

    /// The same, and replaces bytes in what the servers say: each first text by the second, of the same length, also where
    /// it comes in pieces.
    ///
    /// # Errors
    /// When an address is none, the system has no port, or two texts are not of the same length.
    pub fn start_changing<'a>(
        servers: impl IntoIterator<Item = &'a str>,
        replies: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Self> {
        for (old, new) in &replies {
            ensure!(
                !old.is_empty() && old.len() == new.len(),
                "a reply can only be replaced by one of equal length: {:?}",
                String::from_utf8_lossy(old)
            );
        }
        let shared = Arc::new(Shared {
            flow: Flow::default(),
            replies,
            is_stopped: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            sockets: Mutex::default(),
            pumps: Mutex::default(),
        });
        let mut proxy = Self { addresses: Vec::new(), shared, listeners: Vec::new() };
        for server in servers {
            let server: SocketAddr =
                server.parse().with_context(|| format!("{server} is no address with a port"))?;
            let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
            proxy.addresses.push(listener.local_addr()?);
            let shared = proxy.shared.clone();
            let accept = move || shared.accept(&listener, server);
            let thread = std::thread::Builder::new().name("proxy".to_owned());
            proxy.listeners.push(thread.spawn(accept)?);
        }
        Ok(proxy)
    }

    /// Where it listens, in the order of the servers.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.addresses.iter().map(ToString::to_string).collect()
    }

    /// Lets no more than that many bytes a second through, both ways and all connections together; none for no limit.
    pub fn throttle(&self, bytes_per_second: Option<u64>) {
        self.shared.flow.throttle(bytes_per_second);
    }

    /// Holds everything once that many bytes went through, both ways and all connections together.
    pub fn hold_at(&self, bytes: u64) {
        self.shared.flow.hold_at(bytes);
    }

    /// Whether it holds the traffic now.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.shared.flow.is_holding()
    }

    /// Lets the traffic go on, whatever was held.
    pub fn release(&self) {
        self.shared.flow.release();
    }

    /// What went through so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.shared.flow.traffic()
    }

    /// Breaks all connections off; new ones are accepted.
    pub fn cut(&self) {
        for socket in locked(&self.shared.sockets).drain(..) {
            // One that was closed already is as good.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        self.shared.flow.stop();
        for (address, thread) in self.addresses.iter().zip(self.listeners.drain(..)) {
            // Wakes it up; it panics never, and a panic here would hide the caller's own.
            let _ = TcpStream::connect_timeout(address, CONNECT_TIME_MAX);
            let _ = thread.join();
        }
        self.cut();
        let pumps = std::mem::take(&mut *locked(&self.shared.pumps));
        for thread in pumps {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener, server: SocketAddr) {
        for client in listener.incoming() {
            if self.is_stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            if self.open.load(Ordering::SeqCst) < CONNECTIONS_MAX {
                // A client whose server is not there sees its connection closed.
                let _ = self.join(client, server);
            }
        }
    }

    /// Starts the two threads of a connection.
    fn join(self: &Arc<Self>, client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
        let server = TcpStream::connect_timeout(&server, CONNECT_TIME_MAX)?;
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
        }
        let ways = [
            (Direction::ToServer, client.try_clone()?, server.try_clone()?),
            (Direction::ToClient, server.try_clone()?, client.try_clone()?),
        ];
        locked(&self.sockets).extend([client, server]);
        let mut pumps = locked(&self.pumps);
        pumps.retain(|thread| !thread.is_finished());
        for (direction, from, to) in ways {
            let pump = Pump::new(self.clone(), direction, from, to);
            self.open.fetch_add(1, Ordering::SeqCst);
            let name = std::thread::Builder::new().name("proxied".to_owned());
            pumps.push(name.spawn(move || pump.run())?);
        }
        Ok(())
    }
}

/// Nothing panics while it holds one of these locks.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
