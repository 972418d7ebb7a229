//! Puts archived rows into a table that is empty.

use std::io::{BufRead, Read};

use lockgate_plugin::Error as Told;
use lockgate_plugin::host::Host;

use crate::config::Consistency;
use crate::cql::{Prepared, Session};
use crate::error::Error;
use crate::limits::{CANCEL_CHECK_RECORDS, HEADER_BYTES_MAX};
use crate::logical::names::Subject;
use crate::logical::pipeline::Pipeline;
use crate::logical::record::{self, Record};
use crate::logical::shape::Shape;
use crate::logical::statements::{Moment, Statements};

/// The entry with the rows of a table: a line with its shape, and the records.
pub const ROWS: &str = "rows";

/// Reads the first line of the rows.
///
/// # Errors
/// When it is damaged.
pub fn read_shape(rows: &mut dyn BufRead) -> Result<Shape, Error> {
    let mut line = Vec::new();
    rows.take(HEADER_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Loads all rows and returns the number of records.
///
/// # Errors
/// When the archive is damaged, the server refuses rows, or the run was cancelled. Then the table holds some of the rows.
pub fn load<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    (part, target): (&str, &Subject),
    consistency: Consistency,
    moment: Moment,
) -> Result<u64, Error> {
    let mut rows = host.open(ROWS)?;
    let shape = read_shape(&mut *rows)?;
    let statements = Statements::new(&shape, &target.keyspace, &target.table);
    let prepared: Result<Vec<Prepared>, Error> =
        statements.texts.iter().map(|text| session.connection.prepare(text)).collect();
    let prepared = prepared?;
    let mut pipeline = Pipeline::new(session, &prepared, consistency, moment.0);
    let (mut records, mut bytes) = (0, 0);
    let mut held = Vec::new();
    while let Some(length) = next_length(&mut *rows)? {
        held.clear();
        // The length is not believed: what is not there is not made room for.
        let read = rows.by_ref().take(length as u64).read_to_end(&mut held)?;
        if read < length {
            return Err(Told::corrupt("the archived rows are cut").into());
        }
        let record = Record::decode(&shape, &held)?;
        let (writes, in_turn) = statements.writes(&shape, &record, &moment)?;
        for write in writes {
            pipeline.send(write)?;
        }
        for write in in_turn {
            pipeline.drain()?;
            pipeline.send(write)?;
        }
        records += 1;
        bytes += length as u64;
        if records % CANCEL_CHECK_RECORDS == 0 {
            host.go_on()?;
            host.progress(part, bytes, records);
        }
    }
    pipeline.drain()?;
    Ok(records)
}

/// The length of the next record, none at the end.
fn next_length(rows: &mut dyn BufRead) -> Result<Option<usize>, Error> {
    let mut bytes = Vec::with_capacity(4);
    rows.take(4).read_to_end(&mut bytes)?;
    match (bytes.is_empty(), <[u8; 4]>::try_from(bytes.as_slice())) {
        (true, _) => Ok(None),
        (false, Ok(bytes)) => record::length(bytes).map(Some),
        (false, Err(_)) => Err(Told::corrupt("the archived rows are cut").into()),
    }
}
