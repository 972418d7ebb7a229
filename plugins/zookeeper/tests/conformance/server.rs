use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{
    Content, Contents, Disguise, Endpoint, Renaming, Selection, Server, Source, Writer,
    WritingProgram,
};
use lockgate_servers::ZooKeeper;

/// Largest node that a server takes: `jute.maxbuffer`, less what stands around the data.
const NODE_BYTES_MAX: u64 = 1_048_000;

/// Twice the timeout of a session of the plugin.
const SESSION_TIME_MAX: Duration = Duration::from_secs(20);

/// One server.
pub struct Tree {
    pub server: ZooKeeper,
}

impl Tree {
    /// Runs the client program.
    pub fn client(&self, arguments: &[&str]) -> Result<String> {
        Self::run(self.command(&self.server.ports(), arguments), arguments)
    }

    /// Runs the client program at one member.
    pub fn client_at(&self, number: usize, arguments: &[&str]) -> Result<String> {
        let port = self.server.ports().get(number).copied().context("no such member")?;
        Self::run(self.command(&[port], arguments), arguments)
    }

    fn run(mut command: Command, arguments: &[&str]) -> Result<String> {
        let output = command.output().context("run python3")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the client failed at {arguments:?}: {}", said.trim());
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Sessions, watches and ephemeral nodes on the server now.
    pub fn left(&self) -> Result<Vec<String>> {
        let answer = self.server.word(0, "mntr")?;
        let mut left = Vec::new();
        for key in ["zk_global_sessions", "zk_watch_count", "zk_ephemerals_count"] {
            let line = answer.lines().find_map(|line| line.strip_prefix(key));
            let count = line.with_context(|| format!("no {key} in {answer}"))?.trim();
            if count != "0" {
                left.push(format!("{key}: {count}"));
            }
        }
        Ok(left)
    }

    fn command(&self, ports: &[u16], arguments: &[&str]) -> Command {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/client.py");
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        // The system's own, which sees the packages of the system.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(program).arg(hosts.join(",")).args(arguments);
        command
    }
}

impl Server for Tree {
    fn source(&self) -> Source {
        let port = self.server.ports().first().copied().unwrap_or_default();
        let endpoint = Endpoint {
            address: format!("127.0.0.1:{port}"),
            settings: toml::Table::from_iter([("encryption".to_owned(), "off".into())]),
        };
        let (user, _password) = ZooKeeper::SUPER;
        let account = toml::Table::from_iter([
            ("principal".to_owned(), user.into()),
            ("secret-command".to_owned(), vec!["echo", ZooKeeper::SUPER.1].into()),
            ("reveal".to_owned(), true.into()),
        ]);
        let credentials = toml::Table::from_iter([("account".to_owned(), account.into())]);
        let settings = toml::Table::from_iter([("credentials".to_owned(), credentials.into())]);
        Source { endpoints: BTreeMap::from([("server".to_owned(), endpoint)]), settings }
    }

    fn clear(&mut self) -> Result<()> {
        self.client(&["clear"]).map(drop)
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        let arguments = content.arguments(NODE_BYTES_MAX);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.client(&arguments).map(drop)
    }

    fn contents(&mut self) -> Result<Contents> {
        Ok(serde_json::from_str(&self.client(&["dump"])?)?)
    }

    fn selection(&self) -> Selection {
        let objects = ["/app", "/app/settings", "/app/binary", "/app/nothing", "/app/empty"];
        let guarded = ["/app/secret", "/app/secret/below", "/app/address"];
        let locked = ["/locked", "/locked/child"];
        let objects = objects.into_iter().chain(guarded).chain(locked).map(str::to_owned).collect();
        Selection { parts: vec!["tree/app".to_owned(), "tree/locked".to_owned()], objects }
    }

    fn renaming(&self) -> Renaming {
        let (from, to) = ("/app", "/restored/from/backup");
        let nodes = [
            "",
            "/settings",
            "/binary",
            "/nothing",
            "/empty",
            "/secret",
            "/secret/below",
            "/address",
        ];
        let object = |node: &str| (format!("{from}{node}"), format!("{to}{node}"));
        Renaming {
            parts: vec!["tree/app".to_owned()],
            names: vec![(from.to_owned(), to.to_owned())],
            objects: nodes.into_iter().map(object).collect(),
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(WritingProgram::start(self.command(&self.server.ports(), &["write"]))?))
    }

    fn check_invariant(&mut self) -> Result<()> {
        self.client(&["invariant"]).map(drop)
    }

    fn kill(&mut self) -> Result<()> {
        self.server.kill(0)
    }

    fn restart(&mut self) -> Result<()> {
        self.server.restart(0)
    }

    fn revoke(&mut self) -> Result<()> {
        self.server.revoke_super()
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let answer = self.server.word(0, "srvr")?;
        let version = answer.lines().next().unwrap_or_default().as_bytes().to_vec();
        let other = String::from_utf8(version.clone())?.replacen(": 3.", ": 9.", 1).into_bytes();
        Ok(Disguise::Replies(vec![(version, other)]))
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        // A session that was not closed, because its run was cut off, is forgotten after its timeout.
        let deadline = Instant::now() + SESSION_TIME_MAX;
        loop {
            let left = self.left()?;
            if left.is_empty() || Instant::now() > deadline {
                return Ok(left);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
