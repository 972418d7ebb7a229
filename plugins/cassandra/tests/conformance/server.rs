//! One node, for one case of the suite.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{
    Content, Contents, Disguise, Endpoint, Renaming, Selection, Server, Source, Writer,
    WritingProgram,
};
use lockgate_servers::Cassandra;

/// Largest value that a node takes: half a segment of its commit log, less what stands around it.
const VALUE_BYTES_MAX: u64 = 15 << 20;
/// After which a node has noticed that a client went away.
const NOTICED: Duration = Duration::from_secs(10);
/// What becomes of the password.
const OTHER_PASSWORD: &str = "another one";

/// Runs the client program against a node.
pub fn client(
    (address, port): (&str, u16),
    (user, password): (&str, &str),
    arguments: &[&str],
) -> Result<Command> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/client.py");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", Cassandra::python_client()?).arg(program);
    command.args([address, &port.to_string(), user, password]).args(arguments);
    Ok(command)
}

/// What the client program says.
pub fn said(mut command: Command) -> Result<String> {
    let output = command.output().context("run python3")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the client failed: {}", error.trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

pub struct Node {
    /// None only while it is dropped.
    server: Option<Cassandra>,
    idle: Rc<RefCell<Vec<Cassandra>>>,
    is_fit_to_be_used_again: bool,
}

impl Node {
    pub fn new(server: Cassandra, idle: Rc<RefCell<Vec<Cassandra>>>) -> Self {
        Self { server: Some(server), idle, is_fit_to_be_used_again: true }
    }

    fn server(&self) -> Result<&Cassandra> {
        self.server.as_ref().context("the node is gone")
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let server = self.server()?;
        let address = server.addresses().remove(0);
        client((&address, server.port), Cassandra::SUPER, arguments)
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        said(self.command(arguments)?).with_context(|| format!("{arguments:?}"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let is_clear = self.is_fit_to_be_used_again && self.ask(&["clear"]).is_ok();
        if let (true, Some(server)) = (is_clear, self.server.take()) {
            self.idle.borrow_mut().push(server);
        }
    }
}

impl Server for Node {
    fn source(&self) -> Source {
        let server = self.server.as_ref();
        let address = server.map(|server| format!("{}:{}", server.addresses()[0], server.port));
        let endpoint = Endpoint {
            address: address.unwrap_or_default(),
            settings: toml::Table::from_iter([("encryption".to_owned(), "off".into())]),
        };
        let (user, password) = Cassandra::SUPER;
        let account = toml::Table::from_iter([
            ("principal".to_owned(), user.into()),
            ("secret-command".to_owned(), vec!["echo", password].into()),
            ("reveal".to_owned(), true.into()),
        ]);
        let credentials = toml::Table::from_iter([("account".to_owned(), account.into())]);
        let settings = toml::Table::from_iter([
            ("credentials".to_owned(), credentials.into()),
            ("clock".to_owned(), true.into()),
            ("parallel".to_owned(), 2.into()),
        ]);
        Source { endpoints: BTreeMap::from([("server".to_owned(), endpoint)]), settings }
    }

    fn clear(&mut self) -> Result<()> {
        self.ask(&["clear"]).map(drop)
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        let arguments = content.arguments(VALUE_BYTES_MAX);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.ask(&arguments).map(drop)
    }

    fn contents(&mut self) -> Result<Contents> {
        Ok(serde_json::from_str(&self.ask(&["contents"])?)?)
    }

    fn selection(&self) -> Selection {
        let parts = ["shop/people", "Bank/_schema"];
        let objects = [
            "keyspace shop",
            "keyspace Bank",
            "type shop.address",
            "type shop.place",
            "type shop.Person",
            "table shop.people",
            "index shop.people_n",
            "index shop.people_tags",
            "index shop.people_home",
            "view shop.people_by_n",
        ];
        Selection {
            parts: parts.map(str::to_owned).to_vec(),
            objects: objects.map(str::to_owned).to_vec(),
        }
    }

    fn renaming(&self) -> Renaming {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        Renaming {
            parts: ["shop/_schema", "shop/people", "shop/types", "shop/visits"]
                .map(str::to_owned)
                .to_vec(),
            names: vec![
                pair("shop", "store"),
                pair("shop.types", "kinds"),
                pair("shop.people_by_n", "by_n"),
            ],
            objects: vec![
                pair("keyspace shop", "keyspace store"),
                pair("type shop.address", "type store.address"),
                pair("function shop.plus", "function store.plus"),
                pair("aggregate shop.total", "aggregate store.total"),
                pair("table shop.people", "table store.people"),
                pair("table shop.types", "table store.kinds"),
                pair("table shop.visits", "table store.visits"),
                pair("index shop.people_tags", "index store.people_tags"),
                pair("view shop.people_by_n", "view store.by_n"),
            ],
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(WritingProgram::start(self.command(&["write"])?)?))
    }

    fn check_invariant(&mut self) -> Result<()> {
        self.ask(&["invariant"]).map(drop)
    }

    fn kill(&mut self) -> Result<()> {
        self.is_fit_to_be_used_again = false;
        self.server.as_mut().context("the node is gone")?.kill(0)
    }

    fn restart(&mut self) -> Result<()> {
        self.server.as_mut().context("the node is gone")?.restart(0)?;
        self.is_fit_to_be_used_again = true;
        Ok(())
    }

    fn revoke(&mut self) -> Result<()> {
        self.is_fit_to_be_used_again = false;
        let (user, _) = Cassandra::SUPER;
        let alter = format!("ALTER ROLE {user} WITH PASSWORD = '{OTHER_PASSWORD}'");
        self.ask(&["execute", &alter]).map(drop)
    }

    /// What a node says before the login is in no frame with a checksum: the version of CQL.
    fn disguise(&mut self) -> Result<Disguise> {
        Ok(Disguise::Replies(vec![(b"3.4.7".to_vec(), b"3.9.7".to_vec())]))
    }

    /// Connections of the plugin, which names itself to the node.
    fn leftovers(&mut self) -> Result<Vec<String>> {
        let ask = "SELECT address, port FROM system_views.clients WHERE driver_name = 'lockgate' ALLOW FILTERING";
        let deadline = Instant::now() + NOTICED;
        loop {
            let left: Vec<String> =
                self.ask(&["execute", ask])?.lines().map(str::to_owned).collect();
            if left.is_empty() || Instant::now() > deadline {
                return Ok(left);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
