//! Bytes by name: the only crate that knows where a repository is kept.
//!
//! It owns the way from a location ([`StorageUrl`]) and its settings ([`StorageOptions`]) to a [`Storage`], which puts, gets,
//! lists and deletes named objects through one OpenDAL operator with layers for retry, time limits, concurrency and tracing.
//! It never interprets an object, never overwrites one, never reports a listing that may be short, and never puts a secret
//! into a text.
//!
//! Defaults: 5 retries, 30 s for a small operation, 60 s for each piece of a transfer, 300 s for one upload, 32 operations
//! at a time, no limit of speed; TLS with the roots of the system and the ring provider.

mod draft;
mod error;
mod layers;
mod limits;
mod listing;
mod local;
mod name;
mod options;
mod pace;
mod put;
mod read_buffers;
mod services;
mod storage;
mod transport;
mod url;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "fault")]
pub mod fault;

pub use draft::Draft;
pub use error::{Error, ErrorKind};
pub use options::StorageOptions;
pub use services::{Scheme, schemes};
pub use storage::{Object, Storage};
pub use transport::install_tls_provider;
pub use url::StorageUrl;
