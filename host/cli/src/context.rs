use std::env;
use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_engine::audit::AuditFile;
use lockgate_engine::configuration::{self, Configuration, Secret, Source};
use lockgate_engine::jail::Isolation;
use lockgate_engine::repositories::Location;
use lockgate_engine::{
    Cancel, Error, ErrorKind, Host, HostOptions, Observe, Plugins, Result, Trust, WorkerCommand,
};
use lockgate_types::Name;
use tokio::runtime::Runtime;

use crate::arguments::Global;

/// Threads for work that blocks: files, and chunks to open. Each keeps memory of its own, so that the default of 512 would
/// let the memory of a restore grow with the speed of the disk. Three of them at most wait for others.
const BLOCKING_THREADS_MAX: usize = 12;

/// What a command works with: the arguments that all have, the configuration, and the runtime.
pub struct Context {
    pub json: bool,
    pub quiet: bool,
    pub verbose: u8,
    pub configuration: Configuration,
    pub configuration_path: Option<PathBuf>,
    pub runtime: Runtime,
    pub cancel: Cancel,
    repository: Option<String>,
    password: Option<Secret>,
    plugins: Option<PathBuf>,
    cache: Option<PathBuf>,
    audit: Option<PathBuf>,
    isolation: Option<Isolation>,
}

impl Context {
    /// Reads the configuration, unless the command wants to do that itself, and starts the runtime.
    pub fn new(global: &Global, lenient: bool) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Failed, format!("runtime: {error}")))?;
        let context = Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            configuration: if lenient {
                Configuration::default()
            } else {
                read_configuration(global)?
            },
            configuration_path: global.config.clone(),
            cancel: stop_on_signals(&runtime),
            runtime,
            repository: repository(global)?,
            password: password(global),
            plugins: global.plugins.clone(),
            cache: global.cache.clone(),
            audit: global.audit.clone(),
            isolation: global.isolation,
        };
        Ok(context)
    }

    /// Whether progress bars make sense: a person is looking.
    pub fn shows_progress(&self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// The repository that the arguments name, else the one of `source`, else the only one.
    pub fn location(&self, source: Option<&Source>) -> Result<Location> {
        let settings = match &self.repository {
            Some(named) => self.named_repository(named)?,
            None => self.default_repository(source)?,
        };
        let mut location = Location::new(settings);
        location.password.clone_from(&self.password);
        Ok(location)
    }

    fn named_repository(&self, named: &str) -> Result<configuration::Repository> {
        let configured =
            named.parse::<Name>().ok().and_then(|name| self.configuration.repositories.get(&name));
        match configured {
            Some(settings) => Ok(settings.clone()),
            None if named.contains(':') || named.starts_with('/') => {
                Ok(configuration::Repository::at(named.to_owned()))
            }
            None => Err(Error::new(
                ErrorKind::Configuration,
                format!("there is no repository {named} in the configuration"),
            )
            .with_hint("name one of the configuration, or a location such as fs:/srv/backup")),
        }
    }

    fn default_repository(&self, source: Option<&Source>) -> Result<configuration::Repository> {
        let repositories = &self.configuration.repositories;
        let named = source.and_then(|source| source.repository.as_ref());
        let only = if repositories.len() == 1 { repositories.values().next() } else { None };
        named.and_then(|name| repositories.get(name)).or(only).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "which repository?").with_hint(
                "give --repository, or LOCKGATE_REPOSITORY, or a configuration with one repository",
            )
        })
    }

    /// The source of that name.
    pub fn source(&self, name: &str) -> Result<(&Name, &Source)> {
        let found = self.configuration.sources.iter().find(|(known, _)| known.as_str() == name);
        found.ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                format!("there is no source {name} in the configuration"),
            )
            .with_hint("`lockgate config check` lists the sources")
        })
    }

    /// The sources of these names; all of the configuration when there are none.
    pub fn sources(&self, names: &[String]) -> Result<Vec<(Name, Source)>> {
        if names.is_empty() {
            return Ok(self.configuration.sources.clone().into_iter().collect());
        }
        let owned = |(name, source): (&Name, &Source)| (name.clone(), source.clone());
        names.iter().map(|name| self.source(name).map(owned)).collect()
    }

    /// Where compiled plugins are kept.
    pub fn cache_folder(&self) -> PathBuf {
        self.cache.clone().unwrap_or_else(cache_folder)
    }

    /// What runs plugins here.
    pub fn host(&self, observer: Arc<dyn Observe>) -> Result<Host> {
        let program = own_program()?;
        Host::new(HostOptions {
            audit: self.audit_file(),
            runtime: self.runtime.handle().clone(),
            plugins: self.plugin_folder(&program, &self.configuration),
            trust: Trust::open(self.lock_file(), self.configuration.trust.policy())?,
            cache: self.cache_folder().join("code"),
            worker: WorkerCommand {
                program,
                arguments: vec![crate::WORKER.into()],
                isolation: self.isolation.or(self.configuration.isolation).unwrap_or_default(),
            },
            observer,
            cancel: self.cancel.clone(),
        })
    }

    /// The lock file: where the configuration says, else beside the configuration.
    fn lock_file(&self) -> PathBuf {
        let named = self.configuration.trust.lock.as_deref();
        self.configuration_folder().join(named.unwrap_or_else(|| Path::new("plugins.lock")))
    }

    /// The audit log: where the arguments or the configuration say, else among the user's state.
    pub fn audit_file(&self) -> AuditFile {
        let named = match (&self.audit, &self.configuration.audit) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(path)) => Some(self.configuration_folder().join(path)),
            (None, None) => None,
        };
        let is_required = named.is_some();
        let usual = || user_folder("XDG_STATE_HOME", ".local/state").join("lockgate/audit.jsonl");
        AuditFile { path: named.unwrap_or_else(usual), is_required }
    }

    /// Where the configuration is, which is also where relative paths in it begin.
    fn configuration_folder(&self) -> PathBuf {
        let configuration = configuration_file(self.configuration_path.as_ref());
        configuration.as_ref().and_then(|path| path.parent()).map_or_else(
            || user_folder("XDG_CONFIG_HOME", ".config").join("lockgate"),
            Path::to_path_buf,
        )
    }

    /// The plugins that a configuration would run.
    pub fn plugins_of(&self, configuration: &Configuration) -> Result<Plugins> {
        Ok(Plugins::new(self.plugin_folder(&own_program()?, configuration)))
    }

    fn plugin_folder(&self, program: &Path, configuration: &Configuration) -> PathBuf {
        let beside =
            program.parent().map(|folder| folder.join("plugins")).filter(|folder| folder.is_dir());
        self.plugins.clone().or_else(|| configuration.plugins.clone()).or(beside).unwrap_or_else(
            || user_folder("XDG_DATA_HOME", ".local/share").join("lockgate/plugins"),
        )
    }
}

fn own_program() -> Result<PathBuf> {
    env::current_exe()
        .map_err(|error| Error::new(ErrorKind::Failed, format!("own program file: {error}")))
}

fn repository(global: &Global) -> Result<Option<String>> {
    let Some(path) = global.repository_file.as_ref().filter(|_| global.repository.is_none()) else {
        return Ok(global.repository.clone());
    };
    let text = fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::Configuration, format!("repository file {}: {error}", path.display()))
    })?;
    Ok(text.lines().next().map(|line| line.trim().to_owned()))
}

fn password(global: &Global) -> Option<Secret> {
    let file = global.password_file.clone().map(Secret::File);
    let words = |command: &String| command.split_whitespace().map(str::to_owned).collect();
    let command = global.password_command.as_ref().map(|command| Secret::Command(words(command)));
    let variable =
        env::var_os("LOCKGATE_PASSWORD").map(|_| Secret::Variable("LOCKGATE_PASSWORD".to_owned()));
    file.or(command).or(variable)
}

/// Where the configuration is: the one that was named, the user's, or the system's. None when there is none.
pub fn configuration_file(global: Option<&PathBuf>) -> Option<PathBuf> {
    let user = user_folder("XDG_CONFIG_HOME", ".config").join("lockgate/config.toml");
    let system = PathBuf::from("/etc/lockgate/config.toml");
    global.cloned().or_else(|| [user, system].into_iter().find(|path| path.exists()))
}

fn read_configuration(global: &Global) -> Result<Configuration> {
    let Some(path) = configuration_file(global.config.as_ref()) else {
        return Ok(Configuration::default());
    };
    let wrong = |cause: String| {
        Error::new(ErrorKind::Configuration, format!("configuration {}: {cause}", path.display()))
    };
    let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    configuration::parse(&text).map_err(|mistakes| {
        let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
        let more = match mistakes.len() {
            0 | 1 => String::new(),
            all => format!(" (and {} more)", all - 1),
        };
        wrong(format!("{first}{more}")).with_hint("`lockgate config check` explains each mistake")
    })
}

fn user_folder(variable: &str, below_home: &str) -> PathBuf {
    let home =
        || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(below_home);
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute()).unwrap_or_else(home)
}

fn cache_folder() -> PathBuf {
    user_folder("XDG_CACHE_HOME", ".cache").join("lockgate")
}

/// The first SIGINT or SIGTERM stops the run cleanly, the second one at once.
fn stop_on_signals(runtime: &Runtime) -> Cancel {
    use tokio::signal::unix::{SignalKind, signal};
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let _entered = runtime.enter();
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return cancel;
    };
    // Lives as long as the process: the runtime drops it.
    runtime.spawn(async move {
        for first in [true, false] {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            if first {
                let stop = stop.clone();
                tokio::task::spawn_blocking(move || stop.cancel());
            }
        }
        std::process::exit(i32::from(crate::exit::INTERRUPTED.code));
    });
    cancel
}
