//! Looks for what is wrong when no job says so.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockgate_api::{Backup, BackupState};
use lockgate_engine::configuration::Occasion;
use lockgate_types::Name;

use super::{About, Notifier};
use crate::Result;

/// How often backups are looked at.
const FRESH_PERIOD: Duration = Duration::from_secs(300);
/// How often repositories are opened.
const REACH_PERIOD: Duration = Duration::from_secs(3600);

impl Notifier {
    /// Looks now and then. Ends when it is dropped.
    pub(super) async fn watch(&self) {
        tokio::join!(self.watch_freshness(), self.watch_repositories());
    }

    async fn watch_freshness(&self) {
        let mut changes = self.0.jobs.changes();
        loop {
            if let Err(error) = self.look_for_overdue(Timestamp::now()).await {
                tracing::error!("notifications: {error}");
            }
            // A backup that ended may be the one that was missing.
            let ended =
                async { while !matches!(changes.recv().await, Ok(job) if job.state.is_ended()) {} };
            tokio::time::timeout(FRESH_PERIOD, ended).await.ok();
        }
    }

    async fn watch_repositories(&self) {
        loop {
            for name in self.0.jobs.site().configuration.repositories.keys() {
                if let Err(error) = self.look_for_repository(name).await {
                    tracing::error!("notifications: {error}");
                }
            }
            tokio::time::sleep(REACH_PERIOD).await;
        }
    }

    /// Tells of sets and sources that have no backup which is fresh enough.
    pub(crate) async fn look_for_overdue(&self, now: Timestamp) -> Result<()> {
        let configuration = &self.0.jobs.site().configuration;
        let sets = configuration.sets.iter().map(|(name, set)| (name, true, set.fresh_hours));
        let sources = &configuration.sources;
        let sources = sources.iter().map(|(name, source)| (name, false, source.fresh_hours));
        let watched: Vec<_> = sets
            .chain(sources)
            .filter_map(|(name, is_set, hours)| hours.map(|hours| (name, is_set, hours)))
            .collect();
        if watched.is_empty() {
            return Ok(());
        }
        let store = self.0.jobs.store();
        let mut backups = store.backups_in(BackupState::Ready).await?;
        // It was complete before it was restored.
        backups.extend(store.backups_in(BackupState::Restoring).await?);
        for (name, is_set, hours) in watched {
            let holds = |backup: &&Backup| match is_set {
                true => backup.set.as_ref() == Some(name),
                false => backup.component_status.contains_key(name),
            };
            let newest = backups.iter().filter(holds).map(|backup| backup.created).max();
            let age = newest.map(|newest| now.duration_since(newest));
            let is_overdue = age.is_none_or(|age| age > SignedDuration::from_hours(hours.into()));
            let about = overdue(name, newest, hours, is_overdue);
            self.stands(&format!("overdue {name}"), is_overdue, about).await?;
        }
        Ok(())
    }

    /// Tells when a repository cannot be opened.
    pub(crate) async fn look_for_repository(&self, name: &Name) -> Result<()> {
        let location = self.0.jobs.site().location_named(name.as_str());
        let opened = match location {
            Ok(location) => location.open().await.map(drop),
            Err(error) => Err(error),
        };
        let (is_wrong, text) = match &opened {
            Ok(()) => (false, format!("Repository {name} can be opened again.")),
            Err(error) => (true, format!("Repository {name} cannot be opened: {error}.")),
        };
        let subject = match is_wrong {
            true => format!("repository {name} cannot be opened"),
            false => format!("repository {name} can be opened again"),
        };
        let about = About {
            occasion: Occasion::Unreachable,
            schedule: None,
            is_over: false,
            subject,
            text,
        };
        self.stands(&format!("unreachable {name}"), is_wrong, about).await
    }
}

fn overdue(name: &Name, newest: Option<Timestamp>, hours: u32, is_overdue: bool) -> About {
    let last = match newest {
        Some(newest) => format!("The last one is of {newest:.0}."),
        None => "There is none.".to_owned(),
    };
    let (subject, text) = match is_overdue {
        true => (
            format!("{name} has no fresh backup"),
            format!("{name} has no backup that is younger than {hours} h. {last}"),
        ),
        false => (
            format!("{name} has a fresh backup again"),
            format!("{name} has a backup again that is younger than {hours} h. {last}"),
        ),
    };
    About { occasion: Occasion::Overdue, schedule: None, is_over: false, subject, text }
}
