//! Short texts over live data, equal to those of a backup after a faithful restore.

use lockgate_plugin::host::Host;
use lockgate_plugin::{Error as Told, Filter, Part};

use crate::config::{Config, FILTER};
use crate::definition::{self, Definition};
use crate::error::Error;
use crate::names::{Kind, Subject};
use crate::schema;
use crate::session::Session;
use crate::table;
use crate::users::{self, Account};

/// The fingerprint of what an archived part became: of `target` as it is now at the server.
///
/// # Errors
/// When it cannot be read.
pub fn live<H: Host>(
    host: &H,
    config: &Config,
    part: &Part,
    target: &Subject,
) -> Result<String, Error> {
    let Subject { kind, database, table } = target;
    let archived = Subject::of(part)?;
    let filter: Filter = match part.attribute(FILTER) {
        Some(json) => serde_json::from_str(json)?,
        None => Filter::default(),
    };
    // Names are left out as they were in the backup, under the name that the database had then.
    let takes = |name: &str| filter.takes_in(&archived.database, name);
    let mut session = Session::open(host, config)?;
    session.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
    let fingerprint = match kind {
        Kind::Table => table::fingerprint(host, &mut session, database, table)?,
        Kind::Schema => of_definitions(&schema::read_schema(&mut session, &takes, database)?)?,
        Kind::Views => of_definitions(&schema::read_views(&mut session, &takes, database)?)?,
        Kind::Users => {
            let accounts = archived_accounts(part, users::list(&mut session)?)?;
            of_definitions(&users::read_all(&mut session, &accounts)?)?
        }
    };
    session.close();
    Ok(fingerprint)
}

/// The fingerprint of definitions.
///
/// # Errors
/// When one has no JSON form.
pub fn of_definitions(definitions: &[Definition]) -> Result<String, Error> {
    Ok(format!("{}-{:032x}", definitions.len(), definition::sum(definitions)?))
}

/// Those of the live accounts that the backup has: others are no business of it.
fn archived_accounts(part: &Part, live: Vec<Account>) -> Result<Vec<Account>, Error> {
    let names = part.attribute("accounts");
    let names =
        names.ok_or_else(|| Told::corrupt("the part of the accounts does not name them"))?;
    let names: Vec<String> = serde_json::from_str(names)?;
    Ok(live.into_iter().filter(|account| names.contains(&account.quoted())).collect())
}
