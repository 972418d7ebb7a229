//! Rows over CQL.
//!
//! The way of a backup: [`backup`] lists what there is and exports part by part; [`scan`] reads a table, [`record`] says how its rows are
//! archived. The way back: [`restore`] orders the parts, [`make`] makes what they need, [`load`] writes the rows by [`statements`], many at
//! a time ([`pipeline`]). [`shape`] is what both know of a table.

pub mod backup;
pub mod load;
pub mod names;
pub mod record;
pub mod restore;
pub mod scan;
pub mod shape;

mod make;
mod pipeline;
mod roles;
mod statements;

use lockgate_plugin::host::Granted;

/// A coordinator or a worker of a backup.
pub type Saving = backup::Saving<Granted>;
/// A coordinator or a worker of a restore.
pub type Restoring = restore::Restoring<Granted>;
