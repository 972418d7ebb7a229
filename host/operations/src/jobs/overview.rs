use std::collections::BTreeMap;

use lockgate_api::{Backup, BackupState, Job, Maintenance, SourceInfo};
use lockgate_types::Name;

use super::{Jobs, Wanted};
use crate::Result;

impl Jobs {
    /// Jobs, the newest first, as far as they are now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, wanted: Wanted) -> Result<Vec<Job>> {
        let mut jobs = self.store().jobs(wanted).await?;
        for job in jobs.iter_mut().filter(|job| !job.state.is_ended()) {
            if let Some(live) = self.live(job.id) {
                job.progress = live.progress();
            }
        }
        Ok(jobs)
    }

    /// Every source of the configuration: how fresh its newest backup is, how it was at the last look, whether it serves.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn overview(&self) -> Result<Vec<SourceInfo>> {
        let store = self.store();
        let mut backups = store.backups_in(BackupState::Ready).await?;
        // It could be restored before, and can be again.
        backups.extend(store.backups_in(BackupState::Restoring).await?);
        let newest = newest_of_each(&backups);
        let mut health = store.health().await?;
        let maintenance = store.maintenance().await?;
        let mut maintenance: BTreeMap<Name, Maintenance> =
            maintenance.into_iter().map(|entry| (entry.source.clone(), entry)).collect();
        let configuration = &self.site().configuration;
        let sets_of = |source: &Name| -> Vec<Name> {
            let sets = configuration.sets.iter();
            let holding = sets.filter(|(_, set)| set.sources.contains(source));
            holding.map(|(name, _)| name.clone()).collect()
        };
        let info = |(name, source): (&Name, &lockgate_engine::configuration::Source)| {
            let backup = newest.get(name);
            SourceInfo {
                name: name.clone(),
                plugin: source.plugin.clone(),
                sets: sets_of(name),
                last_ready: backup.map(|backup| backup.id.clone()),
                last_ready_time: backup.map(|backup| backup.created),
                health: health.remove(name),
                maintenance: maintenance.remove(name),
            }
        };
        Ok(configuration.sources.iter().map(info).collect())
    }
}

/// By source, the backup that was begun last.
fn newest_of_each(backups: &[Backup]) -> BTreeMap<Name, &Backup> {
    let mut newest: BTreeMap<Name, &Backup> = BTreeMap::new();
    for backup in backups {
        for name in backup.component_status.keys() {
            let known = newest.entry(name.clone()).or_insert(backup);
            if known.created < backup.created {
                *known = backup;
            }
        }
    }
    newest
}
