use std::collections::{BTreeMap, BTreeSet};

use lockgate_api::{Backup, BackupId, BackupState, CopyState, Happening, RetentionRequest};
use lockgate_engine::configuration::{Prune, Schedule};
use lockgate_repository::{Filter, ForgetOptions, Grouping, Policy, PruneOptions, Repository};
use lockgate_types::Name;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Work, is_its_snapshot, label_tag, saves_tag, schedule_tag, tag};
use crate::schedule::schedule_of;
use crate::{Error, ErrorKind, Result, Store, Unit};

/// Forgets what a schedule does not keep, in each repository that has it, and gives space back where that is asked for, beside
/// whatever else goes on. Who wishes to stop it is heard between two steps.
pub(super) fn run(work: &Work, request: &RetentionRequest) -> Result<Value> {
    let name = &request.schedule;
    let schedule = work.site.configuration.schedules.get(name).ok_or_else(|| {
        Error::new(ErrorKind::Configuration, format!("there is no schedule {name} any more"))
    })?;
    let mut repositories = BTreeMap::new();
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for unit in &request.units {
        let unit = work.site.unit(unit.as_str())?;
        let source = unit.sources.first().map(|(_, source)| source);
        for (place, location) in work.site.locations(source)? {
            // The repository's own policy counts before that of the schedule.
            let Some(policy) = location.settings.keep.as_ref().or(schedule.keep.as_ref()) else {
                continue;
            };
            go_on(work)?;
            stage(work, "forget");
            let repository = work.wait(location.open())?;
            let retention = Retention { work, name, schedule, unit: &unit, place: &place };
            let (kept, forgotten) = work.wait(retention.forget(&repository, policy))?;
            let note = format!("{} in {place}: {forgotten} forgotten, {kept} kept", unit.name());
            work.recorder.note(note);
            let sum = counts.entry(unit.name().to_owned()).or_default();
            (sum.kept, sum.forgotten) = (sum.kept + kept, sum.forgotten + forgotten);
            let prune = location.settings.prune.unwrap_or(schedule.prune);
            repositories.insert(place, (repository, prune));
        }
    }
    let is_due = |prune: Prune| match prune {
        Prune::Never => false,
        Prune::After => true,
        Prune::Weekly => request.week_is_over,
    };
    let mut is_pruned = false;
    for (place, (repository, _)) in repositories.iter().filter(|(_, (_, prune))| is_due(*prune)) {
        go_on(work)?;
        stage(work, "prune");
        let report = work.wait(repository.prune(&PruneOptions::default()))?;
        let (marked, removed) = (report.packs_marked, report.packs_removed);
        work.recorder.note(format!(
            "repository {place}: {removed} packs deleted, {marked} marked for later"
        ));
        let held = report.packs_retained + report.packs_hidden;
        if held > 0 {
            let bytes = report.bytes_retained + report.bytes_hidden;
            work.recorder.note(format!(
                "repository {place}: {held} packs with {bytes} bytes are in the storage until their retention has ended"
            ));
        }
        is_pruned = true;
    }
    Ok(json!({ "units": counts, "pruned": is_pruned }))
}

/// Snapshots of one set or source.
#[derive(Default, Serialize)]
struct Counts {
    kept: usize,
    forgotten: usize,
}

fn go_on(work: &Work) -> Result<()> {
    match work.cancel.is_cancelled() {
        true => {
            Err(Error::new(ErrorKind::Interrupted, "stopped; the next run of the schedule goes on"))
        }
        false => Ok(()),
    }
}

fn stage(work: &Work, stage: &str) {
    work.recorder.happened(Happening::Stage { stage: stage.to_owned() });
}

/// What a schedule keeps of one set or source in one repository.
struct Retention<'a> {
    work: &'a Work,
    name: &'a Name,
    schedule: &'a Schedule,
    unit: &'a Unit,
    place: &'a str,
}

impl Retention<'_> {
    /// Forgets what the policy does not keep of the backups that this schedule made of the unit, or that have its label. How many
    /// snapshots stay, and how many went.
    async fn forget(&self, repository: &Repository, policy: &Policy) -> Result<(usize, usize)> {
        let mut options = ForgetOptions::default();
        options.policy = policy.clone();
        let in_use = in_use(&self.work.store).await?;
        options.policy.tags.extend(in_use.iter().map(|id| vec![tag(id)]));
        options.grouping = Grouping { by_host: true, by_paths: false, by_tags: false };
        let saves = saves_tag(self.unit.name());
        let made = vec![schedule_tag(self.name), saves.clone()];
        let labelled = self.schedule.label.as_ref().map(|label| vec![label_tag(label), saves]);
        options.filter = Filter {
            hosts: vec![self.work.site.hostname.clone()],
            tags: std::iter::once(made).chain(labelled).collect(),
            ..Filter::default()
        };
        let report = repository.forget(&options).await?;
        let is_its = |backup: &Backup| {
            let is_made = schedule_of(&backup.requested_by).as_ref() == Some(self.name);
            let is_labelled = self.schedule.label.as_ref() == Some(&backup.label);
            (backup.repository == self.place || backup.copies.contains_key(self.place))
                && (is_made || is_labelled)
                && is_of(backup, self.unit)
                && !in_use.contains(&backup.id)
        };
        forget_records(&self.work.store, self.place, repository, is_its).await?;
        Ok((report.kept_count(), report.removed_count()))
    }
}

/// Backups that a job makes or restores, or is about to.
async fn in_use(store: &Store) -> Result<BTreeSet<BackupId>> {
    let mut found = BTreeSet::new();
    for state in [BackupState::Restoring, BackupState::BackingUp] {
        found.extend(store.backups_in(state).await?.into_iter().map(|backup| backup.id));
    }
    found.extend(store.unended_jobs().await?.into_iter().filter_map(|job| job.backup));
    Ok(found)
}

/// Forgets the backups whose snapshots are gone, also those of a run that was killed in between, and failed ones that are older
/// than all that is left.
async fn forget_records(
    store: &Store,
    place: &str,
    repository: &Repository,
    is_its: impl Fn(&Backup) -> bool,
) -> Result<()> {
    // Before the snapshots: what is complete here is there.
    let mut ready = store.backups_in(BackupState::Ready).await?;
    ready.retain(&is_its);
    let mut failed = store.backups_in(BackupState::Error).await?;
    failed.retain(&is_its);
    let snapshots = repository.snapshots().await?;
    // Also by what a snapshot is a copy of: somebody may have replaced all its tags.
    let is_there = |it: &Backup| snapshots.iter().any(|snapshot| is_its_snapshot(it, snapshot));
    let (left, gone): (Vec<_>, Vec<_>) = ready.into_iter().partition(is_there);
    let oldest = left.iter().map(|backup| backup.created).min();
    let old = failed.iter().filter(|it| oldest.is_some_and(|oldest| it.created < oldest));
    for backup in old {
        store.remove_backup(&backup.id).await?;
    }
    for mut backup in gone {
        // What a repository missed it has not forgotten.
        if backup.copies.get(place).is_some_and(|copy| copy.state == CopyState::Missed) {
            continue;
        }
        match lose_copy(&mut backup, place) {
            true => store.put_backup(&backup).await?,
            false => store.remove_backup(&backup.id).await?,
        }
    }
    Ok(())
}

/// A repository has no snapshot of the backup any more. Whether another one has.
pub(crate) fn lose_copy(backup: &mut Backup, place: &str) -> bool {
    backup.copies.remove(place);
    if backup.repository != place {
        return true;
    }
    let mut stored = backup.copies.iter();
    let other = stored.find_map(|(name, copy)| Some((name.clone(), copy.snapshot.clone()?)));
    let Some((other, snapshot)) = other else { return false };
    (backup.repository, backup.snapshot) = (other, Some(snapshot));
    true
}

/// Whether a backup is one of this set, or of this source alone.
fn is_of(backup: &Backup, unit: &Unit) -> bool {
    match (&unit.set, &backup.set) {
        (Some((set, _)), Some(its)) => set == its,
        (None, None) => {
            backup.component_status.keys().eq(unit.sources.iter().map(|(name, _)| name))
        }
        _ => false,
    }
}
