//! Health: admit → launch → check. Nothing is changed, and no repository is needed.

use lockgate_types::Name;

use crate::configuration::Source;
use crate::visit::{VisitReport, Visited, visit};
use crate::{Host, Result};

/// Has the plugin of a source look at its datastore.
///
/// # Errors
/// When it cannot look at all. What is merely wrong is a finding.
pub fn health(host: &Host, name: &Name, source: &Source) -> Result<VisitReport> {
    // Who only looks changes nothing, as in a backup.
    let given = source.grants().read_only();
    visit(host, Visited { name, source, given: &given }, "check", |instance| Ok(instance.check()?))
}
