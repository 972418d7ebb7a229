use lockgate_api::{Backup, BackupId, BackupState};
use lockgate_repository::ForgetOptions;

use super::Jobs;
use crate::work::is_its_snapshot;
use crate::{Error, ErrorKind, Result};

impl Jobs {
    /// Deletes a backup: first its snapshot, then what is remembered of it, so that one that was deleted half-way can be deleted
    /// again. What the snapshot alone needed stays in the repository until a prune.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Conflict` while it is made or restored, or a job waits for it, or its snapshot is pinned
    /// or under retention in the storage; what the repository says, and then the backup stays.
    pub async fn delete_backup(&self, id: &BackupId) -> Result<()> {
        let backup = self.backup(id).await?;
        let in_the_way = match backup.state {
            BackupState::BackingUp => Some("it is being made".to_owned()),
            BackupState::Restoring => Some("it is being restored".to_owned()),
            BackupState::Ready | BackupState::Error => self.job_of(id).await?,
        };
        if let Some(cause) = in_the_way {
            let message = format!("backup {id} is not deleted: {cause}");
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("wait for the end of that job, or cancel it"));
        }
        self.forget(&backup).await?;
        self.0.store.remove_backup(id).await
    }

    /// The job that works with a backup or is about to, in words.
    async fn job_of(&self, id: &BackupId) -> Result<Option<String>> {
        let jobs = self.0.store.unended_jobs().await?;
        let job = jobs.iter().find(|job| job.backup.as_ref() == Some(id));
        Ok(job.map(|job| format!("job {} works with it", job.id)))
    }

    async fn forget(&self, backup: &Backup) -> Result<()> {
        if backup.snapshot.is_none() {
            return Ok(());
        }
        for (name, copy) in backup.copies.iter().filter(|(name, _)| **name != backup.repository) {
            if copy.snapshot.is_some() {
                self.forget_in(backup, name).await?;
            }
        }
        self.forget_in(backup, &backup.repository).await
    }

    async fn forget_in(&self, backup: &Backup, repository: &str) -> Result<()> {
        let repository = self.site().location_named(repository)?.open().await?;
        let snapshots = repository.snapshots().await?;
        let its = snapshots.iter().filter(|snapshot| is_its_snapshot(backup, snapshot));
        let mut options = ForgetOptions::default();
        options.snapshots = its.map(|snapshot| snapshot.id.to_string()).collect();
        if options.snapshots.is_empty() {
            return Ok(());
        }
        let report = repository.forget(&options).await?;
        if report.retained_count() > 0 {
            let message = format!(
                "backup {} is not deleted: its snapshot is under retention in the storage",
                backup.id
            );
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("wait until the retention has ended"));
        }
        if report.removed_count() < options.snapshots.len() {
            let message = format!("backup {} is not deleted: its snapshot is pinned", backup.id);
            return Err(
                Error::new(ErrorKind::Conflict, message).with_hint("`lockgate unpin` lets it go")
            );
        }
        Ok(())
    }
}
