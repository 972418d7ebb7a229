mod configuration;
mod login;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::folder::Folder;
use crate::install::{Prerequisite, install};
use crate::process::Server;
use crate::python::python_packages;

/// How nodes are started.
#[derive(Clone, Debug)]
pub struct CassandraOptions {
    /// 1, or a cluster of more. Each has a part of the ring that depends on its place and this number only.
    pub nodes: usize,
    /// Clients log in with [`Cassandra::SUPER`], and roles may do what was granted to them; anyone may do anything otherwise.
    pub is_authenticated: bool,
    /// Memory of each node for Java's objects, in MiB.
    pub heap_mib: u32,
    /// More lines of `cassandra.yaml`.
    pub settings: Vec<String>,
}

impl Default for CassandraOptions {
    fn default() -> Self {
        Self { nodes: 1, is_authenticated: false, heap_mib: 384, settings: Vec::new() }
    }
}

/// A Cassandra 5.0 of one node or more. Each node has a loopback address of its own; all have the same ports.
#[derive(Debug)]
pub struct Cassandra {
    /// Of the clients, at every node's address.
    pub port: u16,
    /// Of Jolokia, which offers Java's management (JMX) over HTTP, at every node's address.
    pub jolokia_port: u16,
    nodes: Vec<Node>,
    options: CassandraOptions,
    // The ports are free at the nodes' addresses as long as these hold them at another.
    _ports: [TcpListener; 3],
    // Dropped after the nodes.
    folder: Folder,
}

#[derive(Debug)]
struct Node {
    address: String,
    /// None while it is down.
    server: Option<Server>,
}

impl Cassandra {
    /// The first role of an authenticated cluster, and its password: it may do everything.
    pub const SUPER: (&'static str, &'static str) = ("cassandra", "cassandra");
    /// Who may use Jolokia, and the password.
    pub const JOLOKIA: (&'static str, &'static str) = ("operator", "let me manage");
    /// For people.
    pub const VERSION: &'static str = configuration::VERSION;

    /// Starts one node that asks for no login.
    ///
    /// # Errors
    /// When it cannot be had or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(CassandraOptions::default())
    }

    /// Starts nodes and waits until clients can log in to each and all know each other. Takes some 15 seconds for each node, and
    /// the first time a download of 100 MB.
    ///
    /// # Errors
    /// When they cannot be had or do not start.
    pub fn start_with(options: CassandraOptions) -> Result<Self> {
        install(&[Prerequisite::Java])?;
        configuration::libraries()?;
        let folder = Folder::create("lockgate-cassandra-")?;
        let ports = [held_port()?, held_port()?, held_port()?];
        let port = ports[0].local_addr()?.port();
        let jolokia_port = ports[1].local_addr()?.port();
        // Nobody else has this port, so nobody has these addresses.
        let [high, low] = port.to_be_bytes();
        let node =
            |number| Node { address: format!("127.{high}.{low}.{}", number + 1), server: None };
        let nodes = (0..options.nodes).map(node).collect();
        let mut started = Self { port, jolokia_port, nodes, options, _ports: ports, folder };
        started.launch_and_wait(0..started.nodes.len())?;
        Ok(started)
    }

    /// The nodes' addresses, without a port.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.address.clone()).collect()
    }

    /// The folder of a node's tables: `KEYSPACE/TABLE-ID/...`.
    #[must_use]
    pub fn data(&self, number: usize) -> PathBuf {
        self.home(number).join("data")
    }

    /// A folder of a node's machine outside the node's own folders. It is empty.
    #[must_use]
    pub fn staging(&self, number: usize) -> PathBuf {
        self.home(number).join("staging")
    }

    /// Process numbers of the nodes that are up.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(|node| node.server.as_ref().map(Server::pid)).collect()
    }

    /// Kills a node as a power cut would.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn kill(&mut self, number: usize) -> Result<()> {
        self.nodes.get_mut(number).context("no such node")?.server = None;
        Ok(())
    }

    /// Starts a node again, at the same address and with the same data, and waits until clients can log in.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self, number: usize) -> Result<()> {
        self.kill(number)?;
        self.launch_and_wait(number..number + 1)
    }

    /// A folder for `PYTHONPATH` with the makers' client, the module `cassandra`.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn python_client() -> Result<PathBuf> {
        python_packages("cassandra-driver-3.30.1", &["cassandra-driver==3.30.1"])
    }

    fn launch_and_wait(&mut self, numbers: std::ops::Range<usize>) -> Result<()> {
        for number in numbers.clone() {
            self.launch(number)?;
        }
        // Each has its own time to start, and then to hear of the others.
        numbers.clone().try_for_each(|number| self.wait(number, 0))?;
        let others = self.nodes.iter().filter(|node| node.server.is_some()).count() - 1;
        numbers.into_iter().try_for_each(|number| self.wait(number, others))
    }

    fn launch(&mut self, number: usize) -> Result<()> {
        let (home, addresses) = (self.home(number), self.addresses());
        for folder in configuration::FOLDERS {
            fs::create_dir_all(home.join(folder))?;
        }
        let ports = (self.port, self._ports[2].local_addr()?.port(), self.jolokia_port);
        let node = configuration::Node { home: &home, addresses: &addresses, number, ports };
        let (program, arguments) = node.configure(&self.options)?;
        let server = Server::start(&program, &arguments, &home.join("log"))?;
        self.nodes.get_mut(number).context("no such node")?.server = Some(server);
        Ok(())
    }

    /// Waits until clients can log in, and the node knows so many others.
    fn wait(&self, number: usize, others: usize) -> Result<()> {
        let node = self.nodes.get(number).context("no such node")?;
        let Some(server) = &node.server else { bail!("node {} is down", number + 1) };
        let address: SocketAddr = format!("{}:{}", node.address, self.port).parse()?;
        server.wait("cassandra", || login::is_ready(address, Self::SUPER, others))
    }

    fn home(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("node-{}", number + 1))
    }
}

/// A port that no other program of this machine gets as long as it is held.
fn held_port() -> Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").context("hold a free port")
}
