use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{
    Content, Contents, Disguise, Endpoint, Renaming, Selection, Server, Source, Writer,
    WritingProgram,
};
use lockgate_servers::{StandIn, python_packages};
use tempfile::TempDir;

/// The client, which has a release for each of Marathon's until 1.10.
const CLIENT: &str = "marathon==0.13.0";
const USER: &str = "backup";
const PASSWORD: &str = "hunter2";
/// Largest definition: a node of ZooKeeper, less what stands around the value.
const VALUE_BYTES_MAX: u64 = 1_000_000;

/// One server that wants an account.
pub struct Marathon {
    pub stand_in: StandIn,
    token: Option<String>,
    folder: TempDir,
}

impl Marathon {
    pub fn start() -> Result<Self> {
        let stand_in = StandIn::start("marathon")?;
        let started = Self { stand_in, token: None, folder: TempDir::new()? };
        started.set_account(&format!("basic {USER} {PASSWORD}"))?;
        fs::write(started.folder.path().join("secret"), PASSWORD)?;
        Ok(started)
    }

    fn set_account(&self, account: &str) -> Result<()> {
        Ok(fs::write(self.stand_in.state().join("account"), account)?)
    }

    /// Wants a token of DC/OS from now on.
    pub fn give_token(&mut self, token: &str) -> Result<()> {
        self.set_account(&format!("token {token}"))?;
        fs::write(self.folder.path().join("secret"), format!("token={token}"))?;
        self.token = Some(token.to_owned());
        Ok(())
    }

    /// Starts it again as the framework that Mesos knows by this id, which it finds in ZooKeeper.
    pub fn start_on(&mut self, framework: &str) -> Result<()> {
        self.stand_in.kill();
        fs::write(self.stand_in.state().join("framework-id"), framework)?;
        self.stand_in.restart()
    }

    /// Runs the client program.
    pub fn client(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments)?.output().context("run python3")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the client failed at {arguments:?}: {}", said.trim());
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/client.py");
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", python_packages("marathon-client-0.13.0", &[CLIENT])?);
        match &self.token {
            Some(token) => command.env("TOKEN", token),
            None => command.env_remove("TOKEN").env("USER", USER).env("PASSWORD", PASSWORD),
        };
        command
            .arg(program)
            .arg(format!("http://127.0.0.1:{}", self.stand_in.port()))
            .args(arguments);
        Ok(command)
    }

    fn secret_file(&self) -> String {
        self.folder.path().join("secret").display().to_string()
    }

    /// The source as lines of TOML, without its name.
    pub fn configuration(&self, config: &str) -> String {
        let scheme = match self.token {
            Some(_) => "scheme = \"header\", header = \"Authorization\"",
            None => "scheme = \"basic\"",
        };
        format!(
            "plugin = \"marathon\"\nclock = true\nconfig = {{ {config} }}\n\
             endpoints.server = {{ address = \"127.0.0.1:{}\", encryption = \"off\", credential = \"account\", {scheme} }}\n\
             credentials.account = {{ principal = \"{USER}\", secret-file = \"{}\" }}\n",
            self.stand_in.port(),
            self.secret_file(),
        )
    }
}

impl Server for Marathon {
    fn source(&self) -> Source {
        let mut settings: toml::Table = toml::from_str(&self.configuration("")).unwrap_or_default();
        let mut endpoint = toml::Table::new();
        if let Some(toml::Value::Table(mut endpoints)) = settings.remove("endpoints")
            && let Some(toml::Value::Table(server)) = endpoints.remove("server")
        {
            endpoint = server;
        }
        settings.remove("plugin");
        endpoint.remove("address");
        let address = format!("127.0.0.1:{}", self.stand_in.port());
        let endpoint = Endpoint { address, settings: endpoint };
        Source { endpoints: BTreeMap::from([("server".to_owned(), endpoint)]), settings }
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
        let objects = ["group /base", "app /base/queue", "app /single", "pod /lone"];
        let parts = ["group/base", "app/single", "pod/lone"];
        Selection {
            parts: parts.map(str::to_owned).to_vec(),
            objects: objects.map(str::to_owned).to_vec(),
        }
    }

    fn renaming(&self) -> Renaming {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let objects = ["app {}/data/db", "group {}/data", "pod {}/pod"];
        let object =
            |text: &&str| pair(&text.replace("{}", "/shop"), &text.replace("{}", "/restored"));
        Renaming {
            parts: vec!["group/shop".to_owned()],
            names: vec![pair("/shop", "/restored")],
            objects: objects
                .iter()
                .map(object)
                .chain([pair("group /shop", "group /restored")])
                .collect(),
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(WritingProgram::start(self.command(&["write"])?)?))
    }

    fn check_invariant(&mut self) -> Result<()> {
        self.client(&["invariant"]).map(drop)
    }

    fn kill(&mut self) -> Result<()> {
        self.stand_in.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.stand_in.restart()
    }

    fn revoke(&mut self) -> Result<()> {
        self.set_account(&format!("basic {USER} another"))
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let replies = vec![(b"\"1.10.26\"".to_vec(), b"\"9.10.26\"".to_vec())];
        Ok(Disguise::Replies(replies))
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        let running: Vec<String> = serde_json::from_str(&self.client(&["deployments"])?)?;
        Ok(running.into_iter().map(|id| format!("deployment {id}")).collect())
    }
}
