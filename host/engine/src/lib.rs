//! The order in which a backup or a restore happens, and nothing else: every stage is done by another crate.
//!
//! Backup: plan → admit → launch → begin → join → release → export → (chunk, seal, pack, put) → index → commit → end;
//! of a set, each of these for all sources before the next.
//! Restore: select → verify → admit → launch → preview → locate → get → open → import → end → compare.
//! Health and maintenance: admit → launch → one call.
//!
//! Functions here block the calling thread; waiting for storage happens on the runtime that the caller lends.

#![forbid(unsafe_code)]

pub mod audit;
pub mod backup;
mod cancel;
pub mod configuration;
mod error;
pub mod health;
mod host;
mod lanes;
pub mod maintenance;
mod manifest;
mod plugins;
mod progress;
pub mod repositories;
pub mod restore;
mod signing;
mod trust;
mod visit;

pub use cancel::Cancel;
pub use error::{Error, ErrorKind, Result};
pub use host::{Host, HostOptions};
pub use lockgate_repository::Destination;
pub use lockgate_sandbox::{Level, WorkerCommand, jail, worker_main};
pub use lockgate_storage::install_tls_provider;
pub use lockgate_trust::{
    Access, Changes, Granted, KeyId, Locked, Policy, PublicKey, Refusal, Root, Rule, Signature,
    Signer,
};
pub use manifest::{
    IsolationRecord, MANIFEST_PATH, Manifest, PartRecord, PluginRecord, SetRecord, read_manifests,
};
pub use plugins::{Plugin, Plugins, SIGNATURES_ENDING, signatures_path};
pub use progress::{Event, Observe, Progress, Totals};
pub use signing::{new_key, sign};
pub use trust::{Review, Trust, fits, refused};
pub use visit::VisitReport;
