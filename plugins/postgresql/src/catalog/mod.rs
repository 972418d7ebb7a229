//! Everything in a database but its rows: read from the system catalogs as statements that make it, in the words of the
//! server's own functions, and put into an order in which it can be made.

pub mod definition;
pub mod grants;
pub mod graph;
pub mod kinds;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lockgate_plugin::Filter;
use lockgate_plugin::host::Stream;

use crate::error::Error;
use crate::limits::SEQUENCES_AT_ONCE;
use crate::session::Session;
use crate::sql::{qualified, quote_text};
use crate::wire::row::Row;

pub use definition::{Definition, Stage};
use grants::{Access, Privilege};
use graph::{Graph, Key, Node};
use kinds::{KINDS, Kind};

/// The definitions of a database.
#[derive(Debug, Default)]
pub struct Catalog {
    /// In an order in which they can be made.
    pub definitions: Vec<Definition>,
    /// What could not be put into an order, for a finding.
    pub circles: Vec<String>,
    /// What needs a table that the filter leaves out.
    pub left_out: Vec<String>,
    /// What the plugin does not save: kind and names.
    pub unsaved: Vec<(String, String)>,
}

/// A table that may have rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `r`, `p` (partitioned) or `f` (foreign).
    pub kind: String,
    /// Estimate, in bytes.
    pub bytes: u64,
    /// Estimate, in rows.
    pub items: u64,
    /// Tables that it is a partition of, or inherits from.
    pub parents: Vec<(String, String)>,
    /// Of a table that an extension made: which rows are not the extension's.
    pub condition: Option<String>,
    /// Whether an extension makes it.
    pub is_of_extension: bool,
    /// Whether it is a partition.
    pub is_partition: bool,
}

impl Table {
    /// Whether it has rows of its own in this database.
    pub fn has_rows(&self) -> bool {
        self.kind == "r"
    }
}

/// All tables that the filter takes.
///
/// # Errors
/// When the server fails.
pub fn tables<S: Stream>(session: &mut Session<S>, filter: &Filter) -> Result<Vec<Table>, Error> {
    let mut tables = Vec::new();
    for row in session.rows(include_str!("sql/tables.sql"))? {
        let table = Table {
            schema: row.owned(1)?,
            name: row.owned(2)?,
            kind: row.owned(3)?,
            bytes: row.number::<i64>(4)?.try_into().unwrap_or(0),
            items: row.number::<i64>(5)?.try_into().unwrap_or(0),
            parents: row.json(6)?.unwrap_or_default(),
            is_of_extension: row.text(7)?.is_some(),
            condition: row.text(8)?.filter(|text| !text.is_empty()).map(str::to_owned),
            is_partition: row.is_true(9),
        };
        if filter.takes_in(&table.schema, &table.name) {
            tables.push(table);
        }
    }
    Ok(tables)
}

impl Catalog {
    /// Reads everything that the filter takes, and what that needs.
    ///
    /// # Errors
    /// When the server fails or the catalog is too large to be held.
    pub fn read<S: Stream>(session: &mut Session<S>, filter: &Filter) -> Result<Self, Error> {
        let major = session.server().major;
        let mut graph = Graph::default();
        for (rank, kind) in KINDS.iter().enumerate() {
            let rows = session.rows(&kind.statement(major));
            for row in rows.map_err(|error| error.during(&format!("reading each {}", kind.name)))? {
                graph.add(node(&row, *kind, rank)?);
            }
        }
        for row in session.rows(include_str!("sql/alias.sql"))? {
            let (from, to) = (key(&row, 0)?, key(&row, 2)?);
            graph.alias(from, to);
        }
        for row in session.rows(include_str!("sql/depend.sql"))? {
            graph.depend(&key(&row, 0)?, &key(&row, 2)?, row.required(4)?);
        }
        graph.complete();
        graph.take(filter);
        let left_out = graph.leave_out();
        let (mut definitions, circles) = graph.into_order();
        add_states(session, &mut definitions)?;
        let unsaved = session.rows(include_str!("sql/unsaved.sql"))?;
        let unsaved: Result<_, Error> =
            unsaved.iter().map(|row| Ok((row.owned(0)?, row.shown(1)))).collect();
        Ok(Self { definitions, circles, left_out, unsaved: unsaved? })
    }

    /// The definitions of a stage.
    pub fn of_stages<'a>(&'a self, stages: &'a [Stage]) -> impl Iterator<Item = &'a Definition> {
        self.definitions.iter().filter(move |definition| stages.contains(&definition.stage))
    }

    /// What a table consists of, in order, with what it needs that is no table.
    pub fn of_table(&self, schema: &str, name: &str) -> Vec<&Definition> {
        let by_address: HashMap<&str, &Definition> = self
            .definitions
            .iter()
            .map(|definition| (definition.address.as_str(), definition))
            .collect();
        let table = (schema.to_owned(), name.to_owned());
        let is_own = |definition: &&Definition| definition.table.as_ref() == Some(&table);
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&Definition> = self.definitions.iter().filter(is_own).collect();
        while let Some(definition) = open.pop() {
            if !wanted.insert(&definition.address) {
                continue;
            }
            let needs = definition.needs.iter().filter_map(|need| by_address.get(need.as_str()));
            let is_borrowed =
                |need: &&&Definition| need.table.is_none() && need.stage == Stage::Before;
            open.extend(needs.filter(is_borrowed));
        }
        let is_wanted = |definition: &&Definition| wanted.contains(definition.address.as_str());
        self.definitions.iter().filter(is_wanted).collect()
    }
}

fn key(row: &Row, column: usize) -> Result<Key, Error> {
    Ok(Key { class: row.owned(column)?, oid: row.number(column + 1)?, sub: 0 })
}

fn node(row: &Row, kind: Kind, rank: usize) -> Result<Node, Error> {
    let mut statements: Vec<String> = row.json(5)?.unwrap_or_default();
    let address = row.owned(4)?;
    let column = if kind.name == "column-grants" { statements.pop() } else { None };
    let owner = row.owned(6)?;
    let privileges: Option<Vec<Privilege>> = row.json(7)?;
    let access = Access {
        kind: kind.name,
        address: &address,
        column: column.as_deref(),
        owner: &owner,
        privileges: privileges.as_deref(),
    };
    let grants = grants::statements(&access);
    if let Some(comment) = row.text(10)? {
        statements.push(format!("COMMENT ON {address} IS {}", quote_text(comment)));
    }
    let stage = if row.is_true(9) { Stage::After } else { kind.stage };
    Ok(Node {
        key: Key { class: kind.class.to_owned(), oid: row.number(0)?, sub: row.number(1)? },
        rank,
        belongs: Some(row.number::<u32>(8)?).filter(|oid| *oid != 0),
        definition: Definition {
            kind: kind.name.to_owned(),
            schema: row.owned(2)?,
            name: row.owned(3)?,
            address,
            stage,
            table: None,
            statements,
            grants,
            needs: Vec::new(),
        },
        needs: BTreeSet::new(),
        is_taken: false,
    })
}

/// Adds to each sequence the number at which it is.
fn add_states<S: Stream>(
    session: &mut Session<S>,
    definitions: &mut [Definition],
) -> Result<(), Error> {
    let has_state =
        |definition: &&mut Definition| ["sequence", "identity"].contains(&definition.kind.as_str());
    let mut sequences: Vec<&mut Definition> = definitions.iter_mut().filter(has_state).collect();
    for some in sequences.chunks_mut(SEQUENCES_AT_ONCE) {
        let questions = some.iter().enumerate().map(|(index, definition)| {
            let name = qualified(&definition.schema, &definition.name);
            format!("SELECT {index}, last_value, is_called FROM {name}")
        });
        let questions: Vec<String> = questions.collect();
        let rows = session.rows(&questions.join(" UNION ALL "));
        let mut states: BTreeMap<usize, (i64, bool)> = BTreeMap::new();
        for row in rows.map_err(|error| error.during("reading the state of sequences"))? {
            states.insert(row.number(0)?, (row.number(1)?, row.is_true(2)));
        }
        for (index, definition) in some.iter_mut().enumerate() {
            let (last, is_called) =
                states.get(&index).ok_or(Error::Protocol("a sequence has no state"))?;
            let name = quote_text(&qualified(&definition.schema, &definition.name));
            definition
                .statements
                .push(format!("SELECT pg_catalog.setval({name}::regclass, {last}, {is_called})"));
        }
    }
    Ok(())
}
