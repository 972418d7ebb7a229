//! What the tests across crates share: the built binary and its plugins, folders to back up, and trees to compare.

pub mod bank;
pub mod component;
pub mod folder;
pub mod operated;
pub mod service;
pub mod site;
pub mod tree;

pub use lockgate_conformance::command::{self, Lockgate, Outcome};
pub use lockgate_conformance::random;
pub use service::Service;
pub use site::Site;
