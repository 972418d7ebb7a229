//! What there is to save: databases and tables, as the server lists them.

use lockgate_plugin::host::Stream;
use lockgate_plugin::{Filter, Part};

use crate::config::{Config, FILTER};
use crate::error::Error;
use crate::names::{Kind, Subject, quote_text};
use crate::session::Session;

/// Databases that the server makes itself, and the mark of [`crate::maintenance`].
const SYSTEM_DATABASES: &str =
    "'information_schema', 'performance_schema', 'mysql', 'sys', 'lockgate_maintenance'";

/// A database with its tables.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    character_set: String,
    collation: String,
    /// Without views and sequences.
    pub tables: Vec<Table>,
    has_views: bool,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Empty when the server cannot open the table.
    pub engine: String,
    rows: Option<u64>,
    bytes: Option<u64>,
}

/// Lists what the configuration takes.
///
/// # Errors
/// When the server does not answer.
pub fn read<S: Stream>(session: &mut Session<S>, config: &Config) -> Result<Vec<Database>, Error> {
    let schemata = session.rows(&format!(
        "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME \
         FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ({SYSTEM_DATABASES}) ORDER BY SCHEMA_NAME"
    ))?;
    let mut databases = Vec::new();
    for row in schemata {
        let name = row.required(0)?.to_owned();
        if !config.takes_database(&name) {
            continue;
        }
        let mut database = Database {
            character_set: row.required(1)?.to_owned(),
            collation: row.required(2)?.to_owned(),
            tables: Vec::new(),
            has_views: false,
            name,
        };
        list_tables(session, &config.filter(), &mut database)?;
        databases.push(database);
    }
    Ok(databases)
}

fn list_tables<S: Stream>(
    session: &mut Session<S>,
    filter: &Filter,
    database: &mut Database,
) -> Result<(), Error> {
    let in_database = quote_text(&database.name);
    let rows = session.rows(&format!(
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = {in_database} ORDER BY TABLE_NAME"
    ))?;
    for row in rows {
        let name = row.required(0)?.to_owned();
        if !filter.takes_in(&database.name, &name) {
            continue;
        }
        match row.required(1)? {
            "BASE TABLE" | "SYSTEM VERSIONED" => database.tables.push(Table {
                name,
                engine: row.text(2)?.unwrap_or_default().to_owned(),
                rows: row.number(3),
                bytes: row.number(4),
            }),
            "VIEW" => database.has_views = true,
            _ => {}
        }
    }
    if !database.has_views {
        let events = session.rows(&format!(
            "SELECT 1 FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {in_database} LIMIT 1"
        ))?;
        database.has_views = !events.is_empty();
    }
    Ok(())
}

impl Database {
    /// The parts of the database. Each of them says how the database itself is to be made; those that hold several
    /// objects say which were left out, for whoever compares later.
    pub fn parts(&self, server: &str, filter: &str) -> Vec<Part> {
        let part = |kind: Kind, table: &str| {
            let subject = Subject { kind, database: self.name.clone(), table: table.to_owned() };
            Part::new(subject.id(), kind.name())
                .with_attribute("database", &self.name)
                .with_attribute("character-set", &self.character_set)
                .with_attribute("collation", &self.collation)
                .with_attribute("server", server)
        };
        let mut parts = vec![part(Kind::Schema, "").with_attribute(FILTER, filter)];
        parts.extend(self.tables.iter().map(|table| {
            let mut described = part(Kind::Table, &table.name)
                .with_attribute("table", &table.name)
                .with_attribute("engine", &table.engine);
            described.bytes_estimate = table.bytes;
            described.items_estimate = table.rows;
            described
        }));
        let views = || part(Kind::Views, "").with_attribute(FILTER, filter);
        parts.extend(self.has_views.then(views));
        parts
    }
}
