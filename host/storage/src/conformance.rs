//! What every storage must do, as cases that run against any service.
//!
//! ```no_run
//! # async fn example() -> Result<(), String> {
//! use lockgate_storage::{Storage, StorageOptions, conformance};
//!
//! conformance::run(&|_case| Storage::open(&"memory:".parse()?, &StorageOptions::new())).await
//! # }
//! ```

mod cases;

use futures::future::BoxFuture;

use crate::error::Error;
use crate::storage::Storage;

/// Opens a place of its own, where nothing is stored, for the case of that name.
pub type Open<'a> = &'a (dyn Fn(&str) -> Result<Storage, Error> + Sync);

type Case = fn(Storage) -> BoxFuture<'static, Result<(), String>>;

/// Runs every case.
///
/// # Errors
/// The cases that failed, one a line, each with what was seen.
pub async fn run(open: Open<'_>) -> Result<(), String> {
    let mut failures = Vec::new();
    for (name, case) in cases::ALL {
        let started = std::time::Instant::now();
        let result = match open(name) {
            Ok(storage) => case(storage).await,
            Err(error) => Err(error.to_string()),
        };
        tracing::info!(case = name, milliseconds = started.elapsed().as_millis(), "conformance");
        if let Err(failure) = result {
            failures.push(format!("{name}: {failure}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}
