//! Backups whose snapshots somebody took out of the repository, by other ways than lockgate's, and those whose snapshots are back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lockgate_api::{Backup, BackupId, BackupState, ComponentState, CopyState, CopyStatus, Problem};
use tokio::sync::MutexGuard;

use super::Jobs;
use crate::work::{is_repaired, lose_copy, snapshot_of};
use crate::{Error, ErrorKind, Result};

/// How often a service looks although nobody asks.
const PERIOD: Duration = Duration::from_secs(300);
/// Time within which what was seen counts as true for whoever asks.
const FRESH: Duration = Duration::from_secs(60);
/// Time that a repository may take to list its snapshots.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Characters of a snapshot's id that are shown.
const SHOWN: usize = 8;

impl Jobs {
    /// Looks now and then whether the snapshots of all backups are there. Ends when it is dropped.
    pub async fn keep_looking_for_snapshots(&self) {
        loop {
            self.look_for_snapshots().await;
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Looks whether the snapshots of all backups are there, unless somebody does or did lately. What one repository did not
    /// tell is in the result; its backups stay as they are.
    pub async fn refresh_backups(&self) -> Vec<Error> {
        let Ok(mut looked) = self.0.looked.try_lock() else { return Vec::new() };
        match *looked {
            Some(last) if last.elapsed() < FRESH => Vec::new(),
            _ => self.look(&mut looked).await,
        }
    }

    /// The same at once.
    pub(crate) async fn look_for_snapshots(&self) -> Vec<Error> {
        let mut looked = self.0.looked.lock().await;
        self.look(&mut looked).await
    }

    async fn look(&self, looked: &mut MutexGuard<'_, Option<Instant>>) -> Vec<Error> {
        **looked = Some(Instant::now());
        let errors = match self.compare_all().await {
            Ok(errors) => errors,
            Err(error) => vec![error],
        };
        errors.iter().for_each(|error| tracing::warn!("{error}"));
        errors
    }

    async fn compare_all(&self) -> Result<Vec<Error>> {
        // Before the snapshots: what is complete here is there.
        let mut known = self.0.store.backups_in(BackupState::Ready).await?;
        known.extend(self.0.store.backups_in(BackupState::Error).await?);
        let mut by_repository: BTreeMap<String, Vec<BackupId>> = BTreeMap::new();
        for backup in known.into_iter().filter(|backup| backup.snapshot.is_some()) {
            let copies = backup.copies.iter().filter(|(_, copy)| copy.state == CopyState::Stored);
            let mut places: BTreeSet<String> = copies.map(|(name, _)| name.clone()).collect();
            places.insert(backup.repository.clone());
            for place in places {
                by_repository.entry(place).or_default().push(backup.id.clone());
            }
        }
        let mut errors = Vec::new();
        for (name, backups) in by_repository {
            let compared = tokio::time::timeout(LOOK_MAX, self.compare(&name, backups)).await;
            let slow = || Err(Error::new(ErrorKind::Unreachable, "no answer"));
            if let Err(error) = compared.unwrap_or_else(|_| slow()) {
                let message =
                    format!("backups in {name} are shown as they were when last seen: {error}");
                errors.push(Error::new(error.kind(), message));
            }
        }
        Ok(errors)
    }

    /// Whether a schedule is about to forget backups: a snapshot that is gone then may be one that it has just deleted.
    async fn is_retention_begun(&self) -> Result<bool> {
        for name in self.site().configuration.schedules.keys() {
            if self.0.store.schedule(name).await?.is_some_and(|it| it.retention.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn compare(&self, name: &str, backups: Vec<BackupId>) -> Result<()> {
        let repository = self.site().location_named(name)?.open().await?;
        let snapshots = repository.snapshots().await?;
        // After the snapshots: one that ended in between has removed what it knows of those that it deleted.
        if self.is_retention_begun().await? {
            return Ok(());
        }
        for id in backups {
            // As it is now: another repository may have lost it too.
            let Some(mut backup) = self.0.store.backup(&id).await? else { continue };
            let before = backup.state;
            if !matches!(before, BackupState::Ready | BackupState::Error) {
                continue;
            }
            // One whose tags somebody changed has another id.
            let is_changed = match snapshot_of(&backup, &snapshots) {
                // It lacks what was damaged: whoever restores it is told, and the whole one stays the one that is meant.
                Some(found) if is_repaired(found) => false,
                Some(found) => is_there(&mut backup, name, found.id.to_string()),
                None => is_gone(&mut backup, name),
            };
            if is_changed && self.0.store.change_backup(&backup, before).await? {
                let state = backup.state;
                tracing::warn!(backup = %backup.id, ?state, "its snapshot went, came or was changed");
            }
        }
        Ok(())
    }
}

/// Whether a backup is another one now that its snapshot was seen.
fn is_there(backup: &mut Backup, place: &str, snapshot: String) -> bool {
    if let Some(copy) = backup.copies.get_mut(place)
        && copy.snapshot.as_ref() != Some(&snapshot)
        && backup.repository != place
    {
        *copy = CopyStatus::stored(snapshot);
        return true;
    }
    if backup.repository != place {
        return false;
    }
    let is_same = backup.snapshot.as_ref() == Some(&snapshot);
    if is_same && backup.state == BackupState::Ready {
        return false;
    }
    if let Some(copy) = backup.copies.get_mut(place) {
        *copy = CopyStatus::stored(snapshot.clone());
    }
    backup.snapshot = Some(snapshot);
    (backup.state, backup.error) = (BackupState::Ready, None);
    for status in backup.component_status.values_mut() {
        status.state = ComponentState::Ready;
        status.message.clear();
    }
    true
}

/// Whether a backup is another one now that its snapshot was not found.
fn is_gone(backup: &mut Backup, place: &str) -> bool {
    if lose_copy(backup, place) {
        return true;
    }
    if backup.state == BackupState::Error {
        return false;
    }
    let snapshot: String = backup.snapshot.iter().flat_map(|id| id.chars()).take(SHOWN).collect();
    let detail = format!("its snapshot {snapshot} is no more in repository {}", backup.repository);
    for status in backup.component_status.values_mut() {
        status.state = ComponentState::Error;
        status.message.clone_from(&detail);
    }
    let hint = format!(
        "somebody forgot it there; when it is put back the backup is ready again, and `lockgate delete {}` forgets it",
        backup.id
    );
    backup.error = Some(Problem::new("not-found", detail).with_hint(hint));
    backup.state = BackupState::Error;
    true
}
