//! Whether a plugin may run, and what it may then reach.
//!
//! Everything is denied unless both sides name it: the plugin asks in its [`Declaration`] (`plugin.toml`, carried inside the
//! component), the operator gives [`Grants`] in the configuration, and [`effective`] is what both say. A plugin runs only when the
//! [`Lock`] pins exactly this component, and the signatures that the operator's [`Policy`] demands are there. This crate performs
//! no I/O and knows no runtime.

#![forbid(unsafe_code)]

mod address;
mod check;
mod contract;
mod declaration;
mod effective;
mod grants;
mod http;
mod key;
mod limits;
mod lock;
mod permission;
mod plugin;
mod policy;
mod reserved;
mod section;
mod sentences;
mod signature;
mod text;
mod verdict;
mod version;

pub use address::{Address, Network, is_host};
pub use check::{GRANTS_COUNT_MAX, GrantError, SecretSource, Subject};
pub use contract::{CONTRACT_PACKAGE, are_compatible};
pub use declaration::{
    CredentialRequest, DECLARATION_BYTES_MAX, Declaration, DeclarationError, EndpointRequest,
    FolderRequest, LimitsRequest, PlainRequest,
};
pub use effective::{Mismatch, effective};
pub use grants::{
    Access, CredentialGrant, Encryption, EndpointGrant, FolderGrant, Granted, Grants, HttpScheme,
    MemberRange,
};
pub use key::{KeyError, KeyId, PublicKey, SecretKey};
pub use limits::{Limit, Limits};
pub use lock::{LOCK_BYTES_MAX, Lock, LockError, Locked};
pub use permission::{
    PERMISSIONS_COUNT_MAX, Permission, PermissionError, Permissions, PortRange, Wanted,
};
pub use plugin::{
    AdmitError, Admitted, COMPONENT_BYTES_MAX, PREAMBLE_BYTES, admit, check_preamble,
};
pub use policy::{Policy, PolicyError, Root, Rule, Signer};
pub use reserved::{Reserved, reserved};
pub use section::{DECLARATION_SECTION, embed_declaration};
pub use signature::{SIGNATURES_BYTES_MAX, Signature, SignatureError, Signatures, Statement};
pub use verdict::{Candidate, Changes, Refusal};
pub use version::{Version, VersionError};

use lockgate_types::Digest;

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    Digest(std::array::from_fn(|index| hash.as_ref()[index]))
}
