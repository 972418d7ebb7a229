//! What authors of lockgate plugins use.
//!
//! A plugin is a type that implements [`Plugin`], with a [`Backup`] and a [`Restore`], and is made into a component by
//! [`export!`]. What the host offers is in one module for each capability: [`archive`] and [`job`] are always there,
//! [`files`], [`net`], [`credentials`], [`clock`] and [`random`] answer when the operator granted them. A component
//! imports the interfaces whose modules it uses, and no others.
//!
//! Messages for the operator go through the [`log`] facade. A panic ends the call; its message reaches the operator.
//!
//! ```no_run
//! use std::io::{Read, Write};
//! use lockgate_plugin::{
//!     Backup, BackupPlan, BackupRequest, Descriptor, Entry, Part, Plugin, Restore, RestoreRequest, Result, Step, Summary,
//!     archive, log,
//! };
//!
//! /// Saves one sentence of the configuration.
//! struct Motto;
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     motto: String,
//! }
//!
//! impl Plugin for Motto {
//!     type Config = Config;
//!     type Backup = Saving;
//!     type Restore = Saving;
//!
//!     fn describe() -> Descriptor {
//!         Descriptor { name: "motto".into(), version: "0.1.0".into(), ..Descriptor::default() }
//!     }
//! }
//!
//! struct Saving {
//!     config: Config,
//! }
//!
//! impl Backup for Saving {
//!     type Config = Config;
//!
//!     fn begin(config: Config, _: BackupRequest) -> Result<(Self, BackupPlan)> {
//!         Ok((Self { config }, BackupPlan::new(vec![Part::new("motto", "text")])))
//!     }
//!
//!     fn join(config: Config, _mark: Vec<u8>) -> Result<Self> {
//!         Ok(Self { config })
//!     }
//!
//!     fn export(&mut self, _: Part) -> Result<Summary> {
//!         let mut writer = archive::create(&Entry::new("motto.txt").with_media_type("text/plain"))?;
//!         writer.write_all(self.config.motto.as_bytes())?;
//!         writer.finish()?;
//!         Ok(Summary::of_items(1))
//!     }
//! }
//!
//! impl Restore for Saving {
//!     type Config = Config;
//!
//!     fn preview(_: Config, _: RestoreRequest) -> Result<Vec<Step>> {
//!         Ok(vec![Step::new("motto", "say", "the log")])
//!     }
//!
//!     fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
//!         Ok((Self { config }, vec![request.parts]))
//!     }
//!
//!     fn join(config: Config, _: RestoreRequest) -> Result<Self> {
//!         Ok(Self { config })
//!     }
//!
//!     fn import(&mut self, _: Part) -> Result<()> {
//!         let mut motto = String::new();
//!         archive::open(b"motto.txt")?.read_to_string(&mut motto)?;
//!         log::info!("the motto was {motto}");
//!         Ok(())
//!     }
//! }
//!
//! lockgate_plugin::export!(Motto);
//! # fn main() {}
//! ```

pub mod archive;
pub mod bindings;
pub mod job;
pub mod net;

mod component;
mod error;
mod fingerprint;
mod plugin;
mod values;

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
pub use bindings::lockgate::datastore::{clock, credentials, files, random};
pub use component::Component;
pub use error::{Context, Error, Result};
pub use fingerprint::Fingerprint;
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
