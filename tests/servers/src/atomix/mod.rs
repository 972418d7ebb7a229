//! Atomix agents (Java), alone or as a cluster.

mod client;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::folder::Folder;
use crate::install::require;
use crate::maven::libraries;
use crate::process::{Server, free_port};

pub use client::AtomixClient;

/// The newest agent that is in Maven's central repository.
const AGENT: &str = "io.atomix:atomix-agent:3.0.2";
/// What the agent asks for are versions that do not fit each other.
const BOMS: [&str; 2] =
    ["io.netty:netty-bom:4.1.27.Final", "com.fasterxml.jackson:jackson-bom:2.9.10"];
/// What it reaches into of a newer Java than the one that it was made for.
const OPENED: [&str; 9] = [
    "java.lang",
    "java.util",
    "java.nio",
    "sun.nio.ch",
    "java.lang.invoke",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "jdk.internal.misc",
    "java.time",
];
const LOGBACK: &str = r#"<configuration><appender name="C" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%d{HH:mm:ss.SSS} %-5level %logger{20} - %msg%n</pattern></encoder></appender>
<root level="WARN"><appender-ref ref="C"/></root></configuration>"#;

/// How agents are started.
#[derive(Clone, Debug)]
pub struct AtomixOptions {
    /// 1, or a cluster of more; they are called `m1`, `m2`, ...
    pub members: usize,
    /// Memory of each, in MiB.
    pub heap_mib: u32,
    /// Raft partition groups beside the management group `system`, with the number of their partitions.
    pub groups: Vec<(String, u32)>,
    /// Bytes of a segment of a journal; none = 32 MiB.
    pub segment_bytes: Option<u32>,
    /// Folder of the storage in a member's folder; empty = the member's folder itself.
    pub storage: String,
}

impl Default for AtomixOptions {
    fn default() -> Self {
        Self {
            members: 1,
            heap_mib: 128,
            groups: vec![("data".to_owned(), 1)],
            segment_bytes: None,
            storage: String::new(),
        }
    }
}

/// One Atomix agent or a cluster, with a folder for each member that holds its configuration `atomix.conf` and its storage.
#[derive(Debug)]
pub struct Atomix {
    members: Vec<Member>,
    options: AtomixOptions,
    libraries: PathBuf,
    // Dropped after the servers.
    folder: Folder,
}

#[derive(Debug)]
struct Member {
    http_port: u16,
    cluster_port: u16,
    /// None while it is down.
    server: Option<Server>,
}

impl Atomix {
    /// What [`AtomixOptions`] starts.
    pub const VERSION: &str = "3.0.2";

    /// Starts all members and waits until they serve. Takes some 15 seconds: two elections.
    ///
    /// # Errors
    /// When they cannot be had or do not start.
    pub fn start_with(options: AtomixOptions) -> Result<Self> {
        let mut made = Self::prepare(options)?;
        made.launch()?;
        Ok(made)
    }

    /// Makes the members' folders with their configuration, and starts none.
    ///
    /// # Errors
    /// When the agent cannot be had.
    pub fn prepare(options: AtomixOptions) -> Result<Self> {
        let libraries = libraries("atomix-3.0.2", &[AGENT], &BOMS)?;
        let folder = Folder::create("lockgate-atomix-")?;
        let member = |_| {
            let (http_port, cluster_port) = (free_port()?, free_port()?);
            Ok(Member { http_port, cluster_port, server: None })
        };
        let members = (0..options.members).map(member).collect::<Result<Vec<_>>>()?;
        let made = Self { members, options, libraries, folder };
        for number in 0..made.members.len() {
            made.configure(number)?;
        }
        Ok(made)
    }

    /// Writes the configuration of a member as it was at the beginning.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, number: usize) -> Result<()> {
        fs::create_dir_all(self.folder(number))?;
        Ok(fs::write(self.configuration(number), self.text(number))?)
    }

    /// Starts all members that are down and waits until they serve.
    ///
    /// # Errors
    /// When one does not start.
    pub fn launch(&mut self) -> Result<()> {
        let down: Vec<usize> =
            (0..self.members.len()).filter(|it| self.members[*it].server.is_none()).collect();
        down.iter().try_for_each(|number| self.spawn(*number))?;
        down.iter().try_for_each(|number| self.wait(*number))
    }

    /// Starts one member that is down and waits until it serves.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self, number: usize) -> Result<()> {
        self.kill(number)?;
        self.spawn(number)?;
        self.wait(number)
    }

    /// Kills a member as a power cut would.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn kill(&mut self, number: usize) -> Result<()> {
        self.members.get_mut(number).context("no such member")?.server = None;
        Ok(())
    }

    /// Kills all members.
    pub fn kill_all(&mut self) {
        self.members.iter_mut().for_each(|member| member.server = None);
    }

    /// Whether a member was started and not killed.
    #[must_use]
    pub fn is_up(&self, number: usize) -> bool {
        self.members.get(number).is_some_and(|member| member.server.is_some())
    }

    /// The folder of a member.
    #[must_use]
    pub fn folder(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("m{}", number + 1))
    }

    /// The configuration of a member.
    #[must_use]
    pub fn configuration(&self, number: usize) -> PathBuf {
        self.folder(number).join("atomix.conf")
    }

    /// Where the groups of a member are.
    #[must_use]
    pub fn storage(&self, number: usize) -> PathBuf {
        self.folder(number).join(&self.options.storage)
    }

    /// Where a member's REST interface is.
    #[must_use]
    pub fn http_port(&self, number: usize) -> u16 {
        self.members.get(number).map_or(0, |member| member.http_port)
    }

    /// Where a member is reached by the others.
    #[must_use]
    pub fn address(&self, number: usize) -> String {
        let port = self.members.get(number).map_or(0, |member| member.cluster_port);
        format!("127.0.0.1:{port}")
    }

    /// A client of a member.
    #[must_use]
    pub fn client(&self, number: usize) -> AtomixClient {
        AtomixClient::new(self.http_port(number))
    }

    fn spawn(&mut self, number: usize) -> Result<()> {
        let home = self.folder(number);
        let logback = self.folder.path().join("logback.xml");
        fs::write(&logback, LOGBACK)?;
        let mut arguments = vec![
            "-Xms32m".to_owned(),
            format!("-Xmx{}m", self.options.heap_mib),
            "-XX:+UseSerialGC".to_owned(),
            "-XX:TieredStopAtLevel=1".to_owned(),
            format!("-Dlogback.configurationFile={}", logback.display()),
            "-Dio.atomix.whitelistPackages=io.atomix".to_owned(),
            // Where groups are kept whose configuration names no directory.
            format!("-Datomix.data={}", self.storage(number).display()),
        ];
        for package in OPENED {
            arguments.push("--add-opens".to_owned());
            arguments.push(format!("java.base/{package}=ALL-UNNAMED"));
        }
        let configuration = home.join("atomix.conf");
        arguments.extend(["-cp".to_owned(), format!("{}/*", self.libraries.display())]);
        arguments.push("io.atomix.agent.AtomixAgent".to_owned());
        arguments.extend(["-c".to_owned(), configuration.display().to_string()]);
        arguments.extend(["-p".to_owned(), self.http_port(number).to_string()]);
        let java = require("java", "openjdk-17-jre-headless")?;
        let log = self.folder.path().join(format!("m{}.log", number + 1));
        let server = Server::start(&java, &arguments, &log)?;
        self.members.get_mut(number).context("no such member")?.server = Some(server);
        Ok(())
    }

    fn wait(&self, number: usize) -> Result<()> {
        let server = self.members.get(number).and_then(|member| member.server.as_ref());
        let server = server.context("the member is down")?;
        let mut client = self.client(number);
        server.wait("atomix", || client.get("/v1/primitives").is_ok())
    }

    fn text(&self, number: usize) -> String {
        let names: Vec<String> = (1..=self.members.len()).map(|it| format!("m{it}")).collect();
        let names = names.join(", ");
        let mut lines = vec![
            format!(
                "cluster {{ cluster-id: tested, node {{ id: m{}, address: \"{}\" }}",
                number + 1,
                self.address(number)
            ),
            "  multicast { enabled: false }".to_owned(),
            "  discovery { type: bootstrap".to_owned(),
        ];
        for other in 0..self.members.len() {
            let (name, address) = (other + 1, self.address(other));
            lines.push(format!("    nodes.{name} {{ id: m{name}, address: \"{address}\" }}"));
        }
        lines.push("} }".to_owned());
        let segment = self.options.segment_bytes.map_or(String::new(), |bytes| {
            format!(", segment-size: {bytes}, max-entry-size: {}", bytes / 4)
        });
        let group = |key: &str, partitions: u32| {
            format!(
                "{key} {{ type: raft, partitions: {partitions}, members: [{names}], \
                 storage {{ level: disk{segment} }} }}"
            )
        };
        lines.push(group("management-group", 1));
        for (name, partitions) in &self.options.groups {
            lines.push(group(&format!("partition-groups.{name}"), *partitions));
        }
        lines.join("\n") + "\n"
    }
}

/// Removes everything that is in a folder.
pub(crate) fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

impl Atomix {
    /// Kills a member and removes everything from its folder.
    ///
    /// # Errors
    /// When that fails.
    pub fn wipe(&mut self, number: usize) -> Result<()> {
        self.kill(number)?;
        empty(&self.folder(number))
    }
}
