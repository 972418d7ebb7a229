//! Makes objects from their definitions.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Error as Told, Filter};

use super::Restoring;
use super::plan::is_empty_schema;
use crate::catalog::definition::sign;
use crate::catalog::{Catalog, Definition, Stage};
use crate::error::{Error, ServerError};
use crate::limits::DEFINITIONS_AT_ONCE;
use crate::names::{Kind, Subject};
use crate::session::Session;
use crate::sql::quote_text;

/// Kinds that DROP knows by their address; the others go with what they are of.
const DROPPED: [&str; 24] = [
    "collation",
    "enum",
    "composite",
    "domain",
    "range",
    "routine",
    "aggregate",
    "operator",
    "operator-family",
    "operator-class",
    "cast",
    "conversion",
    "dictionary",
    "search-configuration",
    "foreign-data-wrapper",
    "foreign-server",
    "user-mapping",
    "sequence",
    "table",
    "view",
    "publication",
    "event-trigger",
    "statistics",
    "foreign-table",
];

impl<H: Host> Restoring<H> {
    /// Makes the objects of a database: all before any rows, or all after.
    pub(super) fn import_definitions(
        &mut self,
        archived: &Subject,
        target: &Subject,
        definitions: &[Definition],
    ) -> Result<(), Error> {
        // Tables whose part is restored into the same database.
        let mut restored = BTreeSet::new();
        for subject in self.archived.values().filter(|subject| subject.kind == Kind::Table) {
            let place = self.targets.of(subject);
            if subject.database == archived.database && place.database == target.database {
                restored.insert((place.schema, place.table));
            }
        }
        let is_restored = |definition: &Definition| {
            definition.table.as_ref().is_some_and(|table| restored.contains(table))
        };
        let (overwrite, owners) = (self.request.overwrite, self.config.owners);
        let known = self.known_signs(archived);
        let host = self.host.clone();
        let session = self.enter(&target.database)?;
        let live = match overwrite {
            true => Some(Catalog::read(session, &Filter::default())?),
            false => None,
        };
        let live_addresses: BTreeSet<String> = live
            .iter()
            .flat_map(|live| &live.definitions)
            .map(|found| sign(&found.address))
            .collect();
        let is_live = |definition: &Definition| live_addresses.contains(&sign(&definition.address));
        // Of tables that are there and not restored nothing is touched; of those that are, the rows' part makes some.
        let is_kept = |definition: &Definition| match (&definition.table, archived.kind) {
            (Some((schema, table)), Kind::Schema) if !is_restored(definition) => {
                live.iter().flat_map(|live| &live.definitions).any(|found| {
                    found.kind == "table" && found.schema == *schema && found.name == *table
                })
            }
            (Some(_), Kind::After) if definition.stage == Stage::Table => is_restored(definition),
            _ => false,
        };
        let wanted: Vec<&Definition> = definitions.iter().filter(|found| !is_kept(found)).collect();
        session.execute("BEGIN")?;
        if let Some(live) = &live {
            let doomed: Vec<&Definition> = wanted
                .iter()
                .copied()
                .filter(|found| DROPPED.contains(&found.kind.as_str()) && is_live(found))
                .collect();
            drop_all(session, live, &doomed, &known)?;
        }
        for (index, definition) in wanted.iter().enumerate() {
            // What belongs to a table that was kept is there.
            let is_aspect =
                !DROPPED.contains(&definition.kind.as_str()) && archived.kind == Kind::After;
            if is_aspect
                && overwrite
                && !is_restored(definition)
                && is_live(definition)
                && definition.table.is_some()
            {
                continue;
            }
            if index % DEFINITIONS_AT_ONCE == DEFINITIONS_AT_ONCE - 1 {
                session.execute("COMMIT")?;
                host.go_on()?;
                session.execute("BEGIN")?;
            }
            make(session, definition, owners, overwrite)?;
        }
        session.execute("COMMIT").map(drop)
    }

    /// Signs of all addresses that the archive has of a database.
    fn known_signs(&self, archived: &Subject) -> BTreeSet<String> {
        let parts = self.request.parts.iter().filter(|part| {
            self.archived.get(&part.id).is_some_and(|subject| subject.database == archived.database)
        });
        parts.flat_map(super::live::signs).collect()
    }
}

/// Makes one object in the transaction of the session.
pub fn make<S: Stream>(
    session: &mut Session<S>,
    definition: &Definition,
    owners: bool,
    overwrite: bool,
) -> Result<(), Error> {
    // A schema that others use keeps its owner and its privileges.
    let is_schema = definition.kind == "schema";
    let is_foreign = is_schema && !overwrite && !is_empty_schema(session, &definition.schema)?;
    if is_schema && overwrite && owners {
        revoke_all(session, definition)?;
    }
    let grants = definition.grants.iter().filter(|_| owners && !is_foreign);
    for statement in definition.statements.iter().chain(grants) {
        session.execute(statement).map_err(|error| error.during(&definition.address))?;
    }
    Ok(())
}

/// Takes the privileges away that a schema which is kept has now.
fn revoke_all<S: Stream>(session: &mut Session<S>, schema: &Definition) -> Result<(), Error> {
    let rows = session.rows(&format!(
        "SELECT DISTINCT CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END \
         FROM pg_namespace n, aclexplode(n.nspacl) e WHERE n.nspname = {}",
        quote_text(&schema.schema)
    ))?;
    for row in rows {
        session.execute(&format!(
            "REVOKE ALL ON {} FROM {} CASCADE",
            schema.address,
            row.required(0)?
        ))?;
    }
    Ok(())
}

/// Makes what a table needs and others may have made already, each by itself.
pub fn make_missing<S: Stream>(
    session: &mut Session<S>,
    definition: &Definition,
    owners: bool,
) -> Result<(), Error> {
    let name = quote_text(&definition.schema);
    let is_there = match definition.kind.as_str() {
        "schema" => session
            .one(&format!("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = {name})"))?
            .is_true(0),
        _ => false,
    };
    if is_there {
        return Ok(());
    }
    session.execute("BEGIN")?;
    match make(session, definition, owners, false) {
        Ok(()) => session.execute("COMMIT").map(drop),
        Err(error) if error.server().is_some_and(ServerError::is_duplicate) => {
            session.execute("ROLLBACK").map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Drops objects with all that they consist of.
///
/// # Errors
/// When something that is not restored would go too.
fn drop_all<S: Stream>(
    session: &mut Session<S>,
    live: &Catalog,
    doomed: &[&Definition],
    known: &BTreeSet<String>,
) -> Result<(), Error> {
    let signs: BTreeSet<String> = doomed.iter().map(|found| sign(&found.address)).collect();
    let tables: BTreeSet<(String, String)> =
        doomed.iter().filter_map(|found| found.table.clone()).collect();
    for dependent in dependents(live, &signs) {
        let address = sign(&dependent.address);
        let goes_with = dependent.table.as_ref().is_some_and(|table| tables.contains(table));
        let comes_back = dependent.table.is_none() && known.contains(&address);
        if !signs.contains(&address) && !goes_with && !comes_back {
            let text = format!(
                "{} needs something that would be replaced, and is not restored: drop it first, or restore it too",
                dependent.address
            );
            return Err(Told::conflict(text).into());
        }
    }
    for found in doomed {
        let statement = drop_statement(found);
        session.execute(&statement).map_err(|error| error.during(&found.address))?;
    }
    Ok(())
}

/// `DROP ... IF EXISTS ... CASCADE`: what was dropped with another object is gone already.
pub fn drop_statement(definition: &Definition) -> String {
    let kinds = [
        "TEXT SEARCH CONFIGURATION",
        "TEXT SEARCH DICTIONARY",
        "FOREIGN DATA WRAPPER",
        "MATERIALIZED VIEW",
        "OPERATOR FAMILY",
        "OPERATOR CLASS",
        "FOREIGN TABLE",
        "EVENT TRIGGER",
        "USER MAPPING",
    ];
    let address = definition.address.as_str();
    let kind = kinds.into_iter().find(|kind| address.starts_with(kind));
    let kind = kind.or_else(|| address.split(' ').next()).unwrap_or_default();
    let name = address.strip_prefix(kind).unwrap_or_default();
    let cascade = if kind == "USER MAPPING" { "" } else { " CASCADE" };
    format!("DROP {kind} IF EXISTS{name}{cascade}")
}

/// What needs one of these, directly or through others, in the order of the catalog.
pub fn dependents<'a>(live: &'a Catalog, signs: &BTreeSet<String>) -> Vec<&'a Definition> {
    let by_address: BTreeMap<&str, String> = live
        .definitions
        .iter()
        .map(|found| (found.address.as_str(), sign(&found.address)))
        .collect();
    let mut reached: BTreeSet<String> = signs.clone();
    let mut found = Vec::new();
    // The catalog is in an order in which what is needed comes first.
    for definition in &live.definitions {
        let needs = definition.needs.iter().filter_map(|need| by_address.get(need.as_str()));
        let own = sign(&definition.address);
        if !reached.contains(&own) && needs.into_iter().any(|need| reached.contains(need)) {
            reached.insert(own);
            found.push(definition);
        }
    }
    found
}
