//! Backup: plan → admit → launch → begin → join → release → export → commit → end.

mod export;
mod parent;
mod plan;
mod record;
mod shrink;
mod sink;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_repository::{Repository, Snapshot, WriteOptions, Writer};
use lockgate_sandbox::{Instance, Session};
use lockgate_trust::{Granted, Grants};
use lockgate_types::{BackupPlan, BackupRequest, Descriptor, Finding, Name, Outcome};

use crate::configuration::Source;
use crate::host::Launch;
use crate::progress::{Event, Progress, planned, with_ticker};
use crate::trust::both_sides;
use crate::{Error, ErrorKind, Host, Manifest, Plugin, Result, audit};

use parent::Parent;

/// What one backup is of, and where it goes.
pub struct BackupJob<'a> {
    /// Name of the source.
    pub name: &'a Name,
    /// The source.
    pub source: &'a Source,
    /// Where it goes.
    pub repository: &'a Repository,
    /// How it is written.
    pub write: WriteOptions,
    /// Written into the snapshot.
    pub hostname: String,
    /// Written into the snapshot.
    pub tags: Vec<String>,
    /// Only these parts; empty for all.
    pub parts: Vec<String>,
    /// Read everything, even what the parent snapshot holds unchanged.
    pub force: bool,
    /// Accept a result that is empty or far smaller than the parent's.
    pub allow_shrink: bool,
}

/// What a backup did.
#[derive(Debug)]
pub struct BackupReport {
    /// The snapshot that now exists.
    pub snapshot: Snapshot,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What the repository counted.
    pub written: Written,
    /// What the plugin noticed while it ended.
    pub findings: Vec<Finding>,
    /// What was granted and not used: the configuration could give less.
    pub unused: Vec<Granted>,
    /// The snapshot that unchanged entries were compared with.
    pub parent: Option<lockgate_types::Digest>,
    /// From the first stage to the last.
    pub duration: Duration,
}

impl BackupReport {
    /// Whether the plugin says that it could not save everything.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let missed = ["unreadable", "failed"];
        self.manifest.parts.iter().any(|part| {
            missed.iter().any(|key| part.summary.get(*key).is_some_and(|count| count != "0"))
        })
    }
}

/// What the repository counted, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Read from the source; entries that are reused are not read.
    pub bytes_read: u64,
    /// Not in the repository before, before compression.
    pub bytes_new: u64,
    /// The same after compression and encryption.
    pub bytes_stored: u64,
}

impl Written {
    fn new(bytes_read: u64, snapshot: &Snapshot) -> Self {
        let summary = snapshot.summary.as_ref();
        let bytes_new = summary.map_or(0, |summary| summary.data_added);
        let bytes_stored = summary.map_or(0, |summary| summary.data_added_packed);
        Self { bytes_read, bytes_new, bytes_stored }
    }
}

/// What the stages of one run share.
struct Run<'a> {
    host: &'a Host,
    job: &'a BackupJob<'a>,
    plugin: &'a Plugin,
    grants: &'a Grants,
    session: &'a Session,
    writer: &'a Arc<Writer>,
    parent: Option<Parent>,
    progress: Arc<Progress>,
}

/// Makes one backup.
///
/// # Errors
/// Whatever goes wrong; then there is no snapshot.
pub fn backup(host: &Host, job: &BackupJob<'_>) -> Result<BackupReport> {
    host.audit.record("backup", job.name.as_str(), |run| recorded(host, job, run))
}

fn recorded(host: &Host, job: &BackupJob<'_>, run: &Arc<audit::Run>) -> Result<BackupReport> {
    let started = Instant::now();
    host.observer.event(&Event::Stage("plan"));
    let parent = if job.force { None } else { plan::parent(host, job)? };
    host.observer.event(&Event::Stage("admit"));
    let plugin = host.admit(&job.source.plugin)?;
    // A backup has no business changing what it saves.
    let given = job.source.grants().read_only();
    let (grants, limits) = both_sides(&plugin, job.name.as_str(), &given, &job.source.limits)?;
    host.observer.event(&Event::Stage("launch"));
    let (name, config) = (job.name.to_string(), job.source.config_json());
    let session = host.launch(&plugin, Launch { run, name, grants: &grants, limits, config })?;
    let canceller = session.canceller();
    let listening = host.cancel.listen(move || canceller.cancel());
    let writer = Arc::new(host.runtime.block_on(job.repository.writer(job.write.clone()))?);
    // A slow storage may have much to take in after the plugin has given everything.
    let canceller = writer.canceller();
    let storing = host.cancel.listen(move || canceller.cancel());

    let parent_id = parent.as_ref().map(|parent| parent.snapshot.id);
    let progress = Arc::new(Progress::default());
    let run = Run {
        host,
        job,
        plugin: &plugin,
        grants: &grants,
        session: &session,
        writer: &writer,
        parent,
        progress,
    };
    let exported = with_ticker(&host.observer, &run.progress, || run.export_all());
    drop(run);

    let finished = match exported {
        Ok(exported) => finish(host, job, writer, exported, parent_id),
        Err(error) => Err(abort(host, writer, error)),
    };
    drop((listening, storing));
    let unused = session.unused();
    session.close();
    let finished = finished.map_err(|error| match error.kind() {
        ErrorKind::Interrupted => interrupted(),
        _ => error,
    });
    let (snapshot, manifest, written, findings) = finished?;
    let duration = started.elapsed();
    Ok(BackupReport { snapshot, manifest, written, findings, unused, parent: parent_id, duration })
}

/// What the export left behind: the coordinator still holds its session, the writer still holds its data.
struct Exported {
    coordinator: Instance,
    manifest: Manifest,
}

impl Run<'_> {
    /// begin → join → release → export.
    fn export_all(&self) -> Result<Exported> {
        let mut coordinator = self.session.instance("coordinator")?;
        let descriptor = coordinator.describe()?;
        self.plugin.check_descriptor(&descriptor)?;
        self.stage("begin")?;
        let request = BackupRequest {
            parts: self.job.parts.clone(),
            since: self.parent.as_ref().and_then(Parent::mark),
            ..BackupRequest::default()
        };
        let plan = coordinator.backup_begin(request)?;
        match self.export_planned(&mut coordinator, &descriptor, &plan) {
            Ok(manifest) => Ok(Exported { coordinator, manifest }),
            Err(error) => {
                end(&mut coordinator, outcome(&error)).ok();
                Err(error)
            }
        }
    }

    fn export_planned(
        &self,
        coordinator: &mut Instance,
        descriptor: &Descriptor,
        plan: &BackupPlan,
    ) -> Result<Manifest> {
        plan::review(self.job.name, &plan.parts, &self.job.parts)?;
        self.host.observer.event(&planned(plan.parts.iter()));
        self.stage("join")?;
        let instances = self.join(plan)?;
        self.stage("release")?;
        coordinator.backup_release()?;
        self.stage("export")?;
        let parts = self.export_parts(instances, &plan.parts)?;
        let manifest = record::manifest(self, descriptor, plan, parts);
        if !self.job.allow_shrink && self.job.parts.is_empty() {
            shrink::review(self.parent.as_ref(), &manifest)?;
        }
        record::add_manifest(self, &manifest)?;
        self.stage("index")?;
        Ok(manifest)
    }

    /// One instance per part, at most as many as may work at once; an instance that took part in the consistent point then
    /// exports several parts one after the other.
    fn join(&self, plan: &BackupPlan) -> Result<Vec<Instance>> {
        let wanted = usize::try_from(self.job.source.parallel).unwrap_or(1).min(plan.parts.len());
        let max = plan::workers_max(self.job.name, &plan.attributes)?;
        let wanted = max.map_or(wanted, |max| wanted.min(max));
        let mut instances = Vec::with_capacity(wanted);
        for number in 1..=wanted {
            let mut instance = self.session.instance(&format!("worker {number}"))?;
            instance.backup_join(&plan.mark)?;
            instances.push(instance);
        }
        Ok(instances)
    }

    fn stage(&self, stage: &'static str) -> Result<()> {
        if self.host.cancel.is_cancelled() {
            return Err(interrupted());
        }
        self.host.observer.event(&Event::Stage(stage));
        Ok(())
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "stopped by the operator; no snapshot was made")
        .with_hint("what was stored already is reused by the next run")
}

fn outcome(error: &Error) -> Outcome {
    match error.kind() {
        ErrorKind::Interrupted => Outcome::Cancelled,
        _ => Outcome::Failed(error.to_string()),
    }
}

fn end(coordinator: &mut Instance, outcome: Outcome) -> Result<Vec<Finding>> {
    Ok(coordinator.backup_end(outcome)?)
}

type Finished = (Snapshot, Manifest, Written, Vec<Finding>);

/// commit → end. From the commit on the backup exists, whatever the plugin then says.
fn finish(
    host: &Host,
    job: &BackupJob<'_>,
    writer: Arc<Writer>,
    exported: Exported,
    parent: Option<lockgate_types::Digest>,
) -> Result<Finished> {
    let Exported { mut coordinator, manifest } = exported;
    if host.cancel.is_cancelled() {
        end(&mut coordinator, Outcome::Cancelled).ok();
        return Err(abort(host, writer, interrupted()));
    }
    host.observer.event(&Event::Stage("commit"));
    let Some(writer) = Arc::into_inner(writer) else {
        return Err(Error::new(
            ErrorKind::Failed,
            "an entry is still being written after the export",
        ));
    };
    let draft = record::draft(job, parent);
    let bytes_read = writer.progress().bytes_read;
    match host.runtime.block_on(writer.commit(draft)) {
        Ok(snapshot) => {
            let written = Written::new(bytes_read, &snapshot);
            host.observer.event(&Event::Stage("end"));
            let findings = end(&mut coordinator, Outcome::Completed)
                .unwrap_or_else(|error| vec![record::end_failed(&error)]);
            Ok((snapshot, manifest, written, findings))
        }
        Err(error) => {
            let error = Error::from(error);
            end(&mut coordinator, outcome(&error)).ok();
            Err(error)
        }
    }
}

/// Leaves nothing behind that counts as a backup, and gives back the reason.
fn abort(host: &Host, writer: Arc<Writer>, error: Error) -> Error {
    if let Some(writer) = Arc::into_inner(writer) {
        host.runtime.block_on(writer.abort());
    }
    error
}
