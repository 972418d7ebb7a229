//! The nouns of lockgate: what crosses between its crates. No I/O, no clock, no randomness.

mod attributes;
mod call;
mod digest;
mod failure;
mod metadata;
mod name;
mod path;
mod retry;
mod shown;

pub use attributes::Attributes;
pub use call::{
    BackupPlan, BackupRequest, Descriptor, Entry, Finding, Outcome, Part, RestoreRequest, Severity,
    Step, Summary,
};
pub use digest::{Digest, ParseDigestError};
pub use failure::Failure;
pub use metadata::{ExtendedAttribute, Kind, Metadata, Stamp, Timestamp};
pub use name::{Name, NameError};
pub use path::{EntryPath, PathError};
pub use retry::Retry;
pub use shown::{into_shown, is_unfit, shown};
