//! Writes that are under way at the same time on one connection, and are confirmed in any order.

use std::collections::BTreeMap;

use lockgate_plugin::host::Stream;

use crate::config::Consistency;
use crate::cql::{Parameters, Prepared, Session, wait};
use crate::error::Error;
use crate::limits::{WRITES_BYTES, WRITES_UNDER_WAY};

/// A write.
#[derive(Clone, Debug)]
pub struct Write {
    /// The statement's place.
    pub statement: usize,
    /// Values, encoded.
    pub values: (u16, Vec<u8>),
    /// Whether it may be done twice: what it says of counters and lists may not.
    pub is_repeatable: bool,
}

/// A connection with writes under way.
pub struct Pipeline<'a, S> {
    session: &'a mut Session<S>,
    statements: &'a [Prepared],
    consistency: Consistency,
    now: i32,
    under_way: BTreeMap<i16, (Write, u32)>,
    bytes: usize,
    next_stream: i16,
}

impl<'a, S: Stream> Pipeline<'a, S> {
    /// With nothing under way. The rest of a value's life counts from the second `now`.
    pub fn new(
        session: &'a mut Session<S>,
        statements: &'a [Prepared],
        consistency: Consistency,
        now: i32,
    ) -> Self {
        let under_way = BTreeMap::new();
        Self { session, statements, consistency, now, under_way, bytes: 0, next_stream: 0 }
    }

    /// Sends a write, after earlier ones were confirmed when too many are under way.
    ///
    /// # Errors
    /// When an earlier one failed.
    pub fn send(&mut self, write: Write) -> Result<(), Error> {
        let size = write.values.1.len();
        while !self.under_way.is_empty()
            && (self.under_way.len() >= WRITES_UNDER_WAY || self.bytes + size > WRITES_BYTES)
        {
            self.confirm()?;
        }
        loop {
            self.next_stream = (self.next_stream + 1) % i16::MAX;
            if !self.under_way.contains_key(&self.next_stream) {
                break;
            }
        }
        self.bytes += size;
        self.ask(self.next_stream, &write)?;
        self.under_way.insert(self.next_stream, (write, 0));
        Ok(())
    }

    /// Waits until nothing is under way.
    ///
    /// # Errors
    /// When a write failed.
    pub fn drain(&mut self) -> Result<(), Error> {
        while !self.under_way.is_empty() {
            self.confirm()?;
        }
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), Error> {
        let (stream, answer) = self.session.connection.receive()?;
        let (write, mut tries) = self
            .under_way
            .remove(&stream)
            .ok_or(Error::Protocol("an answer belongs to no question"))?;
        let Err(refused) = answer else {
            self.bytes -= write.values.1.len();
            return Ok(());
        };
        if refused.is_timeout() && !write.is_repeatable {
            return Err(Error::Server(refused).during(
                "it is not known whether an addition was done, and it cannot be done twice",
            ));
        }
        wait(&refused, &mut tries).ok_or(Error::Server(refused))??;
        self.ask(stream, &write)?;
        self.under_way.insert(stream, (write, tries));
        Ok(())
    }

    fn ask(&mut self, stream: i16, write: &Write) -> Result<(), Error> {
        let parameters = Parameters {
            consistency: self.consistency,
            now: Some(self.now),
            ..Parameters::default()
        };
        let statement = self
            .statements
            .get(write.statement)
            .ok_or(Error::Protocol("there is no such statement"))?;
        let (count, values) = &write.values;
        self.session.connection.send_execute(stream, statement, (*count, values), &parameters)
    }
}
