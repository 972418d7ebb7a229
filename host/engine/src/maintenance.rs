//! Maintenance: admit → launch → the step. The plugin may change what the configuration lets it change, as in a restore.

use lockgate_types::Name;

use crate::configuration::Source;
use crate::visit::{VisitReport, Visited, visit};
use crate::{Host, Result};

/// What to do with a datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance<'a> {
    /// Take it out of service.
    Enter,
    /// Put it back into service.
    Leave,
    /// Run a repair of the plugin's.
    Act {
        /// As the plugin calls it, for example `reindex`.
        action: &'a str,
        /// JSON, as the plugin documents it.
        arguments: &'a str,
    },
}

/// Has the plugin of a source do one step of maintenance.
///
/// # Errors
/// When the plugin has no such step, or it fails.
pub fn maintain(
    host: &Host,
    name: &Name,
    source: &Source,
    step: Maintenance<'_>,
) -> Result<VisitReport> {
    let given = source.grants();
    visit(host, Visited { name, source, given: &given }, "maintain", |instance| {
        Ok(match step {
            Maintenance::Enter => instance.maintenance_enter().map(|()| Vec::new()),
            Maintenance::Leave => instance.maintenance_leave().map(|()| Vec::new()),
            Maintenance::Act { action, arguments } => instance.act(action, arguments),
        }?)
    })
}
