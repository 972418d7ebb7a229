//! A plugin that misbehaves in the way that its configuration names. One file for each thing that it attacks, with a table of
//! name and function; what is expected of the host stands in the test's tables of the same names.

mod archive;
mod compute;
mod credentials;
mod file_locks;
mod files;
mod handles;
mod http;
mod long;
mod messages;
mod names;
mod net;
mod random;
mod text;
mod time;
mod usual;

use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Descriptor, Error, Failure, Finding, Outcome, Part, Plugin,
    Restore, RestoreRequest, Result, Step, Summary, job,
};

/// Which way the entries go while a behaviour runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Export,
    Import,
}

/// What a behaviour does, by its name.
type Behaviours = &'static [(&'static str, fn(Way) -> Result<()>)];

const ALL: [Behaviours; 14] = [
    archive::ALL,
    compute::ALL,
    credentials::ALL,
    file_locks::ALL,
    files::ALL,
    handles::ALL,
    http::ALL,
    long::ALL,
    names::ALL,
    net::ALL,
    random::ALL,
    text::ALL,
    time::ALL,
    usual::ALL,
];

#[derive(Clone, Default, serde::Deserialize)]
struct Config {
    /// Name of the behaviour; of [`messages`] when none of [`ALL`] has it.
    #[serde(default)]
    behaviour: String,
    /// The call that misbehaves: `export` and `import` unless it is given.
    at: Option<String>,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    bytes: u64,
}

impl Config {
    /// Misbehaves when this is the call to do it in.
    fn act(&self, call: &str, way: Way) -> Result<()> {
        let usual = match way {
            Way::Export => "export",
            Way::Import => "import",
        };
        if self.at.as_deref().unwrap_or(usual) != call {
            return Ok(());
        }
        if self.behaviour == "bulk" {
            return usual::bulk(way, self.count, self.bytes);
        }
        let found = ALL.into_iter().flatten().find(|(name, _)| *name == self.behaviour);
        match found {
            Some((_, run)) => run(way),
            None if messages::has(&self.behaviour) => Ok(()),
            None => Err(Error::config(format!("there is no behaviour {}", self.behaviour))),
        }
    }

    fn is(&self, behaviour: &str) -> bool {
        self.behaviour == behaviour
    }
}

/// The host has to refuse; whatever else it does is a breach.
fn refused<T>(what: impl std::fmt::Display, answer: Result<T, Failure>) {
    assert!(answer.is_err(), "BREACH: {what}");
}

/// The host has to refuse because it was not granted.
fn denied<T>(what: impl std::fmt::Display, answer: Result<T, Failure>) {
    match answer {
        Err(Failure::Denied(_)) => {}
        Err(other) => panic!("BREACH: {what} was answered {other:?}"),
        Ok(_) => panic!("BREACH: {what}"),
    }
}

/// How a behaviour ends to which the host gave nothing, so that no snapshot is made of it.
fn held() -> Result<()> {
    Err(Error::other("every attempt was refused"))
}

struct Hostile;

impl Plugin for Hostile {
    type Config = Config;
    type Backup = Job;
    type Restore = Job;

    fn describe() -> Descriptor {
        let config: Config = job::config().unwrap_or_default();
        if let Err(error) = config.act("describe", Way::Export) {
            panic!("{error}");
        }
        messages::descriptor(&config.behaviour)
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        config.act("check", Way::Export)?;
        Ok(messages::findings(&config.behaviour))
    }
}

struct Job(Config);

impl Backup for Job {
    type Config = Config;

    fn begin(config: Config, _: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.act("begin", Way::Export)?;
        let plan = messages::plan(&config.behaviour);
        Ok((Self(config), plan))
    }

    fn join(config: Config, _mark: Vec<u8>) -> Result<Self> {
        config.act("join", Way::Export)?;
        Ok(Self(config))
    }

    fn release(&mut self) -> Result<()> {
        self.0.act("release", Way::Export)
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        usual::write("data")?;
        if part.id == BYSTANDER {
            archive::keep_writer(&self.0)?;
            return Ok(Summary::of_items(1).with_fingerprint("live"));
        }
        self.0.act("export", Way::Export)?;
        Ok(messages::summary(&self.0.behaviour))
    }

    fn end(self, _: Outcome) -> Result<Vec<Finding>> {
        self.0.act("end", Way::Export)?;
        Ok(messages::findings(&self.0.behaviour))
    }
}

/// The part that is exported and imported before the one in which the plugin misbehaves.
const BYSTANDER: &str = "bystander";
/// The part in which the plugin misbehaves.
const VICTIM: &str = "victim";

impl Restore for Job {
    type Config = Config;

    fn preview(config: Config, _: RestoreRequest) -> Result<Vec<Step>> {
        config.act("preview", Way::Import)?;
        Ok(messages::steps(&config.behaviour))
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        config.act("begin", Way::Import)?;
        let stages = messages::stages(&config.behaviour, request.parts);
        Ok((Self(config), stages))
    }

    fn join(config: Config, _: RestoreRequest) -> Result<Self> {
        config.act("join", Way::Import)?;
        Ok(Self(config))
    }

    fn import(&mut self, part: Part) -> Result<()> {
        if part.id == BYSTANDER {
            return archive::keep_reader(&self.0);
        }
        self.0.act("import", Way::Import)
    }

    fn fingerprint(&mut self, _: Part) -> Result<String> {
        self.0.act("fingerprint", Way::Import)?;
        Ok(messages::fingerprint(&self.0.behaviour))
    }

    fn end(self, _: Outcome) -> Result<Vec<Finding>> {
        self.0.act("end", Way::Import)?;
        Ok(messages::findings(&self.0.behaviour))
    }
}

lockgate_plugin::export!(Hostile);
