//! Folders that are made durable.

pub mod syncs;

#[path = "../../../host/storage/src/local/turns.rs"]
mod turns;

mod primitives {
    pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard, PoisonError};
}
