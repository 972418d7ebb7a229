//! A restore in the way in which the backup was made.

use lockgate_plugin::{Error, Finding, Outcome, Part, Restore, RestoreRequest, Result, Step};

use crate::config::{Config, Way};
use crate::{logical, physical};

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub enum Restoring {
    /// Of rows.
    Logical(logical::Restoring),
    /// Of SSTables.
    Physical(physical::Restoring),
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        match way(&config, &request)? {
            Way::Logical => logical::Restoring::preview(config, request),
            Way::Physical => physical::Restoring::preview(config, request),
        }
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        Ok(match way(&config, &request)? {
            Way::Logical => {
                let (restoring, stages) = logical::Restoring::begin(config, request)?;
                (Self::Logical(restoring), stages)
            }
            Way::Physical => {
                let (restoring, stages) = physical::Restoring::begin(config, request)?;
                (Self::Physical(restoring), stages)
            }
        })
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(match way(&config, &request)? {
            Way::Logical => Self::Logical(logical::Restoring::join(config, request)?),
            Way::Physical => Self::Physical(physical::Restoring::join(config, request)?),
        })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        match self {
            Self::Logical(restoring) => restoring.import(part),
            Self::Physical(restoring) => restoring.import(part),
        }
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        match self {
            Self::Logical(restoring) => restoring.fingerprint(part),
            Self::Physical(restoring) => restoring.fingerprint(part),
        }
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        match self {
            Self::Logical(restoring) => restoring.end(outcome),
            Self::Physical(restoring) => restoring.end(outcome),
        }
    }
}

/// Attribute of every part: the way in which it was saved.
pub const WAY: &str = "way";

/// The way of the parts, which must be that of the configuration: it decides what the source grants.
fn way(config: &Config, request: &RestoreRequest) -> Result<Way> {
    let name = match config.way {
        Way::Logical => "logical",
        Way::Physical => "physical",
    };
    match request.parts.iter().find(|part| part.attribute(WAY) != Some(name)) {
        None => Ok(config.way),
        Some(part) => Err(Error::config(format!(
            "part {} was not saved in the {name} way: set `way` to {}, as in the backup",
            part.id,
            part.attribute(WAY).unwrap_or("what it was")
        ))),
    }
}
