//! What an operator asks for, done: jobs over the engine, with a memory that outlives the process.
//!
//! A [`Site`] is the configuration and where things are on this machine. [`Jobs`] takes requests, runs them one behind the other
//! where they touch the same source, and keeps in a [`Store`] what became of them; [`work`] has one file for each kind of job.

#![forbid(unsafe_code)]

mod background;
mod destinations;
mod error;
mod jobs;
mod notification;
mod origins;
mod schedule;
mod site;
mod store;
mod traces;
mod work;

pub use background::background;
pub use destinations::Destinations;
pub use error::{error, problem};
pub use jobs::{CaughtUp, Jobs, JobsOptions, Listener, Live};
pub use lockgate_engine::{Error, ErrorKind, Result};
pub use origins::Origins;
pub use schedule::{Clock, Scheduler};
pub use site::{Site, Unit};
pub use store::{ScheduleRecord, Store, Wanted, WantedBackups};
pub use traces::Traces;
