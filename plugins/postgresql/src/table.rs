//! The rows of one table.

use std::io::{Read, Write};

use lockgate_plugin::host::{Host, Output, Stream};
use lockgate_plugin::{Entry, Error as Told, Summary};
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::catalog::definition;
use crate::config::Order;
use crate::copy::{Format, Tally};
use crate::error::Error;
use crate::limits::{CANCEL_CHECK_BYTES, TRANSFER_BYTES};
use crate::names::Subject;
use crate::session::Session;
use crate::sql::{quote_name, quote_text};

/// Entry of a table's definitions.
pub const DEFINITIONS: &str = "table.jsonl";
const COLUMNS: &str = "columns.json";

/// How the rows of a table are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Those that can be written, in the order of their names: that in the table may be another one after a restore.
    columns: Vec<String>,
    is_text: bool,
    /// Of text in the rows.
    encoding: String,
    #[serde(skip)]
    order: String,
}

impl Shape {
    fn format(&self) -> Format {
        if self.is_text { Format::Text } else { Format::Binary }
    }

    /// Of a table as it is. Other types than those whose bytes say the same everywhere make the table's rows text: arrays
    /// and composites hold the numbers that types have in this one database, and so do the `reg` types.
    ///
    /// # Errors
    /// When the server fails.
    pub fn read<S: Stream>(
        session: &mut Session<S>,
        table: &Subject,
        order: Order,
        encoding: Option<&str>,
    ) -> Result<Self, Error> {
        let name = quote_text(&table.quoted());
        let rows =
            session.rows(&include_str!("catalog/sql/columns.sql").replace("{table}", &name))?;
        let columns: Result<_, Error> = rows.iter().map(|row| row.owned(0)).collect();
        let encoding = match encoding {
            Some(encoding) => encoding.to_owned(),
            None => session.one("SHOW server_encoding")?.owned(0)?,
        };
        let key = match order {
            Order::Stored => None,
            Order::Key => session.one(&format!(
                "SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.number) FROM pg_index i, \
                 unnest(i.indkey) WITH ORDINALITY AS k(attribute, number), pg_attribute a \
                 WHERE i.indrelid = {name}::regclass AND i.indisprimary AND k.number <= i.indnkeyatts \
                 AND a.attrelid = i.indrelid AND a.attnum = k.attribute"
            ))?.text(0)?.map(str::to_owned),
        };
        Ok(Self {
            columns: columns?,
            is_text: rows.iter().any(|row| !row.is_true(1)),
            encoding,
            order: key.map_or(String::new(), |key| format!(" ORDER BY {key}")),
        })
    }

    fn list(&self) -> String {
        self.columns.iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(", ")
    }

    fn options(&self) -> String {
        format!("(FORMAT {}, ENCODING {})", self.format().option(), quote_text(&self.encoding))
    }

    fn copy_out(&self, table: &Subject, condition: &str) -> String {
        let (table, list, options) = (table.quoted(), self.list(), self.options());
        if self.order.is_empty() && condition.is_empty() && !self.columns.is_empty() {
            return format!("COPY {table} ({list}) TO STDOUT {options}");
        }
        format!(
            "COPY (SELECT {list} FROM ONLY {table} {condition}{}) TO STDOUT {options}",
            self.order
        )
    }

    fn copy_in(&self, table: &Subject) -> String {
        let columns = match self.columns.as_slice() {
            [] => String::new(),
            _ => format!(" ({})", self.list()),
        };
        format!("COPY {}{columns} FROM STDIN {}", table.quoted(), self.options())
    }
}

/// Saves a table.
///
/// # Errors
/// When the server or the host fails.
pub fn export<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    catalog: &Catalog,
    source: &Source<'_>,
) -> Result<Summary, Error> {
    let table = source.table;
    let definitions = catalog.of_table(&table.schema, &table.table);
    definition::write(host, DEFINITIONS, definitions.into_iter())?;
    if !source.has_rows {
        return Ok(Summary::of_items(0).with_fingerprint(Tally::new(Format::Text).finish()?));
    }
    // Somebody who waits to alter the table would wait for us, and we for him.
    session.execute(&format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE NOWAIT", table.quoted()))?;
    let shape = Shape::read(session, table, source.order, None)?;
    let mut output = host.create(&Entry::new(COLUMNS).with_media_type("application/json"))?;
    output.write_all(&serde_json::to_vec(&shape)?)?;
    output.finish()?;
    let entry =
        Entry::new(shape.format().entry()).with_media_type("application/vnd.postgresql.copy");
    let mut output = host.create(&entry)?;
    let copy = shape.copy_out(table, source.condition);
    let tally = copy_out(host, session, source.part, &copy, shape.format(), Some(&mut *output))?;
    output.finish()?;
    let rows = tally.rows();
    Ok(Summary::of_items(rows).with_fingerprint(tally.finish()?))
}

/// What is saved of a table.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Id of its part.
    pub part: &'a str,
    /// Which one.
    pub table: &'a Subject,
    /// Empty, or which rows.
    pub condition: &'a str,
    /// Whether it can have rows of its own.
    pub has_rows: bool,
    /// Order of its rows.
    pub order: Order,
}

/// Runs a COPY and counts what it gives.
///
/// # Errors
/// When the server or the host fails, or the run was cancelled.
pub fn copy_out<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    part: &str,
    statement: &str,
    format: Format,
    mut output: Option<&mut dyn Output>,
) -> Result<Tally, Error> {
    let mut tally = Tally::new(format);
    let (mut bytes, mut looked_at) = (0_u64, 0);
    session.copy_out(statement, &mut |piece| {
        tally.take(piece)?;
        if let Some(output) = &mut output {
            output.write_all(piece)?;
        }
        bytes += piece.len() as u64;
        if bytes - looked_at > CANCEL_CHECK_BYTES {
            looked_at = bytes;
            host.go_on()?;
            if output.is_some() {
                host.progress(part, bytes, tally.rows());
            }
        }
        Ok(())
    })?;
    Ok(tally)
}

/// The fingerprint of a table's rows as they are now.
///
/// # Errors
/// When the server fails.
pub fn fingerprint<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    table: &Subject,
    condition: &str,
    encoding: &str,
) -> Result<String, Error> {
    let shape = Shape::read(session, table, Order::Stored, Some(encoding))?;
    let copy = shape.copy_out(table, condition);
    copy_out(host, session, "", &copy, shape.format(), None)?.finish()
}

/// Loads the archived rows into a table and returns their number.
///
/// # Errors
/// When the archive is damaged, the server refuses rows, or the run was cancelled.
pub fn load<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    part: &str,
    table: &Subject,
) -> Result<u64, Error> {
    if !host.entries("")?.iter().any(|path| path == COLUMNS) {
        return Ok(0);
    }
    let mut json = Vec::new();
    // 1600 columns with the longest names take less.
    host.open(COLUMNS)?.take(1 << 20).read_to_end(&mut json)?;
    let shape: Shape = serde_json::from_slice(&json)?;
    copy_in(host, session, part, &shape.copy_in(table), shape.format())
}

/// Runs a COPY with the archived rows.
///
/// # Errors
/// When the archive is damaged, the server refuses rows, or the run was cancelled.
pub fn copy_in<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    part: &str,
    statement: &str,
    format: Format,
) -> Result<u64, Error> {
    let mut source = host.open(format.entry())?;
    let mut tally = Tally::new(format);
    let (mut bytes, mut looked_at) = (0_u64, 0);
    let rows = session.copy_in(statement, &mut |buffer| {
        buffer.resize(TRANSFER_BYTES, 0);
        let count = source.read(buffer)?;
        buffer.truncate(count);
        tally.take(buffer)?;
        bytes += count as u64;
        if bytes - looked_at > CANCEL_CHECK_BYTES {
            looked_at = bytes;
            host.go_on()?;
            host.progress(part, bytes, tally.rows());
        }
        Ok(())
    })?;
    if rows != tally.rows() {
        let text = format!("the server took {rows} of {} rows", tally.rows());
        return Err(Told::conflict(text).into());
    }
    Ok(rows)
}
