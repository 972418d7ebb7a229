//! Holds a plugin against its real datastore, case by case.
//!
//! The suite runs `lockgate` as an operator does and asks a [`Datastore`] for servers, content and troubles. What is
//! compared after a restore is what the datastore's own client sees, never what the plugin says of itself.

mod cases;
pub mod command;
mod contents;
mod datastore;
mod driver;
mod middle;
mod program;
pub mod proxy;
pub mod random;
mod report;
pub mod running;
mod scale;
mod setup;
mod suite;
mod table;
mod trial;

pub use datastore::{
    Attempt, Content, Contents, Datastore, Disguise, Endpoint, Renaming, Role, Selection, Server,
    Source, Writer,
};
pub use driver::Driver;
pub use program::WritingProgram;
pub use report::{CaseReport, Report, Verdict};
pub use suite::{Options, check, run};
pub use table::{read_reports, table};
