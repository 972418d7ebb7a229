use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::folder::Folder;
use crate::install::{Prerequisite, install, require};
use crate::process::{Server, free_port};

/// `base64(sha1("super:secret"))`, as `DigestAuthenticationProvider.generateDigest` computes it.
const SUPER_DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";
/// Of Debian's packages: the server, and what prints its log.
const JARS: &str = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar";
/// Time for an answer to a four-letter word.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// How servers are started.
#[derive(Clone, Debug)]
pub struct ZooKeeperOptions {
    /// 1, or an ensemble of more.
    pub members: usize,
    /// Memory of each server for its data, in MiB.
    pub heap_mib: u32,
    /// Jars of another release than the machine's own, as `java -cp` takes them.
    pub classpath: Option<String>,
    /// More lines of the configuration.
    pub settings: Vec<String>,
}

impl Default for ZooKeeperOptions {
    fn default() -> Self {
        Self { members: 1, heap_mib: 128, classpath: None, settings: Vec::new() }
    }
}

/// One ZooKeeper server, or an ensemble. [`ZooKeeper::SUPER`] may do everything; without a login everything that has no ACL is
/// open. All four-letter words are allowed, nodes may have a time to live.
#[derive(Debug)]
pub struct ZooKeeper {
    members: Vec<Member>,
    options: ZooKeeperOptions,
    has_super: bool,
    // Dropped after the servers.
    folder: Folder,
}

#[derive(Debug)]
struct Member {
    port: u16,
    quorum_port: u16,
    election_port: u16,
    /// None while it is down.
    server: Option<Server>,
}

impl ZooKeeper {
    /// User and password that may do everything.
    pub const SUPER: (&'static str, &'static str) = ("super", "secret");

    /// Starts one server.
    ///
    /// # Errors
    /// When it is not installed (and cannot be) or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(ZooKeeperOptions::default())
    }

    /// Starts one server or an ensemble, and waits until all serve. Takes some seconds.
    ///
    /// # Errors
    /// When they are not installed (and cannot be) or do not start.
    pub fn start_with(options: ZooKeeperOptions) -> Result<Self> {
        install(&[Prerequisite::ZooKeeper])?;
        let folder = Folder::create("lockgate-zookeeper-")?;
        let member = |_| {
            let (port, quorum_port, election_port) = (free_port()?, free_port()?, free_port()?);
            Ok(Member { port, quorum_port, election_port, server: None })
        };
        let members = (0..options.members).map(member).collect::<Result<Vec<_>>>()?;
        let mut started = Self { members, options, has_super: true, folder };
        for number in 0..started.members.len() {
            started.launch(number)?;
        }
        for number in 0..started.members.len() {
            started.wait(number)?;
        }
        Ok(started)
    }

    /// Ports of the members' clients.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.members.iter().map(|member| member.port).collect()
    }

    /// Process numbers of the members that are up.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.members.iter().filter_map(|member| member.server.as_ref().map(Server::pid)).collect()
    }

    /// The answer of a member to a four-letter word.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn word(&self, number: usize, word: &str) -> Result<String> {
        let member = self.members.get(number).context("no such member")?;
        let mut stream = TcpStream::connect(("127.0.0.1", member.port))?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        stream.write_all(word.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// `leader`, `follower` or `standalone`.
    ///
    /// # Errors
    /// When the member does not serve.
    pub fn mode(&self, number: usize) -> Result<String> {
        let answer = self.word(number, "srvr")?;
        let mode = answer.lines().find_map(|line| line.strip_prefix("Mode: "));
        Ok(mode.with_context(|| format!("member {number} says: {}", answer.trim()))?.to_owned())
    }

    /// Kills a member as a power cut would.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn kill(&mut self, number: usize) -> Result<()> {
        self.members.get_mut(number).context("no such member")?.server = None;
        Ok(())
    }

    /// Starts a member again, on the same port and with the same data, and waits until it serves.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self, number: usize) -> Result<()> {
        self.kill(number)?;
        self.launch(number)?;
        self.wait(number)
    }

    /// Kills all members, deletes what they kept, and starts them as a new ensemble.
    ///
    /// # Errors
    /// When they do not start.
    pub fn renew(&mut self) -> Result<()> {
        for number in 0..self.members.len() {
            self.kill(number)?;
            fs::remove_dir_all(self.home(number))?;
        }
        for number in 0..self.members.len() {
            self.launch(number)?;
        }
        (0..self.members.len()).try_for_each(|number| self.wait(number))
    }

    /// Restarts all members so that [`ZooKeeper::SUPER`] may no more than others.
    ///
    /// # Errors
    /// When they do not start.
    pub fn revoke_super(&mut self) -> Result<()> {
        self.has_super = false;
        for number in 0..self.members.len() {
            self.kill(number)?;
        }
        for number in 0..self.members.len() {
            self.launch(number)?;
        }
        (0..self.members.len()).try_for_each(|number| self.wait(number))
    }

    fn launch(&mut self, number: usize) -> Result<()> {
        let home = self.home(number);
        fs::create_dir_all(home.join("data"))?;
        fs::write(home.join("data/myid"), format!("{}\n", number + 1))?;
        fs::write(home.join("zoo.cfg"), self.settings(number)?)?;
        let jars = self.options.classpath.as_deref().unwrap_or(JARS);
        let mut arguments = vec![
            "-Xms32m".to_owned(),
            format!("-Xmx{}m", self.options.heap_mib),
            "-XX:+UseSerialGC".to_owned(),
            "-XX:TieredStopAtLevel=1".to_owned(),
            // A test is not about power cuts of the machine.
            "-Dzookeeper.forceSync=no".to_owned(),
            "-Dzookeeper.extendedTypesEnabled=true".to_owned(),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned(),
        ];
        if self.has_super {
            let property = "-Dzookeeper.DigestAuthenticationProvider.superDigest";
            arguments.push(format!("{property}={SUPER_DIGEST}"));
        }
        arguments.extend(["-cp".to_owned(), format!("{}:{jars}", home.display())]);
        arguments.push("org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned());
        arguments.push(home.join("zoo.cfg").display().to_string());
        let java = require("java", "openjdk-17-jre-headless")?;
        let server = Server::start(&java, &arguments, &home.join("log"))?;
        self.members.get_mut(number).context("no such member")?.server = Some(server);
        Ok(())
    }

    fn wait(&self, number: usize) -> Result<()> {
        let server = self.members.get(number).and_then(|member| member.server.as_ref());
        let Some(server) = server else { bail!("member {number} is down") };
        server.wait("zookeeper", || self.mode(number).is_ok())
    }

    fn home(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("member-{}", number + 1))
    }

    fn settings(&self, number: usize) -> Result<String> {
        let member = self.members.get(number).context("no such member")?;
        let mut lines = vec![
            "tickTime=500".to_owned(),
            "initLimit=40".to_owned(),
            "syncLimit=20".to_owned(),
            "maxClientCnxns=0".to_owned(),
            // Up to two minutes for a client that asks for it.
            "maxSessionTimeout=120000".to_owned(),
            "preAllocSize=1024".to_owned(),
            "admin.enableServer=false".to_owned(),
            "4lw.commands.whitelist=*".to_owned(),
            "clientPortAddress=127.0.0.1".to_owned(),
            format!("clientPort={}", member.port),
            format!("dataDir={}", self.home(number).join("data").display()),
        ];
        if self.members.len() > 1 {
            let line = |(number, member): (usize, &Member)| {
                format!(
                    "server.{}=127.0.0.1:{}:{}",
                    number + 1,
                    member.quorum_port,
                    member.election_port
                )
            };
            lines.extend(self.members.iter().enumerate().map(line));
        }
        lines.extend(self.options.settings.iter().cloned());
        Ok(lines.join("\n") + "\n")
    }
}
