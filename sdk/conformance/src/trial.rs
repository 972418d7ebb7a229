//! What one case works with: two empty servers, a new repository, and `lockgate` with a configuration for them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Lockgate, Outcome};
use crate::contents::difference;
use crate::datastore::{Endpoint, Role, Server, Source};
use crate::proxy::Proxy;
use crate::running::{Ended, Running};
use crate::scale::Scale;
use crate::setup::Setup;
use crate::suite::Options;

/// The source that is backed up. Errors have to name it.
pub(crate) const ORIGINAL: &str = "original";
/// The source that is restored into.
pub(crate) const RESTORED: &str = "restored";

/// The descriptor's attribute that says how a plugin was verified, and its value where that was without a server.
const VERIFIED: &str = "verified";
const RECORDED: &str = "recorded-protocol";

/// Time for a server to notice that a client has gone.
const LEFTOVERS_TIME_MAX: Duration = Duration::from_secs(10);

/// What all cases share: the plugin in a folder of its own, locked.
pub(crate) struct Workshop {
    folder: TempDir,
    lockgate: Lockgate,
    plugin: String,
    /// What the plugin says of itself.
    descriptor: Value,
}

impl Workshop {
    pub(crate) fn new(options: &Options<'_>, plugin: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("lockgate-conformance-").tempdir()?;
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins)?;
        let component = &options.component;
        fs::copy(component, plugins.join(format!("{plugin}.wasm")))
            .with_context(|| format!("the plugin {} is not built", component.display()))?;
        let program = options.program.clone();
        let lockgate = Lockgate::of(program, folder.path(), &plugins, &options.cache);
        let plugin = plugin.to_owned();
        let mut workshop = Self { folder, lockgate, plugin, descriptor: Value::Null };
        fs::write(
            workshop.path("config.toml"),
            format!("[trust]\nlock = {:?}\n", workshop.lock()),
        )?;
        workshop.configured().ok(&["plugin", "lock"])?;
        let mut said =
            workshop.configured().summary(&["plugin", "inspect", &workshop.plugin, "--json"])?;
        workshop.descriptor = said["descriptor"].take();
        ensure!(workshop.descriptor.is_object(), "the plugin was not described");
        Ok(workshop)
    }

    /// Where the plugin is locked.
    fn configured(&self) -> Lockgate {
        self.lockgate.clone().with("LOCKGATE_CONFIG", self.path("config.toml"))
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path("plugins.lock")
    }

    /// Version of the `lockgate` that runs.
    pub(crate) fn version(&self) -> Result<String> {
        let said = self.lockgate.ok(&["--version"])?.stdout;
        Ok(said.split_whitespace().last().unwrap_or_default().to_owned())
    }

    /// Whether the plugin says that no server of its datastore was ever there to verify it.
    pub(crate) fn is_recorded(&self) -> bool {
        self.descriptor["attributes"][VERIFIED] == RECORDED
    }

    /// What else the plugin can.
    fn features(&self) -> Vec<String> {
        let features = self.descriptor["features"].as_array().into_iter().flatten();
        features.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// One run of one case.
pub(crate) struct Trial<'a> {
    pub(crate) source: &'a mut dyn Server,
    pub(crate) target: &'a mut dyn Server,
    pub(crate) scale: Scale,
    pub(crate) setup: Setup,
    /// What the plugin can, besides what all can.
    pub(crate) features: Vec<String>,
    folder: TempDir,
    lockgate: Lockgate,
    figures: &'a mut BTreeMap<String, f64>,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(
        workshop: &Workshop,
        source: &'a mut dyn Server,
        target: &'a mut dyn Server,
        scale: Scale,
        figures: &'a mut BTreeMap<String, f64>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("lockgate-case-").tempdir()?;
        let lockgate = workshop.lockgate.clone();
        let lockgate = lockgate.with("LOCKGATE_CONFIG", folder.path().join("config.toml"));
        let lockgate = lockgate.with("LOCKGATE_STATE", folder.path().join("state.sqlite"));
        let setup = Setup {
            plugin: workshop.plugin.clone(),
            lock: workshop.lock(),
            repository: folder.path().join("repository"),
            original: source.source(),
            restored: target.source(),
            limit_upload_kib: None,
            limit_download_kib: None,
        };
        let features = workshop.features();
        let trial = Self { source, target, scale, setup, features, folder, lockgate, figures };
        trial.configure()?;
        trial.succeed(&["init"])?;
        Ok(trial)
    }

    /// Below the case's folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Writes the configuration as `setup` is now.
    pub(crate) fn configure(&self) -> Result<()> {
        fs::write(self.path("config.toml"), self.setup.text()?)?;
        Ok(())
    }

    /// Notes something that was measured; a name that ends in `-bytes` is shown as bytes.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), value);
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Result<Running> {
        Running::start(&self.lockgate, arguments)
    }

    /// Runs to the end, however that is.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ended> {
        self.start(arguments)?.wait(self.scale.deadline)
    }

    /// Runs to the end and demands success.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Result<Ended> {
        let ended = self.run(arguments)?;
        let outcome = &ended.outcome;
        ensure!(outcome.code == Some(0), "lockgate {}: {}", arguments.join(" "), told(outcome));
        Ok(ended)
    }

    /// Backs up with success.
    pub(crate) fn backup(&self) -> Result<Ended> {
        self.succeed(&["--json", "backup", ORIGINAL])
    }

    /// Restores the newest snapshot into the target with success.
    pub(crate) fn restore(&self, options: &[&str]) -> Result<Ended> {
        self.succeed(&[&["--json", "restore", "latest", "--into", RESTORED], options].concat())
    }

    /// Restores and comes back with however it ended.
    pub(crate) fn try_restore(&self, options: &[&str]) -> Result<Ended> {
        self.run(&[&["restore", "latest", "--into", RESTORED], options].concat())
    }

    /// Demands that the target holds what the source holds.
    pub(crate) fn expect_equal(&mut self) -> Result<()> {
        let (source, target) = (self.source.contents()?, self.target.contents()?);
        match difference(&source, &target) {
            None => Ok(()),
            Some(difference) => bail!("source and restored differ: {difference}"),
        }
    }

    /// Demands that there are that many snapshots.
    pub(crate) fn expect_snapshots(&self, count: usize) -> Result<()> {
        let listed = self.succeed(&["snapshots"])?.outcome.stdout;
        let found = listed.lines().count();
        ensure!(found == count, "{found} snapshots and not {count}:\n{listed}");
        Ok(())
    }

    /// Demands that the repository is whole and that nobody has it locked.
    pub(crate) fn expect_sound_repository(&self) -> Result<()> {
        self.succeed(&["check", "--read-data"])?;
        let locks = fs::read_dir(self.setup.repository.join("locks"))?.count();
        ensure!(locks == 0, "{locks} locks were left in the repository");
        Ok(())
    }

    /// Demands that nothing is left on a server.
    pub(crate) fn expect_no_leftovers(&mut self, role: Role) -> Result<()> {
        let start = Instant::now();
        loop {
            let left = self.server(role).leftovers()?;
            if left.is_empty() {
                return Ok(());
            }
            if start.elapsed() > LEFTOVERS_TIME_MAX {
                bail!("left on the server of the {}: {}", word(role), left.join("; "));
            }
            sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn server(&mut self, role: Role) -> &mut dyn Server {
        match role {
            Role::Source => self.source,
            Role::Target => self.target,
        }
    }

    /// Puts a proxy between lockgate and a server; none when there is no connection. The configuration names it from now on.
    pub(crate) fn proxy(
        &mut self,
        role: Role,
        replies: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Option<Proxy>> {
        let mut source = self.server(role).source();
        if source.endpoints.is_empty() {
            return Ok(None);
        }
        let addresses = source.endpoints.values().map(|endpoint| endpoint.address.as_str());
        let proxy = Proxy::start_changing(addresses, replies)?;
        for (endpoint, address) in source.endpoints.values_mut().zip(proxy.addresses()) {
            *endpoint = Endpoint { address, settings: std::mem::take(&mut endpoint.settings) };
        }
        self.connect(role, source)?;
        Ok(Some(proxy))
    }

    /// Goes to a server without a proxy from now on.
    pub(crate) fn go_straight(&mut self, role: Role) -> Result<()> {
        let source = self.server(role).source();
        self.connect(role, source)
    }

    fn connect(&mut self, role: Role, source: Source) -> Result<()> {
        match role {
            Role::Source => self.setup.original = source,
            Role::Target => self.setup.restored = source,
        }
        self.configure()
    }

    /// Bytes of all files of the repository.
    pub(crate) fn repository_bytes(&self) -> u64 {
        bytes_below(&self.setup.repository)
    }
}

/// A number of a summary.
pub(crate) fn number(summary: &Value, name: &str) -> Result<u64> {
    summary.get(name).and_then(Value::as_u64).with_context(|| format!("no {name} in {summary}"))
}

/// How a command ended, in its own words.
pub(crate) fn told(outcome: &Outcome) -> String {
    let code = outcome.code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
    let line = match outcome.error_line() {
        "" => outcome.stdout.lines().last().unwrap_or_default(),
        line => line,
    };
    format!("{code}: {line}")
}

/// Demands a failure with one of these exit codes, told in one line that names the source and a next step.
pub(crate) fn expect_told(outcome: &Outcome, codes: &[i32], source: &str) -> Result<()> {
    let line = outcome.error_line();
    let code = outcome.code.unwrap_or(-1);
    ensure!(codes.contains(&code), "expected exit code {codes:?}, but: {}", told(outcome));
    ensure!(line.contains(source), "the error does not name the source {source}: {line}");
    ensure!(line.contains("(hint: "), "the error tells no next step: {line}");
    let lines = outcome.stderr.lines().filter(|line| line.starts_with("lockgate: ")).count();
    ensure!(lines == 1, "the error is told in {lines} lines: {}", outcome.stderr);
    Ok(())
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Source => "backup",
        Role::Target => "restore",
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        // It was renamed or removed meanwhile.
        Err(_) => 0,
    };
    entries.map(size).sum()
}
