//! The plugin SDK with the operating system in place of the host: the same plugin sources run as an ordinary program in one
//! process, and write to the same repository. What they then save in time is what the walls cost.
//!
//! Only exports are measured, so what only imports ask for answers with an error.

pub mod archive;
pub mod credentials;
pub mod files;
/// The plugins' seam to the host, over the modules of this crate.
#[path = "../../../../../sdk/rust/src/host.rs"]
pub mod host;
pub mod job;
pub mod net;

pub use archive::{Entry, Extraction, enter};
pub use credentials::{reveal as credentials_reveal, sign_in};
pub use files::grant;
pub use lockgate_plugin::*;
pub use net::listen_at;

/// What only an import asks for.
fn no_import<T>() -> std::result::Result<T, Failure> {
    Err(Failure::Unsupported("only exports are measured".to_owned()))
}
