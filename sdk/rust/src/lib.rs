//! What authors of lockgate plugins use.
//!
//! A plugin is a type that implements [`Plugin`], with a [`Backup`] and a [`Restore`], and is made into a component by
//! [`export!`]. What the host offers is in one module for each capability: [`archive`] and [`job`] are always there,
//! [`files`], [`file_locks`], [`net`], [`http`], [`credentials`], [`clock`] and [`random`] answer when the operator granted
//! them. A component imports the interfaces whose modules it uses, and no others.
//!
//! Messages for the operator go through the [`log`] facade. A panic ends the call; its message reaches the operator.
//!
//! The README holds a whole plugin.

pub mod archive;
pub mod bindings;
pub mod filter;
pub mod glob;
pub mod host;
pub mod http;
pub mod job;
#[cfg(not(target_family = "wasm"))]
pub mod native;
pub mod net;
pub mod path;

mod component;
mod error;
mod exchange;
mod fingerprint;
mod hash;
mod plugin;
mod received;
mod values;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use log;

pub use archive::{Entry, Extraction};
pub use bindings::exports::lockgate::datastore::backup::{
    Outcome, Plan as BackupPlan, Request as BackupRequest, Summary,
};
pub use bindings::exports::lockgate::datastore::identity::Descriptor;
pub use bindings::exports::lockgate::datastore::restore::{Request as RestoreRequest, Step};
pub use bindings::lockgate::datastore::types::{
    Attribute, Attributes, ExtendedAttribute, Failure, Finding, Kind, Metadata, Part, Severity,
    Timestamp,
};
pub use bindings::lockgate::datastore::{
    clock, credentials, credentials_reveal, file_locks, files, random,
};
pub use component::Component;
pub use error::{Context, Error, Result};
pub use exchange::{ExchangeError, Refusal, listed, printable};
pub use filter::Filter;
pub use fingerprint::Fingerprint;
pub use hash::Hasher;
pub use plugin::{Backup, Plugin, Restore};
pub use values::{attribute, attributes};

/// Makes a component of a type that implements [`Plugin`]. To be called once, in the crate that is the plugin.
///
/// On other machines than WebAssembly it only checks the type, so that a plugin's tests run where they are written.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = {
            #[cfg(target_family = "wasm")]
            type Exported = $crate::Component<$plugin>;
            #[cfg(target_family = "wasm")]
    $crate::bindings::export_component!(Exported with_types_in $crate::bindings);
            #[cfg(not(target_family = "wasm"))]
            const fn is_plugin<P: $crate::Plugin>() {}
            #[cfg(not(target_family = "wasm"))]
            is_plugin::<$plugin>();
        };
    };
}
