//! Runs plugins: WebAssembly components, each in a worker process of its own.
//!
//! The host side ([`session`]) starts workers, opens what the grants name and hands it over as descriptors, and answers the
//! worker's questions. The worker side ([`worker`]) holds the WebAssembly runtime and nothing else: no repository key, no
//! credential, no address. Both speak the `protocol` and take each other's frames as hostile. Nothing is granted by default.

mod error;
mod flow;
pub mod jail;
mod limits;
mod protocol;
mod session;
mod worker;

pub use error::{Error, ErrorKind};
pub use flow::{EntryReader, EntrySink, EntrySource, EntryWriter, Extraction};
pub use limits::{CONTRACTS, Limits};
pub use protocol::Level;
pub use session::{
    Canceller, CodeCache, CompiledPlugin, Instance, Observer, Session, SessionOptions,
    WorkerCommand, probe,
};
pub use worker::{engine_hash, worker_main};
