use std::collections::BTreeMap;

use jiff::Timestamp;
use lockgate_api::{
    Backup, BackupState, ComponentState, ComponentStatus, CopyState, RestoreRequest, Restored,
};
use lockgate_engine::configuration::Source;
use lockgate_engine::restore::{Archived, RestoreJob, RestoreReport, Target, rehearse, restore};
use lockgate_types::Name;
use serde_json::{Value, json};

use super::maintenance::OutOfService;
use super::order::order;
use super::tag::{is_repaired, snapshot_of};
use super::{Work, stability};
use crate::{Error, ErrorKind, Origins, Result};

/// Restores sources of a backup: stability → maintenance → rehearsal → one source behind the other → maintenance → stability.
pub(super) fn run(work: &Work, request: &RestoreRequest) -> Result<Value> {
    let opened = Opened::new(work, request)?;
    let warnings = opened.warnings(request);
    warnings.iter().for_each(|warning| work.recorder.note(warning));
    let mut status = Status::begin(work, &opened)?;
    let targets = opened.targets(work)?;
    // Fresh targets are as they are; there is nothing yet that could be stable.
    if !request.without_stability && !request.disaster_recovery {
        stability::before(work, &targets)?;
    }
    let out_of_service = match request.without_maintenance {
        true => None,
        false => Some(OutOfService::enter(work, &in_order_of_maintenance(work, &opened.names))?),
    };
    let result = restore_all(work, request, &opened, &targets, &mut status);
    match out_of_service {
        Some(out) => out.leave(result)?,
        None => result?,
    }
    if !request.without_stability {
        stability::after(work, &targets)?;
    }
    let component_status = status.end()?;
    let read_from = opened.told();
    read_from.iter().for_each(|text| work.recorder.note(text));
    Ok(json!({
        "component_status": component_status,
        "warnings": warnings,
        "repository": opened.origins.name,
        "read_from": read_from,
    }))
}

/// The applications of all sets that the sources belong to, then the sources.
fn in_order_of_maintenance(work: &Work, sources: &[Name]) -> Vec<Name> {
    work.site.sets_taken_out_with(sources).into_iter().chain(sources.iter().cloned()).collect()
}

/// A backup with its snapshot opened.
pub(super) struct Opened {
    pub backup: Backup,
    pub archived: Archived,
    /// The sources that are restored, in order.
    pub names: Vec<Name>,
    // Closed last.
    origins: Origins,
}

impl Opened {
    pub(super) fn new(work: &Work, request: &RestoreRequest) -> Result<Self> {
        let id = &request.backup;
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no backup {id}"));
        let backup = work.wait(work.store.backup(id))?.ok_or_else(missing)?;
        let snapshot = backup.snapshot.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("backup {id} was not completed, and cannot be restored"),
            )
        })?;
        let (origins, snapshot) = origins(work, &backup, snapshot)?;
        let (first, others) = (&origins.repository, &origins.others);
        let archived = Archived::open_with(&work.host()?, first, &snapshot, others)?;
        let sets = &work.site.configuration.sets;
        let set = backup.set.as_ref().and_then(|set| sets.get(set));
        // As they were backed up, unless the configuration knows better.
        let saved: Vec<Name> = archived.manifests.iter().map(|it| it.source.clone()).collect();
        let wanted: Vec<Name> =
            saved.into_iter().filter(|name| work.sources.contains(name)).collect();
        let names = order(&wanted, set.map_or(&BTreeMap::new(), |set| &set.after));
        if names.len() > 1 && !(request.parts.is_empty() && request.rename.is_empty()) {
            let message = "parts and new names are of one source, and several are to be restored";
            return Err(Error::new(ErrorKind::Configuration, message).with_hint("name the source"));
        }
        Ok(Self { backup, archived, names, origins })
    }

    /// What came from where, if not all came from where it was looked for first.
    pub(super) fn told(&self) -> Vec<String> {
        self.origins.told(&self.archived.rescued())
    }

    /// What the operator should know before it is done.
    pub(super) fn warnings(&self, request: &RestoreRequest) -> Vec<String> {
        let mut warnings = Vec::new();
        if is_repaired(&self.archived.snapshot) {
            warnings.push(format!(
                "snapshot {} was repaired: content that was damaged is no longer in it",
                self.archived.snapshot.id.short()
            ));
        }
        let restored = |name: &&Name| self.names.contains(name);
        let set = self.archived.manifests.iter().find_map(|manifest| manifest.set.as_ref());
        let Some(set) = set else { return warnings };
        let left: Vec<&str> =
            set.sources.iter().filter(|name| !restored(name)).map(Name::as_str).collect();
        if !left.is_empty() {
            let names: Vec<&str> = self.names.iter().map(Name::as_str).collect();
            warnings.push(format!(
                "{} would be as of {}, and {} stay as they are: they belong to set {} and may disagree afterwards",
                names.join(", "),
                self.backup.created.strftime("%Y-%m-%d %H:%M:%S UTC"),
                left.join(", "),
                set.name
            ));
        }
        if !request.parts.is_empty() {
            warnings.push("only some parts are restored: the others stay as they are".to_owned());
        }
        warnings
    }

    pub(super) fn targets(&self, work: &Work) -> Result<Vec<(Name, Source)>> {
        let names: Vec<&str> = self.names.iter().map(Name::as_str).collect();
        work.site.sources(&names)
    }

    pub(super) fn jobs<'a>(
        &'a self,
        request: &'a RestoreRequest,
        targets: &'a [(Name, Source)],
    ) -> Vec<RestoreJob<'a>> {
        let job = |(name, source): &'a (Name, Source)| RestoreJob {
            archived: &self.archived,
            source: Some(name),
            target: Target::Source { name, source },
            parts: request.parts.clone(),
            rename: request.rename.clone().into_iter().collect(),
            overwrite: request.overwrite,
            disaster_recovery: request.disaster_recovery,
            verify: !request.without_verify,
        };
        targets.iter().map(job).collect()
    }
}

/// The repositories that have the backup, in the order of the configuration, and its snapshot in the first that can be opened.
fn origins(work: &Work, backup: &Backup, snapshot: &str) -> Result<(Origins, String)> {
    let mut names: Vec<&String> = vec![&backup.repository];
    let configured = work.site.configuration.sources.iter();
    let order = configured.filter(|(name, _)| backup.component_status.contains_key(*name));
    let order: Vec<&str> =
        order.flat_map(|(_, source)| source.repository.iter().map(Name::as_str)).collect();
    names.extend(backup.copies.keys().filter(|name| **name != backup.repository));
    names
        .retain(|name| backup.copies.get(*name).is_none_or(|copy| copy.state == CopyState::Stored));
    let place = |name: &&String| order.iter().position(|it| it == name).unwrap_or(usize::MAX);
    names.sort_by_key(place);
    let located = |name: &String| Ok((name.clone(), work.site.location_named(name)?));
    let locations = names.into_iter().map(located).collect::<Result<Vec<_>>>()?;
    let origins = work.wait(Origins::open(locations))?;
    let snapshots = work.wait(origins.repository.snapshots())?;
    // Its tags may have been changed since, and then it has another id.
    let there = snapshot_of(backup, &snapshots).map(|snapshot| snapshot.id.to_string());
    let copy = backup.copies.get(&origins.name).and_then(|copy| copy.snapshot.clone());
    Ok((origins, there.or(copy).unwrap_or_else(|| snapshot.to_owned())))
}

fn restore_all(
    work: &Work,
    request: &RestoreRequest,
    opened: &Opened,
    targets: &[(Name, Source)],
    status: &mut Status<'_>,
) -> Result<()> {
    let jobs = opened.jobs(request, targets);
    let host = work.host()?;
    rehearse(&host, &jobs)?;
    for ((name, _), job) in targets.iter().zip(&jobs) {
        status.set(name, ComponentStatus::new(ComponentState::Restoring, ""))?;
        match restore(&host, job) {
            Ok(report) => status.set(name, done(&report))?,
            Err(error) => {
                let again =
                    format!("lockgate restore {} --source {name} --overwrite", opened.backup.id);
                let message = format!(
                    "it may hold a part of the backup: {error}; when that is mended, go on with `{again}`"
                );
                status.set(name, ComponentStatus::new(ComponentState::Error, message))?;
                return Err(half_way(&error, name, status));
            }
        }
    }
    Ok(())
}

fn done(report: &RestoreReport) -> ComponentStatus {
    let equal = report.parts.iter().filter(|part| part.is_equal == Some(true)).count();
    let compared = report.parts.iter().filter(|part| part.is_equal.is_some()).count();
    let message = match compared {
        0 => "as in the backup; no fingerprints to compare".to_owned(),
        _ => format!("as in the backup: fingerprints equal in {equal} of {compared}"),
    };
    ComponentStatus {
        state: ComponentState::Ready,
        message,
        items: report.totals.entries,
        bytes: report.totals.bytes,
    }
}

/// The error of a restore of which something is done: what state each datastore is in.
fn half_way(error: &Error, name: &Name, status: &Status<'_>) -> Error {
    let of = |state: ComponentState| {
        let all = status.of().iter().filter(|(_, status)| status.state == state);
        all.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut message = format!("source {name}: {error}");
    for (names, what) in [
        (of(ComponentState::Ready), "as in the backup"),
        (of(ComponentState::Pending), "not touched"),
    ] {
        if !names.is_empty() {
            message.push_str(&format!("; {what}: {names}"));
        }
    }
    let failed = Error::new(error.kind(), message);
    match error.hint() {
        Some(hint) => failed.with_hint(hint),
        None => failed,
    }
}

/// Where the sources of a restore stand, kept in the backup.
struct Status<'a> {
    work: &'a Work,
    backup: Backup,
}

impl<'a> Status<'a> {
    fn begin(work: &'a Work, opened: &Opened) -> Result<Self> {
        let mut backup = opened.backup.clone();
        let pending = ComponentStatus::new(ComponentState::Pending, "not touched yet");
        backup.state = BackupState::Restoring;
        backup.restores = Some(Restored {
            job: work.job.id,
            started: Timestamp::now(),
            ended: None,
            component_status: opened
                .names
                .iter()
                .map(|name| (name.clone(), pending.clone()))
                .collect(),
        });
        work.wait(work.store.put_backup(&backup))?;
        Ok(Self { work, backup })
    }

    fn of(&self) -> &BTreeMap<Name, ComponentStatus> {
        const NONE: &BTreeMap<Name, ComponentStatus> = &BTreeMap::new();
        self.backup.restores.as_ref().map_or(NONE, |restored| &restored.component_status)
    }

    fn set(&mut self, name: &Name, status: ComponentStatus) -> Result<()> {
        self.work.recorder.component(name, status.clone());
        if let Some(restored) = &mut self.backup.restores {
            restored.component_status.insert(name.clone(), status);
        }
        self.work.wait(self.work.store.put_backup(&self.backup))
    }

    fn end(mut self) -> Result<BTreeMap<Name, ComponentStatus>> {
        self.backup.state = BackupState::Ready;
        if let Some(restored) = &mut self.backup.restores {
            restored.ended = Some(Timestamp::now());
        }
        self.work.wait(self.work.store.put_backup(&self.backup))?;
        Ok(self.backup.restores.map(|restored| restored.component_status).unwrap_or_default())
    }
}
