//! Backup: plan → admit → launch → begin → join → release → export → commit → end.
//!
//! What is backed up is one source, or a set of several as of one moment: then each stage is done for all of them before
//! the next begins.

mod barrier;
mod destinations;
mod job;
mod member;
mod parent;
mod parent_folders;
mod plan;
mod record;
mod shrink;
mod sink;

use std::sync::Arc;
use std::time::Instant;

use lockgate_repository::Writer;
use lockgate_types::Outcome;

use crate::progress::{Event, Progress, with_ticker};
use crate::{Error, ErrorKind, Host, Manifest, Result, audit};

pub use job::{BackupJob, BackupReport, SetJob, SourceReport, Written};

use barrier::Begun;
use member::Member;

/// What all sources of one run share.
struct Run<'a> {
    host: &'a Host,
    job: &'a BackupJob<'a>,
    writer: &'a Arc<Writer>,
    progress: Arc<Progress>,
}

/// Makes one backup.
///
/// # Errors
/// Whatever goes wrong; then there is no snapshot.
pub fn backup(host: &Host, job: &BackupJob<'_>) -> Result<BackupReport> {
    let names: Vec<&str> = job.sources.iter().map(|(name, _)| name.as_str()).collect();
    host.audit.record_each("backup", &names, |runs| recorded(host, job, runs))
}

fn recorded(host: &Host, job: &BackupJob<'_>, runs: &[Arc<audit::Run>]) -> Result<BackupReport> {
    let started = Instant::now();
    let members = member::launch(host, job, runs)?;
    let listening: Vec<_> = members.iter().map(|member| member.listen(host)).collect();
    let (writer, absent) = host.runtime.block_on(Writer::fan_out(destinations::of(job)))?;
    let writer = Arc::new(writer);
    // A slow storage may have much to take in after the plugins have given everything.
    let canceller = writer.canceller();
    let storing = host.cancel.listen(move || canceller.cancel());

    let run = Run { host, job, writer: &writer, progress: Arc::new(Progress::default()) };
    let exported = with_ticker(&host.observer, &run.progress, || export_all(&run, &members));
    drop(run);

    let parent = destinations::parent(record::parent(&members), &absent);
    let finished = match exported {
        Ok(exported) => finish(host, job, writer, exported, parent),
        Err(error) => Err(abort(host, writer, error)),
    };
    drop((listening, storing));
    let unused: Vec<_> = members.into_iter().map(Member::close).collect();
    let finished = finished.map_err(|error| match error.kind() {
        ErrorKind::Interrupted => interrupted(),
        _ => error,
    });
    let (stored, bytes_read, mut sources) = finished?;
    for (source, unused) in sources.iter_mut().zip(unused) {
        source.unused = unused;
    }
    let stored = destinations::in_order(stored, absent);
    let snapshot = stored.iter().find_map(|one| one.as_ref().ok()).cloned().ok_or_else(|| {
        Error::new(ErrorKind::Failed, "no repository has the backup, and none has said why")
    })?;
    let written = Written::new(bytes_read, &snapshot);
    let duration = started.elapsed();
    Ok(BackupReport { snapshot, stored, sources, written, parent, duration })
}

/// What the export left behind: the coordinators still hold their sessions, the writer still holds its data.
struct Exported {
    begun: Vec<Begun>,
    manifests: Vec<Manifest>,
}

/// begin → join → release → export. Whoever began is told how it ended.
fn export_all(run: &Run<'_>, members: &[Member<'_>]) -> Result<Exported> {
    let mut begun = Vec::with_capacity(members.len());
    match export_begun(run, members, &mut begun) {
        Ok(manifests) => Ok(Exported { begun, manifests }),
        Err(error) => {
            end_all(&mut begun, &outcome(&error));
            Err(error)
        }
    }
}

fn export_begun(
    run: &Run<'_>,
    members: &[Member<'_>],
    begun: &mut Vec<Begun>,
) -> Result<Vec<Manifest>> {
    let set = barrier::hold(run, members, begun)?;
    run.stage("export")?;
    barrier::export(run, members, begun, |_| true)?;
    let manifests: Vec<_> = members
        .iter()
        .zip(begun)
        .map(|(member, begun)| record::manifest(member, begun, set.clone()))
        .collect();
    for (member, manifest) in members.iter().zip(&manifests) {
        if !run.job.allow_shrink && run.job.parts.is_empty() {
            shrink::review(member.parent.as_ref(), manifest)?;
        }
    }
    manifests.iter().try_for_each(|manifest| record::add_manifest(run, manifest))?;
    run.stage("index")?;
    Ok(manifests)
}

impl Run<'_> {
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

/// The last that began ends first. What a plugin says when all has failed anyway adds nothing.
fn end_all(begun: &mut [Begun], outcome: &Outcome) {
    for one in begun.iter_mut().rev() {
        one.coordinator.backup_end(outcome.clone()).ok();
    }
}

/// commit → end. From the commit on the backup exists, whatever the plugins then say.
fn finish(
    host: &Host,
    job: &BackupJob<'_>,
    writer: Arc<Writer>,
    exported: Exported,
    parent: Option<lockgate_types::Digest>,
) -> Result<(destinations::Stored, u64, Vec<SourceReport>)> {
    let Exported { mut begun, manifests } = exported;
    if host.cancel.is_cancelled() {
        end_all(&mut begun, &Outcome::Cancelled);
        return Err(abort(host, writer, interrupted()));
    }
    host.observer.event(&Event::Stage("commit"));
    let Some(writer) = Arc::into_inner(writer) else {
        return Err(Error::new(
            ErrorKind::Failed,
            "an entry is still being written after the export",
        ));
    };
    let bytes_read = writer.progress().bytes_read;
    let draft = record::draft(job, parent);
    let stored = match host.runtime.block_on(writer.commit_everywhere(draft)) {
        Ok(stored) => stored,
        Err(error) => {
            let error = Error::from(error);
            end_all(&mut begun, &outcome(&error));
            return Err(error);
        }
    };
    host.observer.event(&Event::Stage("end"));
    let completed = |(mut begun, manifest): (Begun, Manifest)| {
        let ended = begun.coordinator.backup_end(Outcome::Completed);
        let findings = ended.unwrap_or_else(|error| vec![record::end_failed(&error.into())]);
        SourceReport { manifest, findings, unused: Vec::new() }
    };
    let sources = begun.into_iter().zip(manifests).map(completed).collect();
    Ok((stored, bytes_read, sources))
}

/// Leaves nothing behind that counts as a backup, and gives back the reason.
fn abort(host: &Host, writer: Arc<Writer>, error: Error) -> Error {
    if let Some(writer) = Arc::into_inner(writer) {
        host.runtime.block_on(writer.abort());
    }
    error
}
