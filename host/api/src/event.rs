use jiff::Timestamp;
use lockgate_types::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::overview::Finding;
use crate::{ComponentStatus, JobState, Problem, Progress};

/// Something that happened in a job. Events of a job are numbered from 1 without gaps, and none is lost; only how far the job is
/// (`progress`) has no number, and is sent as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Number in the job, from 1; 0 of `progress`.
    pub number: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub happening: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// The job stands elsewhere.
    State {
        /// Where.
        state: JobState,
        /// Why, where that is an error.
        error: Option<Problem>,
    },
    /// A stage begins.
    Stage {
        /// The names are those of the architecture.
        stage: String,
    },
    /// A source stands elsewhere.
    Component {
        /// Which source.
        #[schema(value_type = String)]
        source: Name,
        /// Where.
        status: ComponentStatus,
    },
    /// A datastore was taken out of service, or put back.
    Maintenance {
        /// Which source or set.
        #[schema(value_type = String)]
        source: Name,
        /// Whether it is out of service now.
        is_on: bool,
    },
    /// A plugin noticed something.
    Finding(Finding),
    /// Something worth telling.
    Note {
        /// In a line.
        message: String,
    },
    /// How far the job is.
    Progress(Progress),
}
