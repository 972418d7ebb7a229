//! What a database holds beside tables: its options, sequences and routines; its views and events.

use lockgate_plugin::host::Stream;

use crate::definition::{Definition, Setting};
use crate::error::Error;
use crate::names::{qualified, quote_name, quote_text};
use crate::session::Session;
use crate::wire::text::Row;

/// Reads options, and those sequences, routines and columns of views whose name is taken.
///
/// # Errors
/// When the server does not show one of them.
pub fn read_schema<S: Stream>(
    session: &mut Session<S>,
    takes: &dyn Fn(&str) -> bool,
    database: &str,
) -> Result<Vec<Definition>, Error> {
    enter(session, database)?;
    let mut definitions = vec![options(session, database)?];
    for name in names(session, takes, database, "TABLES", "TABLE", "TABLE_TYPE = 'SEQUENCE'")? {
        definitions.push(sequence(session, database, name)?);
    }
    definitions.extend(routines(session, takes, database)?);
    for name in names(session, takes, database, "TABLES", "TABLE", "TABLE_TYPE = 'VIEW'")? {
        let rows = session.rows(&format!(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} \
             ORDER BY ORDINAL_POSITION",
            quote_text(database),
            quote_text(&name)
        ))?;
        let columns: Result<Vec<String>, Error> =
            rows.iter().map(|row| row.required(0).map(str::to_owned)).collect();
        definitions.push(Definition::ViewColumns { name, columns: columns? });
    }
    Ok(definitions)
}

/// Reads the views and events whose name is taken.
///
/// # Errors
/// When the server does not show one of them.
pub fn read_views<S: Stream>(
    session: &mut Session<S>,
    takes: &dyn Fn(&str) -> bool,
    database: &str,
) -> Result<Vec<Definition>, Error> {
    // The server leaves the database out of a view's text when it is the one that the session is in, so that a view can
    // be restored under another database.
    enter(session, database)?;
    let mut definitions = Vec::new();
    for name in names(session, takes, database, "TABLES", "TABLE", "TABLE_TYPE = 'VIEW'")? {
        let row = show(session, "VIEW", database, &name)?;
        let setting = Setting {
            character_set_client: text(&row, 2)?,
            collation_connection: text(&row, 3)?,
            ..Setting::default()
        };
        definitions.push(Definition::View { sql: text(&row, 1)?, name, setting });
    }
    for name in names(session, takes, database, "EVENTS", "EVENT", "TRUE")? {
        let row = show(session, "EVENT", database, &name)?;
        let setting = Setting {
            sql_mode: Some(text(&row, 1)?),
            time_zone: Some(text(&row, 2)?),
            character_set_client: text(&row, 4)?,
            collation_connection: text(&row, 5)?,
        };
        definitions.push(Definition::Event { sql: text(&row, 3)?, name, setting });
    }
    Ok(definitions)
}

/// Makes the database the one that names without a database are looked for in.
///
/// # Errors
/// When there is none.
pub fn enter<S: Stream>(session: &mut Session<S>, database: &str) -> Result<(), Error> {
    session.execute(&format!("USE {}", quote_name(database))).map(drop)
}

fn options<S: Stream>(session: &mut Session<S>, database: &str) -> Result<Definition, Error> {
    // MariaDB has a comment from 10.5 on, MySQL has none: all columns are asked for, and the comment is the last.
    let row = session.one(&format!(
        "SELECT * FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
        quote_text(database)
    ))?;
    let comment = match session.server().product {
        crate::server::Product::MariaDb => row.text(5)?.unwrap_or_default().to_owned(),
        crate::server::Product::MySql => String::new(),
    };
    Ok(Definition::Database { character_set: text(&row, 2)?, collation: text(&row, 3)?, comment })
}

fn sequence<S: Stream>(
    session: &mut Session<S>,
    database: &str,
    name: String,
) -> Result<Definition, Error> {
    let from = qualified(database, &name);
    let sql = text(&session.one(&format!("SHOW CREATE SEQUENCE {from}"))?, 1)?;
    let state = session.one(&format!("SELECT next_not_cached_value, cycle_count FROM {from}"))?;
    Ok(Definition::Sequence { sql, next: text(&state, 0)?, round: text(&state, 1)?, name })
}

fn routines<S: Stream>(
    session: &mut Session<S>,
    takes: &dyn Fn(&str) -> bool,
    database: &str,
) -> Result<Vec<Definition>, Error> {
    let rows = session.rows(&format!(
        "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {} \
         ORDER BY ROUTINE_TYPE, ROUTINE_NAME",
        quote_text(database)
    ))?;
    let mut definitions = Vec::new();
    for listed in rows {
        let (what, name) = (text(&listed, 0)?, text(&listed, 1)?);
        if !takes(&name) {
            continue;
        }
        let row = show(session, &what, database, &name)?;
        let Some(sql) = row.text(2)? else {
            return Err(lockgate_plugin::Error::auth(format!(
                "the account may not see the text of {what} {}: it lacks SELECT on mysql.proc, or SHOW ROUTINE",
                qualified(database, &name)
            ))
            .into());
        };
        definitions.push(Definition::Routine {
            sql: sql.to_owned(),
            setting: Setting {
                sql_mode: Some(text(&row, 1)?),
                character_set_client: text(&row, 3)?,
                collation_connection: text(&row, 4)?,
                time_zone: None,
            },
            what,
            name,
        });
    }
    Ok(definitions)
}

fn names<S: Stream>(
    session: &mut Session<S>,
    takes: &dyn Fn(&str) -> bool,
    database: &str,
    list: &str,
    prefix: &str,
    condition: &str,
) -> Result<Vec<String>, Error> {
    let rows = session.rows(&format!(
        "SELECT {prefix}_NAME FROM information_schema.{list} WHERE {prefix}_SCHEMA = {} AND {condition} \
         ORDER BY {prefix}_NAME",
        quote_text(database)
    ))?;
    let mut names = Vec::new();
    for row in rows {
        let name = text(&row, 0)?;
        if takes(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn show<S: Stream>(
    session: &mut Session<S>,
    what: &str,
    database: &str,
    name: &str,
) -> Result<Row, Error> {
    let object = qualified(database, name);
    let row = session.one(&format!("SHOW CREATE {what} {object}"));
    row.map_err(|error| error.during(&format!("reading the definition of {what} {object}")))
}

fn text(row: &Row, column: usize) -> Result<String, Error> {
    row.required(column).map(str::to_owned)
}
