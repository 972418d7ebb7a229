//! What a repository missed of backups that went to several is copied from one that has it.

use std::fmt;

use lockgate_api::{Backup, BackupId, BackupState, CopyState, CopyStatus};
use lockgate_engine::repositories::Location;
use lockgate_repository::{CopyOptions, Repository};
use serde::Serialize;

use super::Jobs;
use crate::{Result, Site, Store};

/// One backup, and one repository that missed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaughtUp {
    /// The backup.
    pub backup: BackupId,
    /// The repository.
    pub repository: String,
    /// Where it was copied from; none when it could not be copied.
    pub from: Option<String>,
    /// The snapshot that is there now.
    pub snapshot: Option<String>,
    /// Why it could not be copied.
    pub error: Option<String>,
}

impl fmt::Display for CaughtUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backup, repository, from, error, .. } = self;
        match (from, error) {
            (Some(from), _) => {
                write!(formatter, "backup {backup} was copied from {from} to {repository}")
            }
            (None, Some(error)) => {
                write!(formatter, "backup {backup} is still not in {repository}: {error}")
            }
            (None, None) => write!(formatter, "backup {backup} is in {repository}"),
        }
    }
}

impl Jobs {
    /// Copies to each repository what it missed, as far as it can be reached now.
    ///
    /// # Errors
    /// When the store fails. What cannot be copied is told.
    pub async fn catch_up(&self) -> Result<Vec<CaughtUp>> {
        catch_up(&self.0.site, &self.0.store, |_| true).await
    }
}

/// The same for the repositories that `is_meant` tells.
pub(crate) async fn catch_up(
    site: &Site,
    store: &Store,
    is_meant: impl Fn(&String) -> bool,
) -> Result<Vec<CaughtUp>> {
    let mut done = Vec::new();
    for backup in store.backups_in(BackupState::Ready).await? {
        let missed = backup.copies.iter().filter(|(_, copy)| copy.state == CopyState::Missed);
        let names: Vec<String> = missed.map(|(name, _)| name.clone()).filter(&is_meant).collect();
        for name in names {
            let caught_up = bring(site, &backup, &name).await;
            // It may have been deleted or restored from meanwhile; only what is known of the copy changes.
            if let Some(mut now) = store.backup(&backup.id).await? {
                let copy = match (&caught_up.snapshot, &caught_up.error) {
                    (Some(snapshot), _) => CopyStatus::stored(snapshot.clone()),
                    (None, error) => CopyStatus {
                        state: CopyState::Missed,
                        snapshot: None,
                        message: error.clone().unwrap_or_default(),
                    },
                };
                now.copies.insert(name, copy);
                store.put_backup(&now).await?;
            }
            done.push(caught_up);
        }
    }
    Ok(done)
}

async fn bring(site: &Site, backup: &Backup, name: &str) -> CaughtUp {
    let mut caught_up = CaughtUp {
        backup: backup.id.clone(),
        repository: name.to_owned(),
        from: None,
        snapshot: None,
        error: None,
    };
    let target = match open(site, name).await {
        Ok(target) => target,
        Err(error) => {
            caught_up.error = Some(error.to_string());
            return caught_up;
        }
    };
    for (from, copy) in &backup.copies {
        let Some(snapshot) = copy.snapshot.as_deref() else { continue };
        match copy_one(site, from, snapshot, &target).await {
            Ok(id) => {
                caught_up.from = Some(from.clone());
                caught_up.snapshot = Some(id);
                caught_up.error = None;
                return caught_up;
            }
            Err(error) => caught_up.error = Some(error.to_string()),
        }
    }
    caught_up
}

async fn open(site: &Site, name: &str) -> Result<(Location, Repository)> {
    let location = site.location_named(name)?;
    let repository = location.open().await?;
    Ok((location, repository))
}

/// The snapshot's name in the target.
async fn copy_one(
    site: &Site,
    from: &str,
    snapshot: &str,
    (location, target): &(Location, Repository),
) -> Result<String> {
    let (_, origin) = open(site, from).await?;
    let mut options = CopyOptions::default();
    options.snapshots = vec![snapshot.to_owned()];
    options.write = location.write_options()?;
    let report = origin.copy_to(target, &options).await?;
    let copied = report.copied.first().and_then(|copied| copied.to);
    let copied = match copied {
        Some(id) => Some(id),
        // It was there: somebody copied it, or the run was killed right after it was stored.
        None => {
            let original = origin.snapshot(snapshot).await?;
            let original = original.original.unwrap_or(original.id);
            let there = target.snapshots().await?;
            let same =
                |it: &&lockgate_repository::Snapshot| it.original.unwrap_or(it.id) == original;
            there.iter().find(same).map(|it| it.id)
        }
    };
    copied.map(|id| id.to_string()).ok_or_else(|| {
        let message = format!("no copy of snapshot {snapshot} is in the repository");
        crate::Error::new(crate::ErrorKind::NotFound, message)
    })
}
