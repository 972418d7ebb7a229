//! An application of three folders, which commands take out of service, and its repository.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_api::{
    Backup, BackupRequest, Event, Happening, Job, JobId, JobState, Request, RestoreRequest,
};
use lockgate_operations::Jobs;
use lockgate_tests::Site;
use lockgate_tests::operated::jobs_in;
use lockgate_tests::random::Random;
use lockgate_types::Name;
use tokio::runtime::Runtime;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a repository reads and writes in a second when it is to be slow.
pub const SLOW_KIB: u32 = 64;

/// What the configuration is to say.
#[derive(Clone, Default)]
pub struct Wish {
    /// The repository is slow.
    pub is_slow: bool,
    /// What `maintenance.enter` of the set runs instead of noting that it was run.
    pub set_enter: Option<String>,
    /// The same of the source `notes`.
    pub notes_enter: Option<String>,
}

/// Folders `pictures`, `notes` and `mail`, which are the set `shop`.
pub struct Place {
    pub site: Site,
}

pub fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

impl Place {
    /// With a little in each folder, and 4 MiB in `pictures`.
    pub fn new() -> Result<Self> {
        let site = Site::local()?;
        for name in ["pictures", "notes", "mail"] {
            fs::create_dir(site.path(name))?;
            fs::write(site.path(name).join("content"), format!("what {name} holds"))?;
        }
        fs::write(site.path("pictures/large"), Random::new(7).bytes(4 << 20))?;
        fs::write(site.path("password"), "correct horse")?;
        let lockgate = site.configured(&text(&site, &Wish::default()))?;
        lockgate.ok(&["init"])?;
        Ok(Self { site })
    }

    /// Jobs of a service, or of a command, over what is remembered here.
    pub async fn jobs(&self, wish: &Wish) -> Result<Jobs> {
        let folder = self.site.path("");
        jobs_in(&folder, &text(&self.site, wish)).await
    }

    /// What the commands noted, in order.
    pub fn log(&self) -> String {
        fs::read_to_string(self.site.path("log")).unwrap_or_default().trim().replace('\n', ", ")
    }

    /// Waits until the commands have noted `line`.
    pub fn wait_for(&self, line: &str) -> Result<()> {
        let is_there = wait_until(|| self.log().contains(line));
        ensure!(is_there, "{line} is not in the log: {}", self.log());
        Ok(())
    }

    /// Waits until there is something at `path`.
    pub fn wait_for_file(&self, path: &str) -> Result<()> {
        ensure!(wait_until(|| self.site.path(path).exists()), "{path} does not come");
        Ok(())
    }

    /// The configuration.
    pub fn text(&self, wish: &Wish) -> String {
        text(&self.site, wish)
    }
}

/// Whether it is so before patience ends.
fn wait_until(is_so: impl Fn() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn text(site: &Site, wish: &Wish) -> String {
    let slow = match wish.is_slow {
        true => format!("limit-upload-kib = {SLOW_KIB}\nlimit-download-kib = {SLOW_KIB}\n"),
        false => String::new(),
    };
    let mut text = format!(
        "[repositories.main]\nurl = \"{}\"\npassword-file = \"{}\"\n{slow}",
        site.repository,
        site.text("password"),
    );
    for name in ["pictures", "notes", "mail"] {
        text.push_str(&format!(
            "[sources.{name}]\nplugin = \"files\"\nfolders.data = {{ path = \"{}\", access = \"read-write\" }}\n",
            site.text(name)
        ));
    }
    text.push_str(&commands(site, "sources.notes", wish.notes_enter.as_deref()));
    text.push_str(
        "[sets.shop]\nsources = [\"pictures\", \"notes\", \"mail\"]\nafter.pictures = [\"mail\"]\nafter.mail = [\"notes\"]\n",
    );
    text.push_str(&commands(site, "sets.shop", wish.set_enter.as_deref()));
    text
}

fn commands(site: &Site, table: &str, enter: Option<&str>) -> String {
    let log = site.text("log");
    let note = format!("echo $LOCKGATE_MAINTENANCE $LOCKGATE_NAME >> {log}");
    let enter = enter.map_or_else(|| note.clone(), |enter| enter.replace("NOTE", &note));
    format!(
        "[{table}.maintenance]\nenter = [\"sh\", \"-c\", \"{enter}\"]\nleave = [\"sh\", \"-c\", \"{note}\"]\n"
    )
}

pub fn backup(name: &str) -> Request {
    Request::Backup(BackupRequest {
        name: name.to_owned(),
        maintenance: true,
        ..BackupRequest::default()
    })
}

pub fn restore(backup: &Backup, sources: &[&str]) -> Result<Request> {
    let names: Result<Vec<Name>, _> = sources.iter().map(|name| name.parse()).collect();
    Ok(Request::Restore(RestoreRequest {
        backup: backup.id.clone(),
        sources: names?,
        parts: Vec::new(),
        rename: std::collections::BTreeMap::default(),
        overwrite: true,
        disaster_recovery: false,
        without_maintenance: false,
        without_stability: false,
        without_verify: false,
    }))
}

/// Waits until a job has ended.
pub async fn ended(jobs: &Jobs, id: JobId) -> Result<Job> {
    let mut listener = jobs.listen(id, 0).await?;
    let all = async {
        while listener.next().await?.is_some() {}
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, all).await.context("a job does not end")??;
    let job = jobs.job(id).await?;
    ensure!(job.state.is_ended(), "{job:?}");
    Ok(job)
}

/// Has something done, to the end.
pub async fn done(jobs: &Jobs, request: Request, expected: JobState) -> Result<Job> {
    let job = jobs.submit(request, "a test").await?;
    let job = ended(jobs, job.id).await?;
    ensure!(job.state == expected, "{job:?}");
    Ok(job)
}

pub async fn backup_of(jobs: &Jobs, job: &Job) -> Result<Backup> {
    Ok(jobs.backup(job.backup.as_ref().context("the job has no backup")?).await?)
}

/// What is said of a source in the last restore from a backup: `STATE message`.
pub fn said(backup: &Backup, source: &str) -> Result<String> {
    let restored = backup.restores.as_ref().context("no restore")?;
    let name: Name = source.parse()?;
    let status = restored.component_status.get(&name).context("no such source")?;
    Ok(format!("{:?} {}", status.state, status.message))
}

/// All that happened in a job.
pub async fn events(jobs: &Jobs, id: JobId) -> Result<Vec<Event>> {
    Ok(jobs.store().events(id, 0, 10_000).await?)
}

/// Whether something is in the notes of a job.
pub fn is_noted(events: &[Event], text: &str) -> bool {
    events.iter().any(
        |event| matches!(&event.happening, Happening::Note { message } if message.contains(text)),
    )
}
