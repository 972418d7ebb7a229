//! A backup in the way that the configuration names.

use lockgate_plugin::{Backup, BackupPlan, BackupRequest, Finding, Outcome, Part, Result, Summary};

use crate::config::{Config, Way};
use crate::{logical, physical};

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub enum Saving {
    /// Of rows.
    Logical(logical::Saving),
    /// Of SSTables.
    Physical(physical::Saving),
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        Ok(match config.way {
            Way::Logical => {
                let (saving, plan) = logical::Saving::begin(config, request)?;
                (Self::Logical(saving), plan)
            }
            Way::Physical => {
                let (saving, plan) = physical::Saving::begin(config, request)?;
                (Self::Physical(saving), plan)
            }
        })
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        Ok(match config.way {
            Way::Logical => Self::Logical(logical::Saving::join(config, mark)?),
            Way::Physical => Self::Physical(physical::Saving::join(config, mark)?),
        })
    }

    fn release(&mut self) -> Result<()> {
        match self {
            Self::Logical(saving) => saving.release(),
            Self::Physical(saving) => saving.release(),
        }
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        match self {
            Self::Logical(saving) => saving.export(part),
            Self::Physical(saving) => saving.export(part),
        }
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        match self {
            Self::Logical(saving) => saving.end(outcome),
            Self::Physical(saving) => saving.end(outcome),
        }
    }
}
