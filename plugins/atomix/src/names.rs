//! Ids of parts, and the attributes that tell what they are.

use lockgate_plugin::Part;

pub use lockgate_atomix_storage::part::{FOLDER, MEMBER, PARTITION, folder, member, of_part};

/// Kind of the part with a folder's configuration files.
pub const CONFIGURATION: &str = "configuration";

/// The part of a folder's configuration.
#[must_use]
pub fn configuration(folder: &str, member: &str) -> Part {
    Part::new(format!("{CONFIGURATION}/{folder}"), CONFIGURATION)
        .with_attribute(FOLDER, folder)
        .with_attribute(MEMBER, member)
}
