//! The way of a backup's bytes. The sources offer more than is used here.
#![allow(dead_code)]

pub mod blobs;
pub mod jobs;
pub mod memory;

#[path = "../../../host/repository/src/write/budget.rs"]
mod budget;
#[path = "../../../host/repository/src/write/claims.rs"]
mod claims;
#[path = "../../../host/repository/src/write/queue.rs"]
mod queue;

mod primitives {
    pub(super) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
}

mod entry {
    /// Nobody asks for it here.
    pub(super) struct Entry;
}
