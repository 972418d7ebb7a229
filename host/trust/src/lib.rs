//! What a plugin is allowed to do, and which plugin it is.
//!
//! Everything is denied unless a [`Grants`] value names it. This crate owns the grants and the identity of a component
//! (its digest); it performs no I/O and knows no runtime.

mod grants;
mod plugin;

pub use grants::{
    Access, CredentialGrant, EndpointGrant, Encryption, FolderGrant, Grants, MemberRange,
};
pub use plugin::{AdmitError, Admitted, admit};
