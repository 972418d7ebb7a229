//! The connections of one session: dials them, encrypts them, and hands the worker its end.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use lockgate_trust::{Encryption, GrantError, Grants};
use lockgate_types::Failure;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::dial::{Endpoint, Target};
use super::tls::{Trust, pump};
use crate::limits::CONNECTIONS_MAX;

/// How near a session is to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    NotYet,
    /// The run was cancelled: only a cleanup goes on.
    Cancelled,
    /// Nothing goes on.
    Closed,
}

/// What a session's connections have in common.
#[derive(Debug)]
pub struct Net {
    endpoints: BTreeMap<String, Endpoint>,
    trust: Trust,
    runtime: Handle,
    end: watch::Sender<End>,
    pumps: Mutex<JoinSet<()>>,
}

/// The connections of one instance, by number.
#[derive(Debug, Default)]
pub struct Connections {
    open: HashMap<u32, Connection>,
    last: u32,
}

#[derive(Debug)]
struct Connection {
    target: Target,
    /// The host's own copy of the socket while TLS may still be asked for.
    plain: Option<std::net::TcpStream>,
    /// Dropped with the connection, which tells the task that carries its bytes.
    open: Option<oneshot::Sender<()>>,
}

/// A new connection: number, whether it is encrypted, and the worker's end of it.
pub type Connected = (u32, bool, OwnedFd);

impl Net {
    /// Reads the grants; reaches nothing yet.
    ///
    /// # Errors
    /// When a grant does not parse.
    pub fn new(grants: &Grants, runtime: Handle) -> Result<Self, GrantError> {
        let read = |(name, grant)| {
            let name: &lockgate_types::Name = name;
            Endpoint::new(name.as_str(), grant).map(|endpoint| (name.to_string(), endpoint))
        };
        Ok(Self {
            endpoints: grants.endpoints.iter().map(read).collect::<Result<_, _>>()?,
            trust: Trust::default(),
            runtime,
            end: watch::Sender::new(End::NotYet),
            pumps: Mutex::default(),
        })
    }

    /// The endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    /// Connects to an endpoint, or with `member` to another host of its cluster.
    ///
    /// # Errors
    /// What the plugin is told.
    pub fn connect(
        &self,
        connections: &mut Connections,
        is_cleanup: bool,
        endpoint: &str,
        member: Option<(&str, u16)>,
    ) -> Result<Connected, Failure> {
        let endpoint = self.endpoint(endpoint)?;
        if connections.open.len() >= CONNECTIONS_MAX {
            let text = format!("more than {CONNECTIONS_MAX} connections are open");
            return Err(Failure::Other(text));
        }
        let (stream, target) = self.wait(is_cleanup, async {
            match member {
                None => endpoint.connect().await,
                Some((host, port)) => endpoint.connect_member(host, port).await,
            }
        })?;
        let mut connection = Connection { target, plain: None, open: None };
        let descriptor = match endpoint.encryption() {
            Encryption::Immediate => self.encrypt(is_cleanup, endpoint, &mut connection, stream)?,
            Encryption::Start => {
                let stream = blocking(stream)?;
                connection.plain = Some(stream.try_clone().map_err(io_failure)?);
                stream.into()
            }
            Encryption::Off => blocking(stream)?.into(),
        };
        connections.last += 1;
        connections.open.insert(connections.last, connection);
        let is_encrypted = endpoint.encryption() == Encryption::Immediate;
        Ok((connections.last, is_encrypted, descriptor))
    }

    /// Turns a connection into an encrypted one; the worker gets a new end.
    ///
    /// # Errors
    /// What the plugin is told.
    pub fn start_tls(
        &self,
        connections: &mut Connections,
        is_cleanup: bool,
        number: u32,
    ) -> Result<Connected, Failure> {
        let connection = connections.open.get_mut(&number).ok_or_else(unknown)?;
        let target = &connection.target;
        let endpoint = self.endpoint(&target.endpoint)?;
        let Some(plain) = connection.plain.take() else {
            return Err(match endpoint.encryption() {
                Encryption::Off => {
                    Failure::Denied(format!("{target}: the grant says `encryption = \"off\"`"))
                }
                _ => Failure::Other(format!("{target}: the connection is encrypted already")),
            });
        };
        let stream = {
            let _reactor = self.runtime.enter();
            plain.set_nonblocking(true).map_err(io_failure)?;
            TcpStream::from_std(plain).map_err(io_failure)?
        };
        Ok((number, true, self.encrypt(is_cleanup, endpoint, connection, stream)?))
    }

    /// Ends what waits for the network, also in a cleanup, from elsewhere.
    pub fn closer(&self) -> impl Fn() + Send + 'static {
        let end = self.end.clone();
        move || {
            end.send_replace(End::Closed);
        }
    }

    /// Ends what is being dialled or asked, and refuses to begin anything from now on, except in a cleanup.
    pub fn cancel(&self) {
        self.end.send_if_modified(|end| {
            let is_first = *end == End::NotYet;
            if is_first {
                *end = End::Cancelled;
            }
            is_first
        });
    }

    /// Ends every connection. With `wait`, returns when their tasks have ended; not to be called on a thread of the runtime
    /// then.
    pub fn close(&self, wait: bool) {
        self.end.send_replace(End::Closed);
        let mut pumps = std::mem::take(&mut *self.pumps());
        pumps.abort_all();
        if wait {
            self.runtime.block_on(async { while pumps.join_next().await.is_some() {} });
        }
    }

    /// Carries bytes beside the calls until the session is closed.
    pub fn carry(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut pumps = self.pumps();
        while pumps.try_join_next().is_some() {}
        pumps.spawn_on(work, &self.runtime);
    }

    /// What makes connections encrypted.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// An endpoint by its name.
    ///
    /// # Errors
    /// When it is not granted.
    pub fn endpoint(&self, name: &str) -> Result<&Endpoint, Failure> {
        self.endpoints.get(name).ok_or_else(|| {
            let name = super::shown::shown(name, 64).into_owned();
            Failure::Denied(format!("endpoint {name} is not granted"))
        })
    }

    fn encrypt(
        &self,
        is_cleanup: bool,
        endpoint: &Endpoint,
        connection: &mut Connection,
        stream: TcpStream,
    ) -> Result<OwnedFd, Failure> {
        let encrypted = self.trust.encrypt(endpoint, &connection.target, stream);
        let server = self.wait(is_cleanup, encrypted)?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(io_failure)?;
        ours.set_nonblocking(true).map_err(io_failure)?;
        let ours = {
            let _reactor = self.runtime.enter();
            UnixStream::from_std(ours).map_err(io_failure)?
        };
        let (open, closed) = oneshot::channel();
        connection.open = Some(open);
        self.carry(pump(ours, server, connection.target.clone(), closed));
        Ok(theirs.into())
    }

    /// Waits on this thread, unless the run is cancelled or, in a cleanup, unless the session is closed.
    ///
    /// # Errors
    /// Those of `work`, or [`Failure::Cancelled`].
    pub fn wait<T>(
        &self,
        is_cleanup: bool,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let last = if is_cleanup { End::Closed } else { End::Cancelled };
        let mut end = self.end.subscribe();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = end.wait_for(|end| *end >= last) => Err(Failure::Cancelled),
                result = work => result,
            }
        })
    }

    fn pumps(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.pumps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Forgets a connection that the worker has closed.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn close(&mut self, number: u32) -> Result<(), &'static str> {
        self.open.remove(&number).map(drop).ok_or("a connection that does not exist was closed")
    }
}

fn blocking(stream: TcpStream) -> Result<std::net::TcpStream, Failure> {
    let stream = stream.into_std().map_err(io_failure)?;
    stream.set_nonblocking(false).map_err(io_failure)?;
    Ok(stream)
}

fn io_failure(error: std::io::Error) -> Failure {
    Failure::Other(format!("could not set up the connection: {error}"))
}

fn unknown() -> Failure {
    Failure::Other("the connection does not exist".to_owned())
}
