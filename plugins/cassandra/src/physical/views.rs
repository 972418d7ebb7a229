//! Materialised views, which the cluster makes of the rows of their tables.

use lockgate_plugin::host::Stream;
use lockgate_plugin::{Error, Result, job};

use crate::cql::{Session, pause};
use crate::limits::VIEW_MS_MAX;
use crate::schema::names::quote_text;

const STEP_MS: u32 = 500;

/// Waits until all nodes have made their rows of the views.
///
/// # Errors
/// When that takes too long.
pub fn wait<S: Stream>(session: &mut Session<S>, keyspace: &str, views: &[String]) -> Result<()> {
    let mut waited = 0;
    for view in views {
        let statement = format!(
            "SELECT status FROM system_distributed.view_build_status WHERE keyspace_name = {} AND view_name = {}",
            quote_text(keyspace),
            quote_text(view)
        );
        loop {
            let rows = session.rows(&statement)?;
            let is_made = |row: &crate::cql::Row| Ok(row.text(0)? == "SUCCESS");
            let made = rows.iter().map(is_made).collect::<Result<Vec<bool>>>()?;
            if !made.is_empty() && made.into_iter().all(|is_made| is_made) {
                break;
            }
            if waited >= VIEW_MS_MAX {
                return Err(Error::unreachable(format!(
                    "view {keyspace}.{view} is not made after {} s: the nodes go on with it; nodetool viewbuildstatus tells how far it is",
                    VIEW_MS_MAX / 1000
                )));
            }
            job::go_on()?;
            pause(STEP_MS)?;
            waited += u64::from(STEP_MS);
        }
    }
    Ok(())
}
