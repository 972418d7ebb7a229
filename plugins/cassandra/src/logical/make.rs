//! Makes what the rows of a restore need, and what needs them.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Error as Told, Part};

use crate::config::{Config, Consistency};
use crate::cql::{Session, pause};
use crate::error::Error;
use crate::limits::VIEW_MS_MAX;
use crate::logical::backup::{DURABLE, REPLICATION};
use crate::logical::names::{Subject, Targets};
use crate::schema::definition::Definition;
use crate::schema::names::{plain, qualified, quote_name, quote_text, renamed};
use crate::schema::{self, create_keyspace};

/// Makes the keyspace of a part where it lacks, as the configuration or the backup says.
///
/// # Errors
/// When the cluster cannot hold it.
pub fn keyspace<S: Stream>(
    session: &mut Session<S>,
    config: &Config,
    part: &Part,
    name: &str,
) -> Result<(), Error> {
    if schema::keyspaces(session)?.iter().any(|keyspace| keyspace.name == name) {
        return Ok(());
    }
    let lacking =
        || Told::corrupt(format!("part {} does not say how its keyspace is made", part.id));
    let archived = part.attribute(REPLICATION).ok_or_else(lacking)?;
    let archived: BTreeMap<String, String> = serde_json::from_str(archived)?;
    let replication = config.replication_of(name).unwrap_or(&archived);
    fits(session, config, name, replication)?;
    let durable = part.attribute(DURABLE) != Some("false");
    let making = session.execute(&create_keyspace(name, replication, durable));
    making.map_err(|error| error.during(&format!("making keyspace {}", quote_name(name))))?;
    session.agree()
}

/// Refuses a replication that the cluster does not have the nodes for: no row could be written.
fn fits<S: Stream>(
    session: &mut Session<S>,
    config: &Config,
    keyspace: &str,
    replication: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let mut nodes: BTreeMap<String, u64> = BTreeMap::new();
    *nodes.entry(session.server().datacenter.clone()).or_default() += 1;
    for peer in session.rows("SELECT data_center FROM system.peers_v2")? {
        *nodes.entry(peer.text(0)?.to_owned()).or_default() += 1;
    }
    let all = nodes.values().sum();
    let there: Vec<&str> = nodes.keys().map(String::as_str).collect();
    let there = there.join(", ");
    let is_low = matches!(config.consistency, Consistency::One | Consistency::LocalOne);
    for (key, value) in replication {
        // `3/1` is three replicas, one of them transient.
        let factor = value.split('/').next().and_then(|number| number.parse::<u64>().ok());
        let found = match key.as_str() {
            "class" => continue,
            "replication_factor" => Some(&all),
            datacenter => nodes.get(datacenter),
        };
        let reason = match (found, factor) {
            (None, _) => format!("there is no datacenter {key} in the target (it has {there})"),
            (Some(found), Some(factor)) if factor > *found && !is_low => {
                format!("{key} = {value} needs more nodes than the target has ({found})")
            }
            _ => continue,
        };
        let text = format!(
            "replication of keyspace {keyspace}: {reason}; set `replication` for it, as in \
             {{ {keyspace} = {{ class = \"SimpleStrategy\", replication_factor = \"1\" }} }}"
        );
        return Err(Told::config(text).into());
    }
    Ok(())
}

/// The statement of a definition of `archived` in the target.
pub fn statement(
    definition: &Definition,
    targets: &Targets,
    archived: &Subject,
    target: &Subject,
) -> String {
    let name = |keyspace: &str, name: &str| {
        (keyspace == archived.keyspace).then(|| {
            let name = match definition.kind.as_str() {
                _ if name == archived.table => target.table.clone(),
                "materialized_view" => targets.view(archived, target, name),
                _ => name.to_owned(),
            };
            (target.keyspace.clone(), name)
        })
    };
    renamed(&definition.sql, name, |index| Targets::beside(archived, target, index))
}

/// The same definition whatever the keyspace is called and however its names are quoted.
pub fn canonical(definition: Definition, keyspace: &str, archived: &str) -> Definition {
    let name = |own: &str, name: &str| {
        let own = if own == keyspace { archived } else { own };
        Some((own.to_owned(), name.to_owned()))
    };
    Definition { sql: renamed(&definition.sql, name, str::to_owned), ..definition }
}

/// Makes types, functions and aggregates that are not there yet, or are others and may be overwritten.
///
/// # Errors
/// When something else has the name.
pub fn definitions<S: Stream>(
    session: &mut Session<S>,
    definitions: &[Definition],
    (targets, archived, target): (&Targets, &Subject, &Subject),
    overwrite: bool,
) -> Result<(), Error> {
    let present = schema::describe_keyspace(session, &target.keyspace)?;
    for wanted in definitions {
        let same = |one: &&Definition| (&one.kind, &one.name) == (&wanted.kind, &wanted.name);
        let found = present.iter().find(same).cloned();
        let found = found.map(|one| canonical(one, &target.keyspace, &archived.keyspace).sql);
        let own = canonical(wanted.clone(), &archived.keyspace, &archived.keyspace).sql;
        if found.as_ref() == Some(&own) {
            continue;
        }
        if found.is_some() && !overwrite {
            let text = format!(
                "another {} {} is there already in {}; overwrite it, or rename the keyspace",
                wanted.kind,
                wanted.name,
                quote_name(&target.keyspace)
            );
            return Err(Told::conflict(text).into());
        }
        let sql = statement(wanted, targets, archived, target);
        let sql = if wanted.kind == "type" {
            if found.is_some() {
                let name = qualified(&target.keyspace, &plain(&wanted.name));
                session.execute(&format!("DROP TYPE {name}"))?;
            }
            // Tables that are restored at the same time may need it too.
            sql.replacen("CREATE TYPE ", "CREATE TYPE IF NOT EXISTS ", 1)
        } else {
            sql.replacen("CREATE ", "CREATE OR REPLACE ", 1)
        };
        let made = session.execute(&sql);
        made.map_err(|error| error.during(&format!("making {} {}", wanted.kind, wanted.name)))?;
    }
    session.agree()
}

/// Waits until all nodes have made the rows of a view.
///
/// # Errors
/// When it takes too long, or the run was cancelled.
pub fn await_view<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    keyspace: &str,
    view: &str,
) -> Result<(), Error> {
    const STEP_MS: u32 = 200;
    let ask = format!(
        "SELECT host_id, status FROM system_distributed.view_build_status WHERE keyspace_name = {} AND view_name = {}",
        quote_text(keyspace),
        quote_text(view)
    );
    let mut waited = 0;
    loop {
        let rows = session.rows(&ask)?;
        let statuses: Result<BTreeSet<&str>, Error> = rows.iter().map(|row| row.text(1)).collect();
        if statuses? == BTreeSet::from(["SUCCESS"]) {
            return Ok(());
        }
        if waited >= VIEW_MS_MAX {
            let text = format!(
                "the rows of {} were not made in {} s: look at system_distributed.view_build_status",
                qualified(keyspace, view),
                VIEW_MS_MAX / 1000
            );
            return Err(Told::other(text).into());
        }
        host.go_on()?;
        pause(STEP_MS)?;
        waited += u64::from(STEP_MS);
    }
}
