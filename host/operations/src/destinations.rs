//! Backups that go to several repositories.

use std::collections::BTreeMap;
use std::time::Duration;

use lockgate_api::{CopyState, CopyStatus};
use lockgate_engine::backup::BackupReport;
use lockgate_engine::configuration::{OnFailure, Source};
use lockgate_engine::{Destination, Error, Result};
use lockgate_repository::{Repository, WriteOptions};

use crate::Site;

/// The repositories of a backup that could be opened, and why the others could not.
pub struct Destinations {
    /// The first that could be opened: the plugins continue from what is in it.
    pub repository: Repository,
    /// How it is written.
    pub write: WriteOptions,
    /// Whether the backup fails when it does.
    pub is_required: bool,
    /// The others.
    pub mirrors: Vec<Destination>,
    /// Of the repositories that are open, in their order.
    names: Vec<String>,
    absent: Vec<(String, Error)>,
}

impl Site {
    /// Opens all repositories that a backup of `source` goes to.
    ///
    /// # Errors
    /// When one cannot be opened without which the backup is to fail, or none can.
    pub async fn open_all(&self, source: Option<&Source>) -> Result<Destinations> {
        let locations = self.locations(source)?;
        let is_alone = locations.len() == 1;
        let (mut open, mut names, mut absent) = (Vec::new(), Vec::new(), Vec::new());
        for (name, location) in locations {
            let is_required = is_alone || location.settings.on_failure == OnFailure::Fail;
            let options = location.write_options()?;
            match location.open().await {
                Ok(repository) => {
                    let patience = Duration::from_secs(location.settings.patience_seconds.into());
                    open.push(Destination { repository, options, is_required, patience });
                    names.push(name);
                }
                Err(error) if is_required => return Err(error),
                Err(error) => absent.push((name, error)),
            }
        }
        if open.is_empty() {
            let none = || Error::new(lockgate_engine::ErrorKind::Configuration, "no repository");
            return Err(absent.into_iter().map(|(_, error)| error).next().unwrap_or_else(none));
        }
        let first = open.remove(0);
        Ok(Destinations {
            repository: first.repository,
            write: first.options,
            is_required: first.is_required,
            mirrors: open,
            names,
            absent,
        })
    }
}

impl Destinations {
    /// What became of a backup in each repository; nothing when there is only one.
    #[must_use]
    pub fn copies(&self, report: &BackupReport) -> BTreeMap<String, CopyStatus> {
        if self.names.len() + self.absent.len() < 2 {
            return BTreeMap::new();
        }
        let missed = |error: &Error| CopyStatus {
            state: CopyState::Missed,
            snapshot: None,
            message: error.to_string(),
        };
        let stored = self.names.iter().zip(&report.stored).map(|(name, stored)| {
            let status = match stored {
                Ok(snapshot) => CopyStatus::stored(snapshot.id.to_string()),
                Err(error) => missed(error),
            };
            (name.clone(), status)
        });
        let absent = self.absent.iter().map(|(name, error)| (name.clone(), missed(error)));
        stored.chain(absent).collect()
    }

    /// The first repository that has the backup.
    #[must_use]
    pub fn holder(&self, report: &BackupReport) -> Option<&str> {
        let mut stored = self.names.iter().zip(&report.stored);
        stored.find(|(_, stored)| stored.is_ok()).map(|(name, _)| name.as_str())
    }
}
