use std::path::PathBuf;
use std::sync::Arc;

use lockgate_sandbox::jail::{Report, Shape};
use lockgate_sandbox::{CodeCache, Instance, Limits, Session, SessionOptions, WorkerCommand};
use lockgate_trust::Grants;
use tokio::runtime::Handle;

use crate::audit::{self, Audit, AuditFile};
use crate::manifest::grants_in_words;
use crate::progress::{Observe, PluginObserver};
use crate::{Cancel, IsolationRecord, Plugin, Plugins, Result, Trust};

/// What every run needs from the machine that it runs on.
pub struct Host {
    pub(crate) runtime: Handle,
    pub(crate) plugins: Plugins,
    trust: Trust,
    pub(crate) observer: Arc<dyn Observe>,
    pub(crate) cancel: Cancel,
    pub(crate) audit: Arc<Audit>,
    cache: CodeCache,
    worker: WorkerCommand,
}

/// How to make a [`Host`].
pub struct HostOptions {
    /// Where waiting for storage and servers happens.
    pub runtime: Handle,
    /// Folder with the components.
    pub plugins: PathBuf,
    /// Which of them may run.
    pub trust: Trust,
    /// Folder for compiled code.
    pub cache: PathBuf,
    /// How a worker process is started.
    pub worker: WorkerCommand,
    /// Where what plugins do is recorded.
    pub audit: AuditFile,
    /// Who hears of progress and logs.
    pub observer: Arc<dyn Observe>,
    /// How the operator stops a run.
    pub cancel: Cancel,
}

/// What a plugin is launched with.
pub(crate) struct Launch<'a> {
    /// The run that it is for, in the audit log.
    pub run: &'a Arc<audit::Run>,
    /// Who it is for, as messages call it.
    pub name: String,
    pub grants: &'a Grants,
    pub limits: Limits,
    pub config: String,
}

impl Host {
    /// A host with these options.
    ///
    /// # Errors
    /// When the audit log is required and cannot be opened.
    pub fn new(options: HostOptions) -> Result<Self> {
        Ok(Self {
            audit: Audit::open(options.audit)?,
            runtime: options.runtime,
            plugins: Plugins::new(options.plugins),
            trust: options.trust,
            observer: options.observer,
            cancel: options.cancel,
            cache: CodeCache::new(options.cache),
            worker: options.worker,
        })
    }

    /// Who hears of progress and logs.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observe> {
        Arc::clone(&self.observer)
    }

    /// The plugins that are installed here.
    #[must_use]
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Which plugins may run here.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The same, to change it.
    pub fn trust_mut(&mut self) -> &mut Trust {
        &mut self.trust
    }

    /// Finds a plugin and decides whether it may run. Starts nothing.
    ///
    /// # Errors
    /// When it is not there, is not the one that was locked, or was built for another version of the contract.
    pub fn admit(&self, plugin: &str) -> Result<Plugin> {
        let plugin = self.plugins.find(plugin)?;
        self.trust.check(&plugin)?;
        plugin.check_contract()?;
        Ok(plugin)
    }

    /// Starts a worker process for `plugin`.
    pub(crate) fn launch(&self, plugin: &Plugin, launch: Launch<'_>) -> Result<Session> {
        let compiled = self
            .cache
            .load(&plugin.admitted, &self.worker)
            .map_err(|error| error.of_source(&launch.name))?;
        let (observer, run) = (Arc::clone(&self.observer), Arc::clone(launch.run));
        let session = Session::launch(&SessionOptions {
            plugin: &compiled,
            name: launch.name,
            grants: launch.grants,
            limits: launch.limits,
            config: launch.config,
            observer: Arc::new(PluginObserver { observer, run }),
            runtime: self.runtime.clone(),
            worker: self.worker.clone(),
        })?;
        let isolation = IsolationRecord::new(session.jail());
        launch.run.launched(plugin, grants_in_words(launch.grants), isolation);
        Ok(session)
    }

    /// What keeps a worker of this shape in, on this machine.
    ///
    /// # Errors
    /// When no worker starts.
    pub fn probe(&self, shape: Shape) -> Result<Report> {
        Ok(lockgate_sandbox::probe(&self.worker, shape)?)
    }

    /// Asks a plugin what it is, with nothing granted.
    ///
    /// # Errors
    /// When it cannot be compiled or run.
    pub fn describe(&self, plugin: &Plugin) -> Result<lockgate_types::Descriptor> {
        self.audit.record("describe", plugin.name.as_str(), |run| {
            let session = self.launch(
                plugin,
                Launch {
                    run,
                    name: plugin.name.to_string(),
                    grants: &Grants::default(),
                    limits: Limits::default(),
                    config: "{}".to_owned(),
                },
            )?;
            let mut instance: Instance = session.instance("describe")?;
            let descriptor = instance.describe()?;
            drop(instance);
            session.close();
            plugin.check_descriptor(&descriptor)?;
            Ok(descriptor)
        })
    }
}
