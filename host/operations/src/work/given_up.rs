use lockgate_api::{Backup, BackupState, ComponentState, Job, JobKind, Problem};

use crate::{Result, Store};

/// Writes into a backup that the job that made or restored it ended with trouble.
pub(crate) async fn given_up(store: &Store, job: &Job, error: &Problem) -> Result<()> {
    let Some(id) = &job.backup else { return Ok(()) };
    let Some(mut backup) = store.backup(id).await? else { return Ok(()) };
    match job.kind {
        JobKind::Backup if backup.state == BackupState::BackingUp => {
            abandon_backup(&mut backup, error)
        }
        JobKind::Restore if backup.state == BackupState::Restoring => abandon_restore(&mut backup),
        _ => return Ok(()),
    }
    store.put_backup(&backup).await
}

fn abandon_backup(backup: &mut Backup, error: &Problem) {
    backup.state = BackupState::Error;
    backup.ended = Some(jiff::Timestamp::now());
    backup.error = Some(error.clone());
    // All sources are in a snapshot, or there is none.
    let message = "not saved: there is no snapshot of this backup";
    for status in backup.component_status.values_mut() {
        status.state = ComponentState::Error;
        message.clone_into(&mut status.message);
    }
}

/// What can be restored stays so, whatever became of one restore.
fn abandon_restore(backup: &mut Backup) {
    backup.state = BackupState::Ready;
    let id = backup.id.clone();
    let Some(restore) = &mut backup.restores else { return };
    restore.ended = Some(jiff::Timestamp::now());
    for (source, status) in &mut restore.component_status {
        if status.state == ComponentState::Restoring {
            status.state = ComponentState::Error;
            status.message = format!(
                "the restore was broken off while it was restored: it holds part of the backup; go on with \
                 `lockgate restore {id} --source {source} --overwrite`"
            );
        }
    }
}
