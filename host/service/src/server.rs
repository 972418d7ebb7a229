//! From connections to the router, and a clean end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use lockgate_engine::Cancel;
use lockgate_engine::configuration;
use lockgate_operations::{Error, ErrorKind, Result, Scheduler};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::Instrument as _;

use crate::access::Users;
use crate::limits::{CONNECTIONS_MAX, FAREWELL_MAX, HANDSHAKE_MAX, HEADER_BYTES_MAX, HEADERS_MAX};
use crate::routes::router;
use crate::service::Service;
use crate::tls;

/// How long nobody is let in when the system has no room for a connection.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);
/// How often it is looked for backups that nobody looks into any more.
const TIDY_PERIOD: Duration = Duration::from_secs(60);

/// The service, listening.
pub struct Server {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    service: Service,
    router: Router,
    grace: Duration,
}

impl Server {
    /// Fetches tokens, certificate and key, and listens. Nobody is answered before it runs.
    ///
    /// # Errors
    /// `Configuration` when nobody could use it or something that it names is not there; when the address cannot be had.
    pub async fn bind(settings: &configuration::Service, scheduler: Scheduler) -> Result<Self> {
        if settings.users.is_empty() {
            return Err(Error::new(ErrorKind::Configuration, "[service] has no users, so nobody could use it")
                .with_hint("`lockgate serve --new-token` prints a token; add [service.users.NAME] with roles and token-sha256"));
        }
        let users = Users::load(&settings.users, settings.requests_per_minute)?;
        let acceptor = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            let message = format!("[service] listen {}: {error}", settings.listen);
            Error::new(ErrorKind::Failed, message)
        })?;
        let service = Service::new(scheduler, users);
        let router = router(service.clone(), settings.open_metrics);
        let grace = Duration::from_secs(settings.grace_seconds.into());
        Ok(Self { listener, acceptor, service, router, grace })
    }

    /// Where it listens: the port too, when the settings left it to the system with 0.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> Result<SocketAddr> {
        let address = self.listener.local_addr();
        address.map_err(|error| Error::new(ErrorKind::Failed, format!("address: {error}")))
    }

    /// Answers until `cancel` is wished. Then nobody is let in any more, streams of events end, jobs get their grace, and
    /// last what is still being answered.
    pub async fn run(self, cancel: &Cancel) {
        let (graceful, mut connections) = (GracefulShutdown::new(), JoinSet::new());
        let service = self.service.clone();
        let grace = self.grace;
        let background = async {
            tokio::join!(service.metrics().count_jobs(service.jobs()), tidy(&service));
        };
        tokio::select! {
            _ = cancel.or_stop(self.accept(&graceful, &mut connections)) => {}
            () = background => {}
        }
        tracing::info!("ending: no more connections, {} s for jobs", grace.as_secs());
        service.end();
        service.jobs().stop(grace).await;
        if timeout(FAREWELL_MAX, graceful.shutdown()).await.is_err() {
            tracing::warn!("{} connections did not end", connections.len());
        }
        connections.shutdown().await;
    }

    /// Lets in whoever comes, for ever. Drops the listener when it is dropped.
    async fn accept(self, graceful: &GracefulShutdown, connections: &mut JoinSet<()>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A client that left at once, or no descriptors: neither is an end.
                    tracing::warn!("accept: {error}");
                    sleep(EXHAUSTED_PAUSE).await;
                    continue;
                }
            };
            stream.set_nodelay(true).ok();
            let connection = Connection {
                router: self.router.clone(),
                acceptor: self.acceptor.clone(),
                watcher: graceful.watcher(),
                _permit: permit,
            };
            let span = tracing::debug_span!("connection", %peer);
            connections.spawn(connection.answer(stream).instrument(span));
        }
    }
}

async fn tidy(service: &Service) {
    loop {
        sleep(TIDY_PERIOD).await;
        service.shelf().tidy().await;
    }
}

/// One client.
struct Connection {
    router: Router,
    acceptor: Option<TlsAcceptor>,
    watcher: Watcher,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn answer(self, stream: TcpStream) {
        let Some(acceptor) = self.acceptor.clone() else { return self.speak(stream).await };
        match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream).await,
            Ok(Err(error)) => tracing::debug!("handshake: {error}"),
            Err(_) => tracing::debug!("handshake: took too long"),
        }
    }

    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router));
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!("{error}");
        }
    }
}
