//! A folder that is backed up, and a service without its network.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use lockgate_api::{Backup, BackupRequest, Job, JobId, Request};
use lockgate_operations::{Clock, Jobs, Scheduler, Wanted, WantedBackups, background};
use lockgate_tests::Site;
use lockgate_tests::operated::jobs_in;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The folder `home` and an empty repository.
pub struct Place {
    pub site: Site,
}

/// What goes on in the background, until it is stopped.
pub struct Service {
    pub jobs: Jobs,
    pub scheduler: Scheduler,
    task: JoinHandle<()>,
}

pub fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

impl Place {
    pub fn new() -> Result<Self> {
        let site = Site::local()?;
        fs::create_dir(site.path("home"))?;
        fs::write(site.path("home/letter"), "what home holds")?;
        fs::write(site.path("password"), "correct horse")?;
        let place = Self { site };
        place.site.configured(&place.text(""))?.ok(&["init"])?;
        Ok(place)
    }

    /// The configuration, with more behind it. `lost` is a source whose folder is not there.
    pub fn text(&self, more: &str) -> String {
        format!(
            "[repositories.main]\nurl = \"{}\"\npassword-file = \"{}\"\n\
             [sources.home]\nplugin = \"files\"\nfolders.home = {{ path = \"{}\" }}\n\
             [sources.lost]\nplugin = \"files\"\nfolders.lost = {{ path = \"{}\" }}\n{more}",
            self.site.repository,
            self.site.text("password"),
            self.site.text("home"),
            self.site.text("nowhere"),
        )
    }

    /// A service with more in its configuration, and this clock.
    pub async fn service(&self, more: &str, clock: Clock) -> Result<Service> {
        let jobs = jobs_in(&self.site.path(""), &self.text(more)).await?;
        let scheduler = Scheduler::with_clock(jobs.clone(), clock);
        let task = tokio::spawn(background(scheduler.clone()));
        Ok(Service { jobs, scheduler, task })
    }
}

impl Service {
    /// Ends, so that another one can begin.
    pub async fn stop(self) {
        self.jobs.stop(PATIENCE).await;
        self.task.abort();
        self.task.await.ok();
    }

    /// Backs up now, and waits for the end.
    pub async fn backup(&self, name: &str) -> Result<Job> {
        let request = BackupRequest { name: name.to_owned(), ..BackupRequest::default() };
        let job = self.jobs.submit(Request::Backup(request), "alice").await?;
        self.ended(job.id).await
    }

    /// Has a schedule run now, and waits for the end.
    pub async fn run_now(&self, schedule: &str) -> Result<Job> {
        let jobs = self.scheduler.run_now(schedule, "alice").await?;
        self.ended(jobs[0].id).await
    }

    pub async fn ended(&self, id: JobId) -> Result<Job> {
        let until = Instant::now() + PATIENCE;
        loop {
            let job = self.jobs.job(id).await?;
            if job.state.is_ended() {
                return Ok(job);
            }
            ensure!(Instant::now() < until, "it does not end: {job:?}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until it is decided what a schedule keeps after its last run, and gives these jobs, the newest first.
    pub async fn settled(&self, schedule: &str, wanted: Wanted) -> Result<Vec<Job>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let record = self.jobs.store().schedule(&schedule.parse()?).await?;
            let jobs = self.jobs.store().jobs(wanted).await?;
            if record.is_some_and(|it| it.is_retained) && jobs.iter().all(|it| it.state.is_ended())
            {
                return Ok(jobs);
            }
            ensure!(Instant::now() < until, "it is not decided: {jobs:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All backups, the newest first.
    pub async fn backups(&self) -> Result<Vec<Backup>> {
        Ok(self
            .jobs
            .store()
            .backups(&WantedBackups { limit: 100, ..WantedBackups::default() })
            .await?)
    }

    /// Backups whose snapshots are in the repository.
    pub async fn snapshots(&self) -> Result<usize> {
        let repository = self.jobs.site().location(None)?.open().await?;
        Ok(repository.snapshots().await?.len())
    }

    /// Waits until there are so many backups, each with its snapshot.
    pub async fn holds(&self, count: usize) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let (backups, snapshots) = (self.backups().await?.len(), self.snapshots().await?);
            if (backups, snapshots) == (count, count) {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "{backups} backups, {snapshots} snapshots, not {count}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A clock that is the machine's.
pub fn usual() -> Clock {
    Arc::new(Timestamp::now)
}

/// A clock that runs as the machine's, and is now so long before the next full hour, and so many hours later.
pub fn before_the_hour(seconds: i64, hours: i64) -> Clock {
    let now = Timestamp::now().as_second();
    let ahead = 3600 - now.rem_euclid(3600) - seconds + hours * 3600;
    let ahead = SignedDuration::from_secs(ahead);
    Arc::new(move || Timestamp::now() + ahead)
}

impl Service {
    /// Ends when it has had time to look at the repository.
    pub async fn stop_after_a_look(self) {
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.stop().await;
    }
}
