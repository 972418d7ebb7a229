//! Runs the `lockgate` binary as an operator would.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Names a `lockgate` other than the one beside the running test.
const PROGRAM_VARIABLE: &str = "LOCKGATE_PROGRAM";

/// Says what to do when the machine lacks a layer of the jail.
const ISOLATION_VARIABLE: &str = "LOCKGATE_ISOLATION";

/// One way to call `lockgate`: environment without any of the caller's settings, and the arguments so far.
#[derive(Clone, Debug)]
pub struct Lockgate {
    program: PathBuf,
    environment: Vec<(String, String)>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Lockgate {
    /// The binary beside the running test, with everything it keeps below `folder` and the built plugins locked.
    ///
    /// # Errors
    /// When the binary is not built.
    pub fn new(folder: &Path, plugins: &Path) -> Result<Self> {
        // Compiled code is shared by all tests; everything else is the test's own.
        let lockgate = Self::of(program()?, folder, plugins, &shared_cache());
        lockgate.ok(&["plugin", "lock"])?;
        Ok(lockgate)
    }

    /// This binary, with everything it keeps below `folder`, these plugins, and compiled code in `cache`. Nothing is locked.
    #[must_use]
    pub fn of(program: PathBuf, folder: &Path, plugins: &Path, cache: &Path) -> Self {
        let set = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        let mut environment = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            set("HOME", folder),
            set("LOCKGATE_CACHE", cache),
            set("LOCKGATE_PLUGINS", plugins),
            ("LOCKGATE_PASSWORD".to_owned(), "correct horse".to_owned()),
        ];
        // A machine that lacks a layer of the jail lacks it here too; everything else is the run's own.
        let isolation = std::env::var(ISOLATION_VARIABLE).ok();
        environment.extend(isolation.map(|given| (ISOLATION_VARIABLE.to_owned(), given)));
        Self { program, environment }
    }

    /// The same with one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.as_ref().to_string_lossy().into_owned()));
        self
    }

    /// The command, ready to be started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        let output = self.command(arguments).output().context("lockgate cannot be started")?;
        Ok(Outcome::from(output))
    }

    /// Runs to the end and demands success.
    ///
    /// # Errors
    /// When it fails, with all it printed.
    pub fn ok(&self, arguments: &[&str]) -> Result<Outcome> {
        let outcome = self.run(arguments)?;
        if outcome.code != Some(0) {
            bail!("lockgate {}: {outcome:?}", arguments.join(" "));
        }
        Ok(outcome)
    }

    /// Runs with `--json`, demands success, and gives the last message.
    ///
    /// # Errors
    /// When it fails, or the last line is no summary.
    pub fn summary(&self, arguments: &[&str]) -> Result<Value> {
        self.ok(&[&["--json"], arguments].concat())?.summary()
    }

    /// Starts and does not wait.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().context("lockgate cannot be started")
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Outcome {
    /// The one line that an error is told in.
    #[must_use]
    pub fn error_line(&self) -> &str {
        self.stderr.lines().find(|line| line.starts_with("lockgate: ")).unwrap_or_default()
    }

    /// The last message of a command that ran with `--json`.
    ///
    /// # Errors
    /// When it is no summary.
    pub fn summary(&self) -> Result<Value> {
        let last = self.stdout.lines().last().context("no output")?;
        let summary: Value = serde_json::from_str(last).context("the last line is not JSON")?;
        if summary.get("message_type").and_then(Value::as_str) != Some("summary") {
            bail!("the last line is no summary: {last}");
        }
        Ok(summary)
    }
}

/// The built binary: `LOCKGATE_PROGRAM`, else from where tests run (`deps` beside it) or binaries (the same folder).
///
/// # Errors
/// When it is not built.
pub fn program() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE) {
        return Ok(PathBuf::from(named));
    }
    let own = std::env::current_exe()?;
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("lockgate"));
    let found = beside.into_iter().find(|path| path.is_file());
    found.context("the lockgate binary is not built: cargo build --package lockgate-cli")
}

/// The folder with the built plugins: `LOCKGATE_PLUGINS`, else `plugins` beside the binary.
///
/// # Errors
/// When they are not built.
pub fn plugins() -> Result<PathBuf> {
    let beside = || program().map(|program| program.with_file_name("plugins"));
    let folder = match std::env::var_os("LOCKGATE_PLUGINS") {
        Some(folder) => PathBuf::from(folder),
        None => beside()?,
    };
    let is_component = |path: &Path| path.extension().is_some_and(|ending| ending == "wasm");
    let mut entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    if !entries.any(|entry| is_component(&entry.path())) {
        bail!("no plugins in {}: run `sh tests/prepare.sh` first", folder.display());
    }
    Ok(folder)
}

/// Where all tests keep compiled code.
pub(crate) fn shared_cache() -> PathBuf {
    std::env::temp_dir().join("lockgate-tests-code")
}
