//! What a plugin is allowed to do, and which plugin it is.
//!
//! Everything is denied unless a [`Grants`] value names it. This crate owns the grants and the identity of a component
//! (its digest); it performs no I/O and knows no runtime.

mod address;
mod check;
mod grants;
mod plugin;

pub use address::{Address, Network, is_host};
pub use check::{GRANTS_COUNT_MAX, GrantError, SecretSource, Subject};
pub use grants::{
    Access, CredentialGrant, Encryption, EndpointGrant, FolderGrant, Grants, MemberRange,
};
pub use plugin::{AdmitError, Admitted, COMPONENT_BYTES_MAX, admit};
