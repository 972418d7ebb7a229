use jiff::Timestamp;
use lockgate_api::{
    Backup, BackupRequest, BackupState, ComponentState, ComponentStatus, CopyState, CopyStatus,
};
use lockgate_engine::Manifest;
use lockgate_engine::backup::{BackupJob, BackupReport, SetJob, backup};
use serde_json::{Value, json};

use super::maintenance::OutOfService;
use super::{Work, stability, tag};
use crate::jobs::catch_up;
use crate::{Destinations, Error, ErrorKind, Result, Unit};

/// Backs up a set or a source under the id that the job got when it was accepted.
pub(super) fn run(work: &Work, request: &BackupRequest) -> Result<Value> {
    let unit = work.site.unit(&request.name)?;
    let id = work
        .job
        .backup
        .as_ref()
        .ok_or_else(|| Error::new(ErrorKind::Failed, "the job has no backup"))?;
    let missing = || Error::new(ErrorKind::NotFound, format!("backup {id} was deleted meanwhile"));
    let mut object = work.wait(work.store.backup(id))?.ok_or_else(missing)?;
    if request.check_stability {
        stability::before(work, &unit.sources)?;
    }
    let out_of_service = match request.maintenance {
        true => Some(OutOfService::enter(work, &unit.in_order_of_maintenance())?),
        false => None,
    };
    stand(work, &mut object, ComponentState::BackingUp)?;
    let (report, destinations) = match export(work, request, &unit, &object) {
        Ok(done) => done,
        Err(error) => {
            return match out_of_service {
                Some(out) => out.leave(Err(error)),
                None => Err(error),
            };
        }
    };
    complete(
        &mut object,
        &report.snapshot.id.to_string(),
        report.sources.iter().map(|source| &source.manifest),
    );
    object.bytes_stored = report.written.bytes_stored;
    object.copies = destinations.copies(&report);
    if let Some(holder) = destinations.holder(&report).filter(|_| !object.copies.is_empty()) {
        object.repository = holder.to_owned();
    }
    for (source, status) in &object.component_status {
        work.recorder.component(source, status.clone());
    }
    work.wait(work.store.put_backup(&object))?;
    note_missed(work, &object);
    // The snapshot is there, whatever comes of this.
    out_of_service.map_or(Ok(()), |out| out.leave(Ok(())))?;
    bring_what_was_missed(work, &object);
    Ok(json!({
        "backup": object.id,
        "snapshot": object.snapshot,
        "bytes": object.bytes,
        "bytes_stored": object.bytes_stored,
        "is_partial": report.is_partial(),
        "copies": object.copies,
        "held_ms": report.set().map(|set| set.held_ms),
    }))
}

fn stand(work: &Work, object: &mut Backup, state: ComponentState) -> Result<()> {
    for (source, status) in &mut object.component_status {
        status.state = state;
        work.recorder.component(source, status.clone());
    }
    work.wait(work.store.put_backup(object))
}

fn export(
    work: &Work,
    request: &BackupRequest,
    unit: &Unit,
    object: &Backup,
) -> Result<(BackupReport, Destinations)> {
    let source = unit.sources.first().map(|(_, source)| source);
    let destinations = work.wait(work.site.open_all(source))?;
    let job = BackupJob {
        sources: unit.sources.iter().map(|(name, source)| (name, source)).collect(),
        set: unit.set.as_ref().map(|(name, hold_max)| SetJob { name, hold_max: *hold_max }),
        repository: &destinations.repository,
        write: destinations.write.clone(),
        is_required: destinations.is_required,
        mirrors: destinations.mirrors.clone(),
        hostname: work.site.hostname.clone(),
        tags: tag::tags(object, unit.name()),
        parts: Vec::new(),
        force: request.force,
        allow_shrink: request.allow_shrink,
    };
    let report = backup(&work.host()?, &job)?;
    Ok((report, destinations))
}

/// What could be reached just now gets what it missed before.
fn bring_what_was_missed(work: &Work, object: &Backup) {
    let reached = |name: &String| object.copies.get(name).is_some_and(is_stored);
    match work.wait(catch_up(&work.site, &work.store, reached)) {
        Ok(done) => done.iter().for_each(|one| work.recorder.note(one.to_string())),
        // The backup is made all the same.
        Err(error) => work.recorder.note(format!("what was missed is not copied: {error}")),
    }
}

fn is_stored(copy: &CopyStatus) -> bool {
    copy.state == CopyState::Stored
}

fn note_missed(work: &Work, object: &Backup) {
    for (name, copy) in object.copies.iter().filter(|(_, copy)| !is_stored(copy)) {
        work.recorder.note(format!(
            "repository {name} does not have the backup yet, it is copied later: {}",
            copy.message
        ));
    }
}

/// Makes a backup of what a snapshot says of itself.
pub(crate) fn complete<'a>(
    object: &mut Backup,
    snapshot: &str,
    manifests: impl Iterator<Item = &'a Manifest>,
) {
    object.state = BackupState::Ready;
    object.ended = Some(Timestamp::now());
    object.snapshot = Some(snapshot.to_owned());
    object.bytes = 0;
    for manifest in manifests {
        let items = manifest.parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.items));
        let bytes = manifest.parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.bytes));
        object.bytes = object.bytes.saturating_add(bytes);
        let status =
            ComponentStatus { state: ComponentState::Ready, message: String::new(), items, bytes };
        object.component_status.insert(manifest.source.clone(), status);
    }
}
