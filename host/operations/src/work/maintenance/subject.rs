use lockgate_api::JobId;
use lockgate_engine::configuration::{MaintenanceCommands, Source};
use lockgate_engine::maintenance::{Maintenance as Step, maintain};
use lockgate_engine::{Cancel, Host};
use lockgate_types::Name;

use super::command::{Call, Way};
use crate::{ErrorKind, Result, Site};

/// What plugins with a maintenance mode list among their features.
const MODE: &str = "maintenance";

/// What can be out of service: a source, with the mode of its plugin and the operator's commands, or a set, with commands only.
pub(super) struct Subject<'a> {
    name: &'a Name,
    commands: Option<&'a MaintenanceCommands>,
    source: Option<&'a Source>,
}

impl<'a> Subject<'a> {
    /// The source or set of that name.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn of(site: &'a Site, name: &Name) -> Result<Self> {
        if let Some((name, set)) = site.configuration.sets.get_key_value(name) {
            return Ok(Self { name, commands: set.maintenance.as_ref(), source: None });
        }
        let (name, source) = site.source(name.as_str())?;
        Ok(Self { name, commands: source.maintenance.as_ref(), source: Some(source) })
    }

    /// Takes it out of service: the application first, then the datastore. False when there is nothing to take out.
    ///
    /// # Errors
    /// When a program or the plugin fails; then some of it may be out.
    pub(super) fn enter(
        &self,
        site: &Site,
        host: &Host,
        job: Option<JobId>,
        cancel: &Cancel,
    ) -> Result<bool> {
        if let Some(call) = self.call(Way::Enter, job) {
            site.runtime.block_on(call.run(cancel))?;
        }
        let has_mode = self.mode(host, Step::Enter)?;
        Ok(has_mode || self.commands.is_some())
    }

    /// Puts it back: the datastore first, then the application, which is put back also where the datastore cannot be.
    ///
    /// # Errors
    /// When the plugin or a program fails.
    pub(super) fn leave(&self, site: &Site, host: &Host, job: Option<JobId>) -> Result<()> {
        let mode = self.mode(host, Step::Leave);
        if let Some(call) = self.call(Way::Leave, job) {
            // Nobody stops a way back but its own time.
            site.runtime.block_on(call.run(&Cancel::default()))?;
        }
        mode.map(drop)
    }

    /// Has the plugin do its part. False when it has none.
    fn mode(&self, host: &Host, step: Step<'_>) -> Result<bool> {
        let Some(source) = self.source else { return Ok(false) };
        match maintain(host, self.name, source, step) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(false),
            // A plugin that cannot be started, for a folder that is gone, may have none either: then nothing is out of service.
            Err(_) if knows_no_mode(host, source) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn call(&self, way: Way, job: Option<JobId>) -> Option<Call<'a>> {
        Some(Call { name: self.name, way, commands: self.commands?, job })
    }
}

/// Whether a plugin says of itself that it has no maintenance mode.
fn knows_no_mode(host: &Host, source: &Source) -> bool {
    let described = host.admit(&source.plugin).and_then(|plugin| host.describe(&plugin));
    described.is_ok_and(|it| !it.features.iter().any(|feature| feature == MODE))
}
