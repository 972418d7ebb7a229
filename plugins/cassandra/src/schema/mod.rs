//! What there is: keyspaces, tables and their columns, and definitions as the server states them (`DESCRIBE`, from 4.0 on).

pub mod definition;
pub mod names;

use std::collections::BTreeMap;

use lockgate_plugin::host::Stream;

use crate::cql::Session;
use crate::error::Error;
use crate::schema::definition::Definition;
use crate::schema::names::{qualified, quote_name, quote_text};

/// Keyspaces that the server makes itself.
const SYSTEM: [&str; 7] = [
    "system",
    "system_auth",
    "system_distributed",
    "system_schema",
    "system_traces",
    "system_views",
    "system_virtual_schema",
];

/// A keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyspace {
    /// As the server keeps it.
    pub name: String,
    /// Class and factors.
    pub replication: BTreeMap<String, String>,
    /// Whether writes go through the commit log.
    pub durable: bool,
}

/// What a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnKind {
    /// Of the partition key.
    PartitionKey,
    /// Of the rows' order in a partition.
    Clustering,
    /// The same for all rows of a partition.
    Static,
    /// Of a row.
    Regular,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As the server keeps it.
    pub name: String,
    /// What it is.
    pub kind: ColumnKind,
    /// Type in CQL.
    pub cql_type: String,
}

/// All keyspaces but those of the server.
///
/// # Errors
/// When the server cannot be asked.
pub fn keyspaces<S: Stream>(session: &mut Session<S>) -> Result<Vec<Keyspace>, Error> {
    let rows = session
        .rows("SELECT keyspace_name, replication, durable_writes FROM system_schema.keyspaces")?;
    let mut keyspaces = Vec::new();
    for row in rows {
        let name = row.text(0)?.to_owned();
        if SYSTEM.contains(&name.as_str()) {
            continue;
        }
        let texts = row.texts(1, true)?;
        let pairs = texts.chunks_exact(2).filter_map(|pair| match pair {
            [key, value] => Some((key.clone(), value.clone())),
            _ => None,
        });
        keyspaces.push(Keyspace { name, replication: pairs.collect(), durable: row.flag(2) });
    }
    keyspaces.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(keyspaces)
}

/// The statement that makes a keyspace.
pub fn create_keyspace(
    name: &str,
    replication: &BTreeMap<String, String>,
    durable: bool,
) -> String {
    let pairs: Vec<String> = replication
        .iter()
        .map(|(key, value)| format!("{}: {}", quote_text(key), quote_text(value)))
        .collect();
    format!(
        "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {{{}}} AND durable_writes = {durable}",
        quote_name(name),
        pairs.join(", ")
    )
}

/// Drops a table with its views, when it is there.
///
/// # Errors
/// When the server refuses.
pub fn drop_table<S: Stream>(
    session: &mut Session<S>,
    keyspace: &str,
    table: &str,
) -> Result<(), Error> {
    let views = session.rows(&format!(
        "SELECT view_name, base_table_name FROM system_schema.views WHERE keyspace_name = {}",
        quote_text(keyspace)
    ))?;
    for view in views {
        if view.text(1)? == table {
            let name = qualified(keyspace, view.text(0)?);
            session.execute(&format!("DROP MATERIALIZED VIEW IF EXISTS {name}"))?;
        }
    }
    session.execute(&format!("DROP TABLE IF EXISTS {}", qualified(keyspace, table)))?;
    session.agree()
}

/// Names of the tables of a keyspace; views are not among them.
///
/// # Errors
/// When the server cannot be asked.
pub fn tables<S: Stream>(session: &mut Session<S>, keyspace: &str) -> Result<Vec<String>, Error> {
    names_in(session, "table_name", "tables", keyspace)
}

/// Names of the views of a keyspace.
///
/// # Errors
/// When the server cannot be asked.
pub fn views<S: Stream>(session: &mut Session<S>, keyspace: &str) -> Result<Vec<String>, Error> {
    names_in(session, "view_name", "views", keyspace)
}

fn names_in<S: Stream>(
    session: &mut Session<S>,
    column: &str,
    table: &str,
    keyspace: &str,
) -> Result<Vec<String>, Error> {
    let keyspace = quote_text(keyspace);
    let rows = session.rows(&format!(
        "SELECT {column} FROM system_schema.{table} WHERE keyspace_name = {keyspace}"
    ))?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// The columns of a table: those of the key in their order, the others by kind and name. None when there is no such table.
///
/// # Errors
/// When the server cannot be asked.
pub fn columns<S: Stream>(
    session: &mut Session<S>,
    keyspace: &str,
    table: &str,
) -> Result<Vec<Column>, Error> {
    let rows = session.rows(&format!(
        "SELECT column_name, kind, position, type FROM system_schema.columns WHERE keyspace_name = {} AND table_name = {}",
        quote_text(keyspace),
        quote_text(table)
    ))?;
    let mut columns = Vec::new();
    for row in rows {
        let kind = match row.text(1)? {
            "partition_key" => ColumnKind::PartitionKey,
            "clustering" => ColumnKind::Clustering,
            "static" => ColumnKind::Static,
            "regular" => ColumnKind::Regular,
            _ => return Err(Error::Protocol("a column is of an unknown kind")),
        };
        let column =
            Column { name: row.text(0)?.to_owned(), kind, cql_type: row.text(3)?.to_owned() };
        columns.push((kind, row.int(2), column));
    }
    columns.sort_by(|left, right| {
        (left.0, left.1, &left.2.name).cmp(&(right.0, right.1, &right.2.name))
    });
    Ok(columns.into_iter().map(|(.., column)| column).collect())
}

/// Names of the fields of each user-defined type of a keyspace.
///
/// # Errors
/// When the server cannot be asked.
pub fn fields<S: Stream>(
    session: &mut Session<S>,
    keyspace: &str,
) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let rows = session.rows(&format!(
        "SELECT type_name, field_names FROM system_schema.types WHERE keyspace_name = {}",
        quote_text(keyspace)
    ))?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.texts(1, false)?))).collect()
}

/// What a keyspace holds beside its tables: types in the order in which they need each other, functions, aggregates.
///
/// # Errors
/// When the server cannot be asked.
pub fn describe_keyspace<S: Stream>(
    session: &mut Session<S>,
    keyspace: &str,
) -> Result<Vec<Definition>, Error> {
    let all = describe(session, &format!("DESCRIBE KEYSPACE {}", quote_name(keyspace)))?;
    let is_kept = |one: &Definition| ["type", "function", "aggregate"].contains(&one.kind.as_str());
    Ok(all.into_iter().filter(is_kept).collect())
}

/// A table with its indexes, views and triggers.
///
/// # Errors
/// When the server cannot be asked.
pub fn describe_table<S: Stream>(
    session: &mut Session<S>,
    keyspace: &str,
    table: &str,
) -> Result<Vec<Definition>, Error> {
    let target = qualified(keyspace, table);
    let mut all = describe(session, &format!("DESCRIBE TABLE {target}"))?;
    all.retain(|one| one.kind != "trigger");
    let triggers = session.rows(&format!(
        "SELECT trigger_name, options FROM system_schema.triggers WHERE keyspace_name = {} AND table_name = {}",
        quote_text(keyspace),
        quote_text(table)
    ))?;
    for row in triggers {
        let options = row.texts(1, true)?;
        let class =
            options.chunks_exact(2).find(|pair| pair.first().is_some_and(|key| key == "class"));
        let class =
            class.and_then(|pair| pair.get(1)).ok_or(Error::Protocol("a trigger has no class"))?;
        let name = quote_name(row.text(0)?);
        let sql = format!("CREATE TRIGGER {name} ON {target} USING {};", quote_text(class));
        all.push(Definition { kind: "trigger".to_owned(), name, sql });
    }
    Ok(all)
}

/// Columns of the answer: keyspace, kind, name, statement.
fn describe<S: Stream>(session: &mut Session<S>, ask: &str) -> Result<Vec<Definition>, Error> {
    let rows = session.rows(ask)?;
    let definition = |row: &crate::cql::Row| -> Result<Definition, Error> {
        Ok(Definition {
            kind: row.text(1)?.to_owned(),
            name: row.text(2)?.to_owned(),
            sql: row.text(3)?.to_owned(),
        })
    };
    rows.iter().map(definition).collect()
}
