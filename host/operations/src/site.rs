use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lockgate_engine::audit::AuditFile;
use lockgate_engine::configuration::{self, Configuration, Secret, Source};
use lockgate_engine::repositories::Location;
use lockgate_engine::{
    Cancel, Error, ErrorKind, Host, HostOptions, Observe, Result, Trust, WorkerCommand,
};
use lockgate_types::Name;
use tokio::runtime::Handle;

/// The configuration, and where things are on this machine.
#[derive(Clone)]
pub struct Site {
    /// What the operator wrote.
    pub configuration: Configuration,
    /// A repository that is meant instead of those of the configuration: the name of one, or a location.
    pub repository: Option<String>,
    /// The password, instead of what the repository's settings say.
    pub password: Option<Secret>,
    /// Where waiting happens.
    pub runtime: Handle,
    /// Folder with the components.
    pub plugins: PathBuf,
    /// Which of them may run.
    pub lock: PathBuf,
    /// Folder for compiled code.
    pub code: PathBuf,
    /// How a worker process is started.
    pub worker: WorkerCommand,
    /// Where what plugins do is recorded.
    pub audit: AuditFile,
    /// Written into snapshots.
    pub hostname: String,
}

/// What becomes one snapshot: a source, or the sources of a set.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Name of the set, and how long its sources may be held; none of a source alone.
    pub set: Option<(Name, Duration)>,
    /// In the order in which they are asked for their points in time.
    pub sources: Vec<(Name, Source)>,
}

impl Unit {
    /// A source alone.
    #[must_use]
    pub fn of_source(source: (Name, Source)) -> Self {
        Self { set: None, sources: vec![source] }
    }

    /// What is taken out of service for it, in order: the set's application first.
    #[must_use]
    pub fn in_order_of_maintenance(&self) -> Vec<Name> {
        let set = self.set.iter().map(|(name, _)| name.clone());
        set.chain(self.sources.iter().map(|(name, _)| name.clone())).collect()
    }

    /// Name of the set, or of the source.
    #[must_use]
    pub fn name(&self) -> &str {
        let source = self.sources.first().map(|(name, _)| name);
        self.set.as_ref().map(|(name, _)| name).or(source).map_or("", Name::as_str)
    }
}

impl Site {
    /// What runs plugins here.
    ///
    /// # Errors
    /// When the audit log or the lock file cannot be opened.
    pub fn host(&self, observer: Arc<dyn Observe>, cancel: Cancel) -> Result<Host> {
        Host::new(HostOptions {
            audit: self.audit.clone(),
            runtime: self.runtime.clone(),
            plugins: self.plugins.clone(),
            trust: Trust::open(self.lock.clone(), self.configuration.trust.policy())?,
            cache: self.code.clone(),
            worker: self.worker.clone(),
            observer,
            cancel,
        })
    }

    /// The repository that is meant, else the one of `source`, else the only one.
    ///
    /// # Errors
    /// When there is none, or it is not clear which.
    pub fn location(&self, source: Option<&Source>) -> Result<Location> {
        let settings = match &self.repository {
            Some(named) => self.named_repository(named)?,
            None => self.default_repository(source)?,
        };
        let mut location = Location::new(settings);
        location.password.clone_from(&self.password);
        Ok(location)
    }

    /// The repository of that name or location.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn location_named(&self, named: &str) -> Result<Location> {
        let mut location = Location::new(self.named_repository(named)?);
        location.password.clone_from(&self.password);
        Ok(location)
    }

    /// What `source`'s repository is called: its name in the configuration, or its location.
    ///
    /// # Errors
    /// When there is none, or it is not clear which.
    pub fn repository_name(&self, source: Option<&Source>) -> Result<String> {
        if let Some(named) = &self.repository {
            return Ok(named.clone());
        }
        let settings = self.default_repository(source)?;
        let known = self.configuration.repositories.iter().find(|(_, it)| it.url == settings.url);
        Ok(known.map_or(settings.url.clone(), |(name, _)| name.to_string()))
    }

    /// All repositories that a backup of `source` goes to, by name, in the order of the configuration.
    ///
    /// # Errors
    /// When there is none, or it is not clear which.
    pub fn locations(&self, source: Option<&Source>) -> Result<Vec<(String, Location)>> {
        let names = match (&self.repository, source) {
            (None, Some(source)) => source.repository.as_slice(),
            _ => &[],
        };
        if names.len() < 2 {
            return Ok(vec![(self.repository_name(source)?, self.location(source)?)]);
        }
        let named = |name: &Name| Ok((name.to_string(), self.location_named(name.as_str())?));
        names.iter().map(named).collect()
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
        let named = source.and_then(|source| source.repository.first());
        let only = if repositories.len() == 1 { repositories.values().next() } else { None };
        named.and_then(|name| repositories.get(name)).or(only).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "which repository?").with_hint(
                "give --repository, or LOCKGATE_REPOSITORY, or a configuration with one repository",
            )
        })
    }

    /// The source of that name.
    ///
    /// # Errors
    /// When there is none.
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
    ///
    /// # Errors
    /// When there is none of one of these names.
    pub fn sources<T: AsRef<str>>(&self, names: &[T]) -> Result<Vec<(Name, Source)>> {
        if names.is_empty() {
            return Ok(self.configuration.sources.clone().into_iter().collect());
        }
        let owned = |(name, source): (&Name, &Source)| (name.clone(), source.clone());
        names.iter().map(|name| self.source(name.as_ref()).map(owned)).collect()
    }

    /// The source or the set of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn unit(&self, name: &str) -> Result<Unit> {
        let sets = &self.configuration.sets;
        let Some((name, set)) = sets.iter().find(|(known, _)| known.as_str() == name) else {
            let (name, source) = self.source(name)?;
            return Ok(Unit::of_source((name.clone(), source.clone())));
        };
        let names: Vec<String> = set.sources.iter().map(ToString::to_string).collect();
        let hold_max = Duration::from_secs(set.hold_seconds.into());
        Ok(Unit { set: Some((name.clone(), hold_max)), sources: self.sources(&names)? })
    }

    /// The sets that one of the sources belongs to, and that have commands for maintenance: their applications work with it.
    #[must_use]
    pub fn sets_taken_out_with(&self, sources: &[Name]) -> Vec<Name> {
        let sets = self.configuration.sets.iter();
        let taken = sets.filter(|(_, set)| {
            set.maintenance.is_some() && set.sources.iter().any(|name| sources.contains(name))
        });
        taken.map(|(name, _)| name.clone()).collect()
    }

    /// All sets, and all sources that are in none.
    ///
    /// # Errors
    /// When a set names a source that is not there.
    pub fn units(&self) -> Result<Vec<Unit>> {
        let sets = &self.configuration.sets;
        let is_in_set = |source: &Name| sets.values().any(|set| set.sources.contains(source));
        let alone = self.configuration.sources.keys().filter(|source| !is_in_set(source));
        sets.keys().chain(alone).map(|name| self.unit(name.as_str())).collect()
    }
}
