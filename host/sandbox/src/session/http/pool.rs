//! Connections that wait for the next request, by endpoint.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lockgate_trust::Encryption;
use lockgate_types::Failure;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::body::RequestBody;
use super::fault::failure_of;
use crate::limits::{
    HEADERS_BYTES_MAX, HEADERS_MAX, HTTP_BUFFER_BYTES, IDLE_CONNECTION_TIME, IDLE_CONNECTIONS_MAX,
};
use crate::session::dial::Endpoint;
use crate::session::net::Net;

/// How long a connection may need to notice that its last response has ended.
const READY_TIME: Duration = Duration::from_millis(50);

/// How long the task of a connection that is closed may need to say why.
const FAULT_TIME: Duration = Duration::from_secs(1);

/// A connection to ask on.
#[derive(Debug)]
pub struct Connection {
    pub sender: Sender,
    /// Why it broke, once it has: before a request was sent on it nobody else hears of it.
    fault: oneshot::Receiver<Failure>,
    /// Whether it has served a request: the server may have closed it since.
    pub is_used: bool,
}

impl Connection {
    /// What the plugin is told when a request failed on it. Whoever finds the connection closed may be there before its task
    /// has said why.
    pub async fn failure(self, endpoint: &Endpoint, error: &hyper::Error) -> Failure {
        let Self { sender, fault, .. } = self;
        let broken = if sender.is_closed() {
            timeout(FAULT_TIME, fault).await.ok().and_then(Result::ok)
        } else {
            None
        };
        broken.unwrap_or_else(|| failure_of(endpoint, error))
    }
}

type Sender = http1::SendRequest<RequestBody>;

/// The connections that wait.
#[derive(Debug, Default)]
pub struct Pool {
    idle: Mutex<HashMap<String, Vec<(Instant, Connection)>>>,
}

impl Pool {
    /// A connection that waits, or a new one.
    ///
    /// # Errors
    /// What the plugin is told.
    pub async fn connection(&self, net: &Net, endpoint: &Endpoint) -> Result<Connection, Failure> {
        while let Some(mut connection) = self.take(&endpoint.name) {
            if let Ok(Ok(())) = timeout(READY_TIME, connection.sender.ready()).await {
                return Ok(connection);
            }
        }
        self.connect(net, endpoint).await
    }

    /// A new connection, to an address that was checked, with TLS where the grant asks for it.
    ///
    /// # Errors
    /// What the plugin is told.
    pub async fn connect(&self, net: &Net, endpoint: &Endpoint) -> Result<Connection, Failure> {
        let (stream, target) = endpoint.connect().await?;
        match endpoint.encryption() {
            Encryption::Off | Encryption::Start => open(net, endpoint, stream).await,
            Encryption::Immediate => {
                let stream = net.trust().encrypt(endpoint, &target, stream).await?;
                open(net, endpoint, stream).await
            }
        }
    }

    /// Keeps a connection whose response was read to its end.
    pub fn give_back(&self, endpoint: &str, mut connection: Connection) {
        connection.is_used = true;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle.entry(endpoint.to_owned()).or_default();
        waiting.retain(|(since, waiting)| is_alive(*since, &waiting.sender));
        if waiting.len() < IDLE_CONNECTIONS_MAX && !connection.sender.is_closed() {
            waiting.push((Instant::now(), connection));
        }
    }

    fn take(&self, endpoint: &str) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle.get_mut(endpoint)?;
        waiting.retain(|(since, waiting)| is_alive(*since, &waiting.sender));
        waiting.pop().map(|(_, connection)| connection)
    }
}

fn is_alive(since: Instant, sender: &Sender) -> bool {
    since.elapsed() < IDLE_CONNECTION_TIME && !sender.is_closed()
}

async fn open<S>(net: &Net, endpoint: &Endpoint, stream: S) -> Result<Connection, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, work) = http1::Builder::new()
        .max_buf_size(HTTP_BUFFER_BYTES)
        .max_header_size(HEADERS_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure_of(endpoint, &error))?;
    let (broken, fault) = oneshot::channel();
    let connection = Connection { sender, fault, is_used: false };
    let endpoint = endpoint.clone();
    net.carry(async move {
        if let Err(error) = work.await {
            tracing::debug!(endpoint = endpoint.name, %error, "HTTP connection broke");
            // Nobody listens when the connection is no more needed.
            let _ = broken.send(failure_of(&endpoint, &error));
        }
    });
    Ok(connection)
}
