use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::certificates::Certificates;
use crate::folder::Folder;
use crate::install::{Prerequisite, install, require};
use crate::process::{Server, free_port, run};

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// With a certificate of an authority that is made for it, and nothing but TLS on its port.
    pub is_tls: bool,
    /// Every change is on the disk before it is answered for, so that it survives [`Redis::kill`].
    pub is_durable: bool,
    /// As a node of a cluster.
    pub is_cluster: bool,
    /// Another program of the same kind, as `valkey-server`; none for `redis-server`.
    pub program: Option<PathBuf>,
    /// More arguments of the server, as `--databases`, `32`.
    pub arguments: Vec<String>,
}

/// A Redis server without keys. Its user `default` needs no password; tests make users of their own. A snapshot for a replica
/// begins at once.
#[derive(Debug)]
pub struct Redis {
    /// 127.0.0.1.
    pub host: String,
    /// Of TCP.
    pub port: u16,
    /// A PEM file with the authority of the server's certificate, when it was started with TLS.
    pub ca_certificate: Option<PathBuf>,
    program: PathBuf,
    arguments: Vec<String>,
    bus_port: u16,
    // None between `kill` and `restart`.
    server: Option<Server>,
    // Dropped after the server.
    folder: Folder,
}

impl Redis {
    /// Starts a server without TLS that forgets everything when it stops.
    ///
    /// # Errors
    /// When the server is not installed (and cannot be) or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(&RedisOptions::default())
    }

    /// Starts a server.
    ///
    /// # Errors
    /// When the server is not installed (and cannot be) or does not start.
    pub fn start_with(options: &RedisOptions) -> Result<Self> {
        install(&[Prerequisite::Redis])?;
        let program = match &options.program {
            Some(program) => program.clone(),
            None => require("redis-server", "redis-server")?,
        };
        let folder = Folder::create("lockgate-redis-")?;
        let (port, bus_port) = (free_port()?, free_port()?);
        let certificates =
            if options.is_tls { Some(Certificates::create(folder.path())?) } else { None };
        let mut arguments = arguments(options, port, bus_port, certificates.as_ref());
        arguments.extend(["--dir".to_owned(), folder.path().display().to_string()]);
        arguments.extend(options.arguments.iter().cloned());
        let mut started = Self {
            host: "127.0.0.1".to_owned(),
            port,
            ca_certificate: certificates.map(|files| files.authority),
            program,
            arguments,
            bus_port,
            server: None,
            folder,
        };
        started.restart()?;
        Ok(started)
    }

    /// Runs one command of `redis-cli` as `default` and gives what it prints: raw values, one a line.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        let output = run(self.client().arg("-e").args(words))?;
        Ok(output.trim_end_matches('\n').to_owned())
    }

    /// Runs commands, one a line in the form of `redis-cli` (`"\x00"` is a byte), as `default`; gives what it prints.
    ///
    /// # Errors
    /// When one of them is refused.
    pub fn script(&self, commands: &str) -> Result<String> {
        let mut child = self
            .client()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run redis-cli")?;
        let mut input = child.stdin.take().context("redis-cli has no input")?;
        let commands = commands.to_owned();
        // Fed beside, because a client that answers while it is fed would wait for its output to be read.
        let feeder = std::thread::spawn(move || input.write_all(commands.as_bytes()));
        let output = child.wait_with_output()?;
        feeder.join().ok().context("the feeder of redis-cli panicked")??;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let refusal = text.lines().find(|line| {
            ["ERR ", "WRONGTYPE ", "NOPERM ", "EXECABORT "]
                .iter()
                .any(|word| line.starts_with(word))
        });
        if let Some(line) = refusal {
            bail!("redis-cli: {line}");
        }
        if !output.status.success() {
            bail!("redis-cli: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(text)
    }

    /// `redis-cli`, connected as `default`.
    #[must_use]
    pub fn client(&self) -> Command {
        let mut command = Command::new("redis-cli");
        command.args(["-h", &self.host, "-p", &self.port.to_string()]);
        if let Some(authority) = &self.ca_certificate {
            command.arg("--tls").arg("--cacert").arg(authority);
        }
        command
    }

    /// The file of keys that the server reads when it starts.
    #[must_use]
    pub fn dump_file(&self) -> PathBuf {
        self.folder.path().join("dump.rdb")
    }

    /// The number of the server's process; 0 while it is killed.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.as_ref().map_or(0, Server::pid)
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Starts it again after [`Redis::kill`], with what is on its disk.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let log = self.folder.path().join("log");
        let server = Server::start(&self.program, &self.arguments, &log)?;
        server.wait("redis-server", || {
            self.command(&["PING"]).is_ok_and(|answer| answer == "PONG")
        })?;
        self.server = Some(server);
        Ok(())
    }
}

fn arguments(
    options: &RedisOptions,
    port: u16,
    bus_port: u16,
    certificates: Option<&Certificates>,
) -> Vec<String> {
    let mut words = vec!["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"];
    words.extend(["--repl-diskless-sync-delay", "0"]);
    if options.is_durable {
        words.extend(["--appendonly", "yes"]);
    }
    let mut arguments: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let mut set = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    if options.is_cluster {
        set("--cluster-enabled", "yes".to_owned());
        set("--cluster-port", bus_port.to_string());
    }
    match certificates {
        None => set("--port", port.to_string()),
        Some(files) => {
            set("--port", "0".to_owned());
            set("--tls-port", port.to_string());
            set("--tls-cert-file", files.certificate.display().to_string());
            set("--tls-key-file", files.key.display().to_string());
            set("--tls-ca-cert-file", files.authority.display().to_string());
            set("--tls-auth-clients", "no".to_owned());
        }
    }
    arguments
}

/// A cluster of masters without replicas, each with an equal share of the slots.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts so many masters. Takes some seconds.
    ///
    /// # Errors
    /// When they do not start, or do not find each other.
    pub fn start(masters: u16) -> Result<Self> {
        const SLOTS: u32 = 16_384;
        let options = RedisOptions { is_cluster: true, ..RedisOptions::default() };
        let nodes: Vec<Redis> =
            (0..masters).map(|_| Redis::start_with(&options)).collect::<Result<_>>()?;
        let first = nodes.first().context("a cluster has at least one master")?;
        for (number, node) in (0u32..).zip(&nodes) {
            let share = |number: u32| number * SLOTS / u32::from(masters);
            let (from, to) = (share(number).to_string(), (share(number + 1) - 1).to_string());
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &from, &to])?;
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()])?;
            let (port, bus) = (node.port.to_string(), node.bus_port.to_string());
            first.command(&["CLUSTER", "MEET", &node.host, &port, &bus])?;
        }
        let is_ready = |node: &Redis| {
            let info = node.command(&["CLUSTER", "INFO"]).unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains(&format!("cluster_size:{masters}"))
        };
        for node in &nodes {
            let server = node.server.as_ref().context("the node is not running")?;
            server.wait("the cluster", || is_ready(node))?;
        }
        Ok(Self { nodes })
    }
}
