//! One table: its definition, its triggers and its rows.

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Entry, Summary};

use crate::definition::{self, Definition, Setting};
use crate::error::Error;
use crate::limits::CANCEL_CHECK_BYTES;
use crate::names::{qualified, quote_name, quote_text};
use crate::rows::{Column, Form, Header, RowWriter, Tally};
use crate::session::Session;

/// What a table looks like.
#[derive(Debug)]
struct Shape {
    sql: String,
    triggers: Vec<Definition>,
    header: Header,
    order: Order,
}

/// In which order the rows are read.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    /// Of the primary key; its columns as SQL, and whether rows are stored in its order.
    Key { columns: String, is_clustered: bool },
    /// As they are stored: a table without a key that is read twice, or restored, has the same order again.
    Stored,
}

/// Saves a table.
///
/// # Errors
/// When the server or the host fails.
pub fn export<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    part: &str,
    database: &str,
    table: &str,
) -> Result<Summary, Error> {
    let shape = Shape::read(session, database, table)?;
    definition::write_text(host, "table.sql", &shape.sql)?;
    if !shape.triggers.is_empty() {
        definition::write(host, "triggers.jsonl", &shape.triggers)?;
    }
    let entry = Entry::new("rows").with_media_type("application/vnd.lockgate.rows");
    let mut output = host.create(&entry)?;
    let mut writer = RowWriter::new(Some(output.as_mut()), &shape.header)?;
    copy_rows(host, session, part, &shape.select(database, table), &mut writer)?;
    let tally = writer.finish()?;
    output.finish()?;
    let fingerprint = shape.fingerprint(table, tally)?;
    Ok(Summary::of_items(tally.rows).with_fingerprint(fingerprint))
}

/// The fingerprint of a table as it is now.
///
/// # Errors
/// When the server fails.
pub fn fingerprint<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    database: &str,
    table: &str,
) -> Result<String, Error> {
    let shape = Shape::read(session, database, table)?;
    let mut counter = RowWriter::new(None, &shape.header)?;
    copy_rows(host, session, "", &shape.select(database, table), &mut counter)?;
    shape.fingerprint(table, counter.finish()?)
}

fn copy_rows<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    part: &str,
    select: &str,
    writer: &mut RowWriter<'_>,
) -> Result<(), Error> {
    // Cells as they are stored: converting them could lose something, and costs time.
    session.execute("SET SESSION character_set_results = binary")?;
    session.begin_rows(select)?;
    let mut looked_at = 0;
    while let Some(message) = session.receive()? {
        writer.take(message)?;
        if writer.bytes() - looked_at > CANCEL_CHECK_BYTES {
            looked_at = writer.bytes();
            host.go_on()?;
            if !part.is_empty() {
                host.progress(part, looked_at, writer.tally().rows);
            }
        }
    }
    session.execute("SET SESSION character_set_results = utf8mb4").map(drop)
}

impl Shape {
    fn read<S: Stream>(
        session: &mut Session<S>,
        database: &str,
        table: &str,
    ) -> Result<Self, Error> {
        let doing = format!("reading the definition of {}", qualified(database, table));
        let create = session.one(&format!("SHOW CREATE TABLE {}", qualified(database, table)));
        let sql = create.map_err(|error| error.during(&doing))?.required(1)?.to_owned();
        Ok(Self {
            sql,
            triggers: triggers(session, database, table)?,
            header: Header { columns: columns(session, database, table)? },
            order: order(session, database, table)?,
        })
    }

    fn select(&self, database: &str, table: &str) -> String {
        let cells = self.header.columns.iter().map(|column| match column.form {
            // The server shows a FLOAT with six digits only, which is not enough to get the same one back.
            Form::Real => format!("{} + 0e0", quote_name(&column.name)),
            Form::Bytes | Form::Text => quote_name(&column.name),
        });
        let cells: Vec<String> = cells.collect();
        let from = qualified(database, table);
        let (hint, order) = match &self.order {
            // So that the server does not sort what it has in order.
            Order::Key { columns, is_clustered: true } => {
                ("FORCE INDEX (PRIMARY)", format!("ORDER BY {columns}"))
            }
            Order::Key { columns, is_clustered: false } => ("", format!("ORDER BY {columns}")),
            // No index may be used: they have orders of their own.
            Order::Stored => ("USE INDEX ()", String::new()),
        };
        format!("SELECT {} FROM {from} {hint} {order}", cells.join(", "))
    }

    fn fingerprint(&self, table: &str, tally: Tally) -> Result<String, Error> {
        let normal = definition::normal(&self.sql, table)
            .ok_or(Error::Protocol("the definition of a table is not that of the table"))?;
        let definitions = definition::sum(&self.triggers)?
            .wrapping_add(lockgate_plugin::Hasher::hash(normal.as_bytes()));
        Ok(format!("{}-{:032x}-{definitions:032x}", tally.rows, tally.sum))
    }
}

/// All columns that can be written, in their order. Generated ones follow from the others.
fn columns<S: Stream>(
    session: &mut Session<S>,
    database: &str,
    table: &str,
) -> Result<Vec<Column>, Error> {
    let rows = session.rows(&format!(
        "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IFNULL(GENERATION_EXPRESSION, '') = '' \
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
        quote_text(database),
        quote_text(table)
    ))?;
    let mut columns = Vec::new();
    for row in rows {
        if row.number(3) != Some(1) {
            continue;
        }
        let form = match row.required(1)?.to_ascii_lowercase().as_str() {
            "float" => Form::Real,
            "uuid" | "inet4" | "inet6" | "json" => Form::Text,
            _ => Form::Bytes,
        };
        columns.push(Column {
            name: row.required(0)?.to_owned(),
            sql_type: row.required(2)?.to_owned(),
            form,
        });
    }
    if columns.is_empty() {
        let text =
            format!("table {} has no column that can be written", qualified(database, table));
        return Err(lockgate_plugin::Error::unsupported(text).into());
    }
    Ok(columns)
}

/// That of the primary key, unless it holds only the beginnings of columns.
fn order<S: Stream>(session: &mut Session<S>, database: &str, table: &str) -> Result<Order, Error> {
    let place = format!(
        "WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        quote_text(database),
        quote_text(table)
    );
    let key = session.rows(&format!(
        "SELECT COLUMN_NAME, SUB_PART IS NULL FROM information_schema.STATISTICS {place} \
         AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX"
    ))?;
    let mut columns = Vec::new();
    for row in &key {
        if row.number(1) != Some(1) {
            return Ok(Order::Stored);
        }
        columns.push(quote_name(row.required(0)?));
    }
    if columns.is_empty() {
        return Ok(Order::Stored);
    }
    let engine = session.one(&format!("SELECT ENGINE FROM information_schema.TABLES {place}"))?;
    let is_clustered = engine.text(0)? == Some("InnoDB");
    Ok(Order::Key { columns: columns.join(", "), is_clustered })
}

fn triggers<S: Stream>(
    session: &mut Session<S>,
    database: &str,
    table: &str,
) -> Result<Vec<Definition>, Error> {
    let rows = session.rows(&format!(
        "SELECT TRIGGER_NAME, DEFINER, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, SQL_MODE, \
         CHARACTER_SET_CLIENT, COLLATION_CONNECTION FROM information_schema.TRIGGERS \
         WHERE EVENT_OBJECT_SCHEMA = {} AND EVENT_OBJECT_TABLE = {} \
         ORDER BY ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
        quote_text(database),
        quote_text(table)
    ))?;
    let mut triggers = Vec::new();
    for row in rows {
        let text = |column| row.required(column).map(str::to_owned);
        triggers.push(Definition::Trigger {
            name: text(0)?,
            definer: text(1)?,
            timing: text(2)?,
            event: text(3)?,
            body: text(4)?,
            setting: Setting {
                sql_mode: Some(text(5)?),
                character_set_client: text(6)?,
                collation_connection: text(7)?,
                time_zone: None,
            },
        });
    }
    Ok(triggers)
}
