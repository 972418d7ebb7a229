use serde::de::DeserializeOwned;

use crate::{
    BackupPlan, BackupRequest, Descriptor, Error, Finding, Outcome, Part, RestoreRequest, Result,
    Step, Summary,
};

/// What a plugin author implements, beside [`Backup`] and [`Restore`]. [`crate::export!`] makes a component of it.
///
/// The configuration is read anew for each call and is given to the functions that start something.
pub trait Plugin: 'static {
    /// The source's configuration, as [`Descriptor::config_schema`] describes it.
    type Config: DeserializeOwned;
    /// What lives between the calls of a backup.
    type Backup: Backup<Config = Self::Config>;
    /// What lives between the calls of a restore.
    type Restore: Restore<Config = Self::Config>;

    /// What the plugin is. Uses no capability.
    fn describe() -> Descriptor;

    /// Looks at the live datastore and changes nothing.
    ///
    /// # Errors
    /// When it cannot look at all; what is merely wrong is a finding.
    fn check(_config: Self::Config) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    /// Takes the datastore out of service.
    ///
    /// # Errors
    /// When that is not possible.
    fn enter_maintenance(_config: Self::Config) -> Result<()> {
        Err(Error::unsupported("this plugin has no maintenance mode"))
    }

    /// Puts the datastore back into service.
    ///
    /// # Errors
    /// When that is not possible.
    fn leave_maintenance(_config: Self::Config) -> Result<()> {
        Err(Error::unsupported("this plugin has no maintenance mode"))
    }

    /// Runs a named repair.
    ///
    /// # Errors
    /// When there is no such action, or it fails.
    fn act(_config: Self::Config, action: &str, _arguments: &str) -> Result<Vec<Finding>> {
        Err(Error::unsupported(format!("this plugin has no action {action:?}")))
    }
}

/// A backup under way. The coordinator is made by [`begin`](Backup::begin) and gets `release` and `end`; each worker is
/// made by [`join`](Backup::join), in a sandbox of its own, and gets one or more `export`.
pub trait Backup: Sized + 'static {
    /// That of the plugin.
    type Config;

    /// Takes hold of a consistent point and says what will be exported.
    ///
    /// # Errors
    /// When there is nothing consistent to export.
    fn begin(config: Self::Config, request: BackupRequest) -> Result<(Self, BackupPlan)>;

    /// Takes part in the backup that `mark` of the plan stands for.
    ///
    /// # Errors
    /// When this worker cannot see the same data.
    fn join(config: Self::Config, mark: Vec<u8>) -> Result<Self>;

    /// All workers have joined: a lock can be let go.
    ///
    /// # Errors
    /// When the consistent point was lost.
    fn release(&mut self) -> Result<()> {
        Ok(())
    }

    /// Writes the entries of `part` into [`crate::archive`].
    ///
    /// # Errors
    /// When the part is not complete.
    fn export(&mut self, part: Part) -> Result<Summary>;

    /// Lets everything go, whatever the outcome.
    ///
    /// # Errors
    /// When something was left behind.
    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

/// A restore under way. The coordinator is made by [`begin`](Restore::begin) and gets `end`; each worker is made by
/// [`join`](Restore::join), in a sandbox of its own, and gets one or more `import`.
pub trait Restore: Sized + 'static {
    /// That of the plugin.
    type Config;

    /// Says what a restore would do, and does nothing.
    ///
    /// # Errors
    /// When the restore cannot be done.
    fn preview(config: Self::Config, request: RestoreRequest) -> Result<Vec<Step>>;

    /// Prepares the target and orders the parts: those of one stage may be imported in parallel.
    ///
    /// # Errors
    /// When the target is not fit, above all when something is in the way and may not be overwritten.
    fn begin(config: Self::Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)>;

    /// Prepares a worker.
    ///
    /// # Errors
    /// When it cannot reach the target.
    fn join(config: Self::Config, request: RestoreRequest) -> Result<Self>;

    /// Reads the entries of `part` from [`crate::archive`] and writes them into the datastore.
    ///
    /// # Errors
    /// When the part is not complete.
    fn import(&mut self, part: Part) -> Result<()>;

    /// A short text over the live data that `part` was restored into: equal to that of the backup after a faithful restore,
    /// different after any change. [`crate::Fingerprint`] makes one. A host that only wants to know how the data is now
    /// asks a worker that joined a restore of nothing but this part.
    ///
    /// # Errors
    /// When the plugin has none, or the data cannot be read.
    fn fingerprint(&mut self, _part: Part) -> Result<String> {
        Err(Error::unsupported("this plugin computes no fingerprints"))
    }

    /// Finishes (indexes, checks) or cleans up, by the outcome.
    ///
    /// # Errors
    /// When the datastore is not as it should be.
    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}
