//! What the tests across crates share: the built binary and its plugins, folders to back up, and trees to compare.

pub mod bank;
pub mod command;
pub mod component;
pub mod folder;
pub mod random;
pub mod site;
pub mod tree;

pub use command::{Lockgate, Outcome};
pub use site::Site;
