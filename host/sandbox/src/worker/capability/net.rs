//! `net`: the host dials and does TLS; the worker holds one end of a stream socket per connection.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use lockgate_types::Failure;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList};

use super::{asked, quoted};
use crate::limits::{CANCEL_POLL, CONNECTIONS_MAX, NET_READ_BYTES_MAX};
use crate::protocol::{Answer, FromWorker, Question};
use crate::worker::bindings::lockgate::datastore::net::{
    Encryption, Endpoint, Host, HostConnection,
};
use crate::worker::bindings::lockgate::datastore::types;
use crate::worker::fault::{Fault, Reply, plain};
use crate::worker::state::{State, mismatch};

/// The instance that the contract's version 0.1 imports.
const INTERFACE: &str = "lockgate:datastore/net@0.1.0";

/// A connection that the host made.
#[derive(Debug)]
pub struct Connection {
    number: u32,
    socket: OwnedFd,
    encrypted: bool,
    endpoint: String,
}

/// Replaces the generated `connection.write` by one that sends the guest's memory from where it is.
///
/// # Errors
/// When the linker does not have the interface yet.
pub fn write_without_copy(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap(
        "[method]connection.write",
        |mut store: StoreContextMut<'_, State>,
         (connection, data): (Resource<Connection>, WasmList<u8>)|
         -> wasmtime::Result<(Result<(), types::Failure>,)> {
            store.data_mut().host_calls += 1;
            match store.data().write_all(&connection, data.as_le_slice(&store)) {
                Ok(()) => Ok((Ok(()),)),
                Err(fault) => Ok((Err(store.data_mut().refuse(fault)?),)),
            }
        },
    )
}

impl Host for State {
    fn endpoints(&mut self) -> Reply<Vec<Endpoint>> {
        self.go_on()?;
        let endpoints = self.grants.endpoints.iter().map(|endpoint| Endpoint {
            name: endpoint.name.clone(),
            encryption: match endpoint.encryption {
                lockgate_trust::Encryption::Off => Encryption::Off,
                lockgate_trust::Encryption::Start => Encryption::Start,
                lockgate_trust::Encryption::Immediate => Encryption::Immediate,
            },
        });
        Ok(endpoints.collect())
    }

    fn connect(&mut self, endpoint: String) -> Reply<Resource<Connection>> {
        self.may_connect(&endpoint)?;
        self.connection(endpoint.clone(), Question::Connect { endpoint })
    }

    fn connect_member(
        &mut self,
        endpoint: String,
        host: String,
        port: u16,
    ) -> Reply<Resource<Connection>> {
        self.may_connect(&endpoint)?;
        let name = format!("{host}:{port}");
        self.connection(name, Question::ConnectMember { endpoint, host, port })
    }
}

impl HostConnection for State {
    fn read(&mut self, connection: Resource<Connection>, max: u32) -> Reply<Vec<u8>> {
        self.go_on()?;
        let connection = self.table.get(&connection)?;
        let mut bytes = Vec::with_capacity(max.min(NET_READ_BYTES_MAX) as usize);
        if bytes.capacity() == 0 {
            return Ok(bytes);
        }
        loop {
            match recv(&connection.socket, spare_capacity(&mut bytes), RecvFlags::DONTWAIT) {
                Ok(_) => return Ok(bytes),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(connection, PollFlags::IN)?,
                Err(errno) => return Err(unreachable_now(connection, "read from", errno)),
            }
        }
    }

    // The linker has `write_without_copy` in this place; this one serves when it has not.
    fn write(&mut self, connection: Resource<Connection>, data: Vec<u8>) -> Reply<()> {
        self.write_all(&connection, &data)
    }

    fn start_tls(&mut self, connection: Resource<Connection>) -> Reply<()> {
        self.go_on()?;
        let current = self.table.get(&connection)?;
        if current.encrypted {
            return Err(Fault::other("the connection is encrypted already"));
        }
        let question = Question::StartTls { connection: current.number };
        let Answer::Connected { connection: number, encrypted } = self.ask(question)? else {
            return Err(mismatch());
        };
        let socket = self.take_descriptor()?;
        let current = self.table.get_mut(&connection)?;
        current.number = number;
        current.encrypted = encrypted;
        current.socket = socket;
        Ok(())
    }

    fn is_encrypted(&mut self, connection: Resource<Connection>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&connection)?.encrypted)
    }

    fn close_write(&mut self, connection: Resource<Connection>) -> Reply<()> {
        let connection = self.table.get(&connection)?;
        shutdown(&connection.socket, Shutdown::Write)
            .map_err(|errno| unreachable_now(connection, "close", errno))
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        let connection = self.table.delete(connection)?;
        self.connections = self.connections.saturating_sub(1);
        match self.tell(&FromWorker::CloseConnection { connection: connection.number }, &[]) {
            Ok(()) | Err(Fault::Failure(_) | Fault::Missing(_)) => Ok(()),
            Err(Fault::Trap(error)) => Err(error),
        }
    }
}

impl State {
    fn may_connect(&self, endpoint: &str) -> Reply<()> {
        self.go_on()?;
        if !self.grants.endpoints.iter().any(|granted| granted.name == endpoint) {
            let granted = quoted(self.grants.endpoints.iter().map(|it| it.name.as_str()));
            return Err(Fault::denied(format!(
                "the network: the plugin asked for {} and {granted} is granted; \
                 `endpoints.NAME` in the source's grants allows one",
                asked(endpoint)
            )));
        }
        if self.connections < CONNECTIONS_MAX {
            return Ok(());
        }
        Err(Fault::other(format!(
            "{CONNECTIONS_MAX} connections are open, which is the most that may be"
        )))
    }

    fn connection(&mut self, endpoint: String, question: Question) -> Reply<Resource<Connection>> {
        let Answer::Connected { connection: number, encrypted } = self.ask(question)? else {
            return Err(mismatch());
        };
        let socket = self.take_descriptor()?;
        let connection = self.table.push(Connection { number, socket, encrypted, endpoint })?;
        self.connections += 1;
        Ok(connection)
    }

    fn write_all(&self, connection: &Resource<Connection>, mut data: &[u8]) -> Reply<()> {
        self.go_on()?;
        let connection = self.table.get(connection)?;
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        while !data.is_empty() {
            match send(&connection.socket, data, flags) {
                Ok(count) => data = data.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(connection, PollFlags::OUT)?,
                Err(errno) => return Err(unreachable_now(connection, "write to", errno)),
            }
        }
        Ok(())
    }

    /// Waits until the socket is ready, looking now and then whether the run was cancelled.
    fn wait(&self, connection: &Connection, events: PollFlags) -> Reply<()> {
        self.lane.socket().flush()?;
        let timeout = Timespec { tv_sec: 0, tv_nsec: CANCEL_POLL.subsec_nanos().into() };
        let since = Instant::now();
        loop {
            self.go_on()?;
            if since.elapsed() >= self.silence {
                return Err(silent(connection, self.silence));
            }
            let mut sockets = [PollFd::from_borrowed_fd(connection.socket.as_fd(), events)];
            match poll(&mut sockets, Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(unreachable_now(connection, "wait for", errno)),
            }
        }
    }
}

fn silent(connection: &Connection, limit: Duration) -> Fault {
    Failure::Unreachable(format!(
        "{}: the server was silent for {} s, the limit `silence-ms` of the source",
        connection.endpoint,
        limit.as_secs_f64()
    ))
    .into()
}

fn unreachable_now(connection: &Connection, action: &str, errno: Errno) -> Fault {
    let text = format!("could not {action} {}: {}", connection.endpoint, plain(&errno.into()));
    Failure::Unreachable(text).into()
}
