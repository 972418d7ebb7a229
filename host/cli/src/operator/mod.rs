//! Who does what the commands of backups and jobs ask for: this process, or a service. The commands do not know which.

mod local;
mod remote;

use lockgate_api::{
    Backup, BackupId, Event, Job, JobId, Label, Maintenance, Request, ScheduleInfo,
};
use lockgate_engine::Result;

use crate::context::Context;
use local::Local;
use remote::Remote;

/// What an operator may ask for.
pub trait Operator {
    /// Names of all sets, and of all sources that are in none.
    ///
    /// # Errors
    /// As [`Self::backup`].
    fn units(&self) -> Result<Vec<String>>;

    /// Has something done, as a job.
    ///
    /// # Errors
    /// When it is refused.
    fn submit(&self, request: Request) -> Result<Job>;

    /// Hears the events of a job until it has ended, from the first one on. None when the operator wished to stop and the job
    /// goes on without.
    ///
    /// # Errors
    /// When there is no such job, or nobody can be asked. That the job failed stands in it.
    fn follow(&self, id: JobId, hear: &mut dyn FnMut(&Event)) -> Result<Option<Job>>;

    /// A job as it is now.
    ///
    /// # Errors
    /// When there is none, or nobody can be asked.
    fn job(&self, id: JobId) -> Result<Job>;

    /// The newest jobs, `limit` at most.
    ///
    /// # Errors
    /// As [`Self::job`].
    fn jobs(&self, limit: u32) -> Result<Vec<Job>>;

    /// Asks a job to stop.
    ///
    /// # Errors
    /// As [`Self::job`].
    fn cancel(&self, id: JobId) -> Result<Job>;

    /// A backup as it is now.
    ///
    /// # Errors
    /// When there is none, or nobody can be asked.
    fn backup(&self, id: &BackupId) -> Result<Backup>;

    /// The newest backups, of one label or of all, `limit` at most.
    ///
    /// # Errors
    /// As [`Self::backup`].
    fn backups(&self, label: Option<&Label>, limit: u32) -> Result<Vec<Backup>>;

    /// Deletes a backup and its snapshot.
    ///
    /// # Errors
    /// As [`Self::backup`], and while it is in use.
    fn delete(&self, id: &BackupId) -> Result<()>;

    /// What is out of service.
    ///
    /// # Errors
    /// As [`Self::job`].
    fn out_of_service(&self) -> Result<Vec<Maintenance>>;

    /// When backups are made without being asked for.
    ///
    /// # Errors
    /// As [`Self::job`].
    fn schedules(&self) -> Result<Vec<ScheduleInfo>>;

    /// Does now what a schedule does: a job for each of its sets and sources.
    ///
    /// # Errors
    /// When there is no such schedule, or it is refused.
    fn run_schedule(&self, name: &str) -> Result<Vec<Job>>;

    /// Whether jobs go on when this process ends.
    fn outlives_us(&self) -> bool;
}

/// The service that was named, else this process.
///
/// # Errors
/// When the service's settings are wrong, or another process works with the state.
pub fn open(context: &Context) -> Result<Box<dyn Operator + '_>> {
    Ok(match context.server() {
        Some(server) => Box::new(Remote::new(context, &server)?),
        None => Box::new(Local::open(context)?),
    })
}
