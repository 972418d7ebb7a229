//! Makes a damaged repository one that can be worked with again. What is lost stays lost: what is left is found again, and
//! what says that the lost is there says so no longer.

mod index;
mod report;
mod rewrite;
mod snapshots;

pub use report::{IndexRepair, RepairedSnapshot, SnapshotRepair};
pub use snapshots::REPAIRED;
