use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use lockgate_conformance::{
    Content, Contents, Disguise, Renaming, Selection, Server, Source, Writer, WritingProgram,
};
use lockgate_servers::{Cassandra, CassandraOptions};
use toml::{Table, Value};

/// Largest value that a server of this memory takes in one message.
const VALUE_BYTES_MAX: u64 = 9 << 20;
/// Who backs up and restores.
const ROLE: (&str, &str) = ("backup", "a secret");

/// A cluster, with how lockgate reaches the SSTables of its nodes.
pub struct Nodes {
    pub cluster: Cassandra,
}

impl Nodes {
    /// Starts them.
    pub fn start(nodes: usize) -> Result<Self> {
        let settings =
            ["roles_validity: 0ms", "credentials_validity: 0ms", "permissions_validity: 0ms"];
        let options = CassandraOptions {
            nodes,
            is_authenticated: true,
            settings: settings.map(str::to_owned).to_vec(),
            ..CassandraOptions::default()
        };
        let started = Self { cluster: Cassandra::start_with(options)? };
        let (name, password) = ROLE;
        started.client(&[
            "cql",
            &format!("CREATE ROLE {name} WITH PASSWORD = '{password}' AND LOGIN = true AND SUPERUSER = true"),
        ])?;
        Ok(started)
    }

    /// Runs the client program.
    pub fn client(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments)?.output().context("run python3")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the client failed at {arguments:?}: {}", said.trim());
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/physical");
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", Cassandra::python_client()?).arg(folder.join("client.py"));
        command.args([self.cluster.port.to_string(), self.cluster.addresses().join(",")]);
        command.args(arguments);
        Ok(command)
    }

    /// All of `[sources.NAME]` but the plugin. Everything is said in `settings`, and nothing as an endpoint of the suite's: what is saved
    /// does not go over a connection that could be held in the middle.
    pub fn settings(&self, options: &[(&str, Value)]) -> Table {
        let (mut endpoints, mut folders, mut nodes) = (Table::new(), Table::new(), Table::new());
        let port = self.cluster.port;
        for (number, address) in self.cluster.addresses().into_iter().enumerate() {
            let name = format!("n{}", number + 1);
            if number == 0 {
                let server =
                    [("address", format!("{address}:{port}").into()), ("encryption", "off".into())];
                endpoints.insert("server".to_owned(), table(server));
            }
            let jolokia = [
                ("address", format!("{address}:{}", self.cluster.jolokia_port).into()),
                ("encryption", "off".into()),
                ("credential", "jolokia".into()),
                ("scheme", "basic".into()),
            ];
            endpoints.insert(name.clone(), table(jolokia));
            let path = |path: std::path::PathBuf| Value::from(path.display().to_string());
            let (data, staging) = (self.cluster.data(number), self.cluster.staging(number));
            folders.insert(name.clone(), table([("path", path(data))]));
            let write = [("path", path(staging.clone())), ("access", "read-write".into())];
            folders.insert(format!("{name}-staging"), table(write));
            nodes.insert(name, table([("staging", path(staging))]));
        }
        let secret = |(name, password): (&str, &str)| {
            [("principal", name.into()), ("secret-command", vec!["echo", password].into())]
        };
        let account = secret(ROLE).into_iter().chain([("reveal", true.into())]);
        let credentials =
            [("account", table(account)), ("jolokia", table(secret(Cassandra::JOLOKIA)))];
        let physical = [("nodes", nodes.into())].into_iter().chain(options.iter().cloned());
        let config = [("way", "physical".into()), ("physical", table(physical))];
        let Value::Table(settings) = table([
            ("endpoints", endpoints.into()),
            ("folders", folders.into()),
            ("credentials", table(credentials)),
            ("config", table(config)),
            ("clock", true.into()),
        ]) else {
            unreachable!("a table is a table")
        };
        settings
    }

    /// Snapshots of the plugin, and files on their way to a node.
    pub fn left(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for number in 0..self.cluster.addresses().len() {
            for staged in fs::read_dir(self.cluster.staging(number))? {
                left.push(staged?.path().display().to_string());
            }
            for keyspace in fs::read_dir(self.cluster.data(number))? {
                for table in fs::read_dir(keyspace?.path())? {
                    let Ok(tags) = fs::read_dir(table?.path().join("snapshots")) else { continue };
                    let tags = tags.flatten().map(|tag| tag.path().display().to_string());
                    left.extend(tags.filter(|tag| tag.contains("/snapshots/lockgate-")));
                }
            }
        }
        Ok(left)
    }
}

fn table<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Table(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

impl Server for Nodes {
    fn source(&self) -> Source {
        Source { endpoints: BTreeMap::new(), settings: self.settings(&[]) }
    }

    fn clear(&mut self) -> Result<()> {
        self.client(&["clear"]).map(drop)
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        let arguments = content.arguments(VALUE_BYTES_MAX);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.client(&arguments).map(drop)
    }

    fn contents(&mut self) -> Result<Contents> {
        Ok(serde_json::from_str(&self.client(&["dump"])?)?)
    }

    fn selection(&self) -> Selection {
        let parts = ["keyspace/shop", "sstables/shop/orders/n1"];
        let objects =
            ["keyspace/shop", "type/shop.address", "function/shop.twice", "table/shop.orders"];
        Selection {
            parts: parts.map(str::to_owned).to_vec(),
            objects: objects.map(str::to_owned).to_vec(),
        }
    }

    fn renaming(&self) -> Renaming {
        Renaming::default()
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(WritingProgram::start(self.command(&["write"])?)?))
    }

    fn check_invariant(&mut self) -> Result<()> {
        self.client(&["invariant"]).map(drop)
    }

    fn kill(&mut self) -> Result<()> {
        self.cluster.kill(0)
    }

    fn restart(&mut self) -> Result<()> {
        self.cluster.restart(0)
    }

    fn revoke(&mut self) -> Result<()> {
        let statement = format!("ALTER ROLE {} WITH PASSWORD = 'another one'", ROLE.0);
        self.client(&["cql", &statement]).map(drop)
    }

    fn disguise(&mut self) -> Result<Disguise> {
        bail!("no connection of the suite's has what the server says")
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        self.left()
    }
}
