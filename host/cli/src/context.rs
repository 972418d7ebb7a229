use std::env;
use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_engine::audit::AuditFile;
use lockgate_engine::configuration::{self, Configuration, Secret};
use lockgate_engine::{Cancel, Error, ErrorKind, Host, Observe, Plugins, Result, WorkerCommand};
use lockgate_operations::Site;
use tokio::runtime::Runtime;

use crate::arguments::{Global, Service};

/// Threads for work that blocks: files, and chunks to open. Each keeps memory of its own, so that the default of 512 would
/// let the memory of a restore grow with the speed of the disk. Three of them at most wait for others.
const BLOCKING_THREADS_MAX: usize = 12;

/// What a command works with: the arguments that all have, where things are, and the runtime.
pub struct Context {
    pub json: bool,
    pub quiet: bool,
    pub verbose: u8,
    pub site: Site,
    pub configuration_path: Option<PathBuf>,
    pub runtime: Runtime,
    pub cancel: Cancel,
    /// Where the user's compiled plugins and other things are that can be made again.
    pub cache: PathBuf,
    /// URL of what is remembered of backups and jobs.
    pub state: String,
    /// A service that is asked instead.
    pub service: Service,
    plugins: Option<PathBuf>,
}

impl Context {
    /// Reads the configuration, unless the command wants to do that itself, and starts the runtime.
    pub fn new(global: &Global, lenient: bool) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Failed, format!("runtime: {error}")))?;
        let configuration =
            if lenient { Configuration::default() } else { read_configuration(global)? };
        let cache = global.cache.clone().unwrap_or_else(cache_folder);
        let program = own_program()?;
        let state = state_url(global, &configuration);
        let isolation = global.isolation.or(configuration.isolation).unwrap_or_default();
        let plugins = plugin_folder(global.plugins.as_ref(), &program, &configuration);
        let site = Site {
            repository: repository(global)?,
            password: password(global),
            runtime: runtime.handle().clone(),
            plugins,
            lock: lock_file(global, &configuration),
            code: cache.join("code"),
            audit: audit_file(global, &configuration),
            worker: WorkerCommand { program, arguments: vec![crate::WORKER.into()], isolation },
            hostname: hostname(),
            configuration,
        };
        Ok(Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            site,
            configuration_path: global.config.clone(),
            cancel: stop_on_signals(&runtime),
            runtime,
            cache,
            state,
            service: global.service.clone(),
            plugins: global.plugins.clone(),
        })
    }

    /// The service that is asked instead of this process.
    pub fn server(&self) -> Option<String> {
        let variable = || env::var("LOCKGATE_SERVER").ok().filter(|server| !server.is_empty());
        self.service.server.clone().or_else(variable)
    }

    /// Whether progress bars make sense: a person is looking.
    pub fn shows_progress(&self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// What runs plugins here.
    pub fn host(&self, observer: Arc<dyn Observe>) -> Result<Host> {
        self.site.host(observer, self.cancel.clone())
    }

    /// The plugins that a configuration would run.
    pub fn plugins_of(&self, configuration: &Configuration) -> Result<Plugins> {
        Ok(Plugins::new(plugin_folder(self.plugins.as_ref(), &own_program()?, configuration)))
    }
}

/// The lock file: where the configuration says, else beside the configuration.
fn lock_file(global: &Global, configuration: &Configuration) -> PathBuf {
    let named = configuration.trust.lock.as_deref();
    configuration_folder(global).join(named.unwrap_or_else(|| Path::new("plugins.lock")))
}

/// The audit log: where the arguments or the configuration say, else among the user's state.
fn audit_file(global: &Global, configuration: &Configuration) -> AuditFile {
    let named = match (&global.audit, &configuration.audit) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(path)) => Some(configuration_folder(global).join(path)),
        (None, None) => None,
    };
    let is_required = named.is_some();
    AuditFile { path: named.unwrap_or_else(|| state_folder().join("audit.jsonl")), is_required }
}

/// Where the configuration is, which is also where relative paths in it begin.
fn configuration_folder(global: &Global) -> PathBuf {
    let configuration = configuration_file(global.config.as_ref());
    configuration.as_ref().and_then(|path| path.parent()).map_or_else(
        || user_folder("XDG_CONFIG_HOME", ".config").join("lockgate"),
        Path::to_path_buf,
    )
}

/// The components: where the arguments or the configuration say, else beside the program, else among the user's data.
fn plugin_folder(
    named: Option<&PathBuf>,
    program: &Path,
    configuration: &Configuration,
) -> PathBuf {
    let beside =
        program.parent().map(|folder| folder.join("plugins")).filter(|folder| folder.is_dir());
    let usual = || user_folder("XDG_DATA_HOME", ".local/share").join("lockgate/plugins");
    named.cloned().or_else(|| configuration.plugins.clone()).or(beside).unwrap_or_else(usual)
}

/// Where jobs and backups are remembered: where the arguments or the configuration say, else among the user's state.
fn state_url(global: &Global, configuration: &Configuration) -> String {
    match (&global.state, &configuration.service.state) {
        (Some(url), _) if url.contains(':') => url.clone(),
        (Some(path), _) => format!("sqlite:{path}"),
        (None, Some(url)) => url.clone(),
        (None, None) => format!("sqlite:{}", state_folder().join("state.sqlite").display()),
    }
}

/// Where the user's lockgate keeps what it remembers.
fn state_folder() -> PathBuf {
    user_folder("XDG_STATE_HOME", ".local/state").join("lockgate")
}

/// This host's name, as the system has it.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
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
