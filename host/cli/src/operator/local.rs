use std::time::Duration;

use lockgate_api::{
    Backup, BackupId, Event, Job, JobId, Label, Maintenance, Request, ScheduleInfo,
};
use lockgate_engine::Result;
use lockgate_operations::{Jobs, Scheduler, Store, Wanted, WantedBackups};

use super::Operator;
use crate::context::Context;
use crate::output;

/// This process does it, with the state of its own.
pub struct Local<'a> {
    context: &'a Context,
    jobs: Jobs,
}

impl<'a> Local<'a> {
    /// Opens the state, and gives up what an earlier process left behind.
    pub fn open(context: &'a Context) -> Result<Self> {
        let jobs = context.runtime.block_on(async {
            let store = Store::open(&context.state).await?;
            Jobs::start_for_command(context.site.clone(), store).await
        })?;
        Ok(Self { context, jobs })
    }

    /// Looks whether the snapshots of backups are still there. That a repository does not tell is no reason to show nothing.
    fn refresh(&self) {
        let untold = self.wait(self.jobs.refresh_backups());
        untold.iter().for_each(|error| output::note(format!("lockgate: {error}")));
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.context.runtime.block_on(future)
    }
}

impl Operator for Local<'_> {
    fn units(&self) -> Result<Vec<String>> {
        Ok(self.context.site.units()?.iter().map(|unit| unit.name().to_owned()).collect())
    }

    fn submit(&self, request: Request) -> Result<Job> {
        self.wait(self.jobs.submit(request, &user_name()))
    }

    fn follow(&self, id: JobId, hear: &mut dyn FnMut(&Event)) -> Result<Option<Job>> {
        self.wait(async {
            let mut listener = self.jobs.listen(id, 0).await?;
            let mut is_asked_to_stop = false;
            loop {
                // Who wishes to stop stays until the job has cleaned up.
                let next = match is_asked_to_stop {
                    true => Some(listener.next().await),
                    false => self.context.cancel.or_stop(listener.next()).await,
                };
                match next {
                    Some(event) => match event? {
                        Some(event) => hear(&event),
                        None => break,
                    },
                    None => {
                        is_asked_to_stop = true;
                        self.jobs.cancel(id).await?;
                    }
                }
            }
            self.jobs.job(id).await.map(Some)
        })
    }

    fn job(&self, id: JobId) -> Result<Job> {
        self.wait(self.jobs.job(id))
    }

    fn jobs(&self, limit: u32) -> Result<Vec<Job>> {
        self.wait(self.jobs.store().jobs(Wanted { limit, ..Wanted::default() }))
    }

    fn cancel(&self, id: JobId) -> Result<Job> {
        self.wait(self.jobs.cancel(id))
    }

    fn backup(&self, id: &BackupId) -> Result<Backup> {
        self.refresh();
        self.wait(self.jobs.backup(id))
    }

    fn backups(&self, label: Option<&Label>, limit: u32) -> Result<Vec<Backup>> {
        self.refresh();
        let wanted = WantedBackups { label: label.cloned(), limit, ..WantedBackups::default() };
        self.wait(self.jobs.store().backups(&wanted))
    }

    fn delete(&self, id: &BackupId) -> Result<()> {
        self.wait(self.jobs.delete_backup(id))
    }

    fn out_of_service(&self) -> Result<Vec<Maintenance>> {
        self.wait(self.jobs.store().maintenance())
    }

    fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        self.wait(Scheduler::new(self.jobs.clone()).list())
    }

    fn run_schedule(&self, name: &str) -> Result<Vec<Job>> {
        self.wait(Scheduler::new(self.jobs.clone()).run_now(name, &user_name()))
    }

    fn outlives_us(&self) -> bool {
        false
    }
}

impl Drop for Local<'_> {
    fn drop(&mut self) {
        // Nothing runs any more, unless a command failed while it followed a job: then the job cleans up before we end.
        self.wait(self.jobs.stop(Duration::ZERO));
    }
}

/// Who asks, as the system calls the user.
fn user_name() -> String {
    let named = std::env::var("USER").ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()))
}
