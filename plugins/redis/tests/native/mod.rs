//! Backups and restores without a sandbox.

use anyhow::Result;
use lockgate_plugin::native::Archive;
use lockgate_plugin::{Backup, BackupRequest, Outcome, Restore, RestoreRequest};
use lockgate_plugin_redis::backup::Saving;
use lockgate_plugin_redis::config::Config;
use lockgate_plugin_redis::restore::Restoring;

pub type Native = lockgate_plugin::native::Native;

/// The server at `port` of this machine.
pub fn at(port: u16) -> Native {
    Native::at(format!("127.0.0.1:{port}"))
}

pub trait Run {
    /// Begins, joins one worker, lets `between` do something, exports and ends.
    fn backup(&self, config: &Config, between: impl FnOnce() -> Result<()>) -> Result<Archive>;

    /// Restores, and compares the fingerprints of all parts with those of the backup.
    fn restore(&self, archive: &Archive, config: &Config, request: &RestoreRequest) -> Result<()>;
}

impl Run for Native {
    fn backup(&self, config: &Config, between: impl FnOnce() -> Result<()>) -> Result<Archive> {
        let request = BackupRequest::default();
        let (mut coordinator, plan) = Saving::begin_with(self.clone(), config.clone(), &request)?;
        let worker = Saving::join_with(self.clone(), config.clone(), &plan.mark)?;
        coordinator.release()?;
        between()?;
        Ok(Archive::export(plan, vec![(self.clone(), worker)])?)
    }

    fn restore(&self, archive: &Archive, config: &Config, request: &RestoreRequest) -> Result<()> {
        let (coordinator, stages) =
            Restoring::begin_with(self.clone(), config.clone(), request.clone())?;
        let mut worker = Restoring::open(self.clone(), config.clone(), request.clone())?;
        archive.import(&stages, self, &mut worker)?;
        coordinator.end(Outcome::Completed)?;
        Ok(())
    }
}
