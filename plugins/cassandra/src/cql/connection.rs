//! Questions and answers over one connection. Several may be under way: each has a stream, and answers come in any order.

use std::collections::BTreeMap;

use lockgate_plugin::host::Stream;
use lockgate_plugin::printable;

use super::frames::{Frames, Message};
use super::read::Reader;
use super::rows::Rows;
use super::write::Body;
use crate::config::Consistency;
use crate::error::{Error, ServerError, code};
use crate::limits::MESSAGE_BYTES_MAX;

/// Kinds of questions: section 4.1 of the specification.
mod ask {
    pub const STARTUP: u8 = 0x01;
    pub const OPTIONS: u8 = 0x05;
    pub const QUERY: u8 = 0x07;
    pub const PREPARE: u8 = 0x09;
    pub const EXECUTE: u8 = 0x0a;
    pub const AUTH_RESPONSE: u8 = 0x0f;
}

/// Kinds of answers: section 4.2.
mod answer {
    pub const ERROR: u8 = 0x00;
    pub const READY: u8 = 0x02;
    pub const AUTHENTICATE: u8 = 0x03;
    pub const SUPPORTED: u8 = 0x06;
    pub const RESULT: u8 = 0x08;
    pub const AUTH_CHALLENGE: u8 = 0x0e;
    pub const AUTH_SUCCESS: u8 = 0x10;
}

const FLAG_TRACING: u8 = 0x02;
const FLAG_PAYLOAD: u8 = 0x04;
const FLAG_WARNING: u8 = 0x08;

/// A connection to one node.
#[derive(Debug)]
pub struct Connection<S> {
    frames: Frames<S>,
}

/// What the node answers to a statement.
#[derive(Debug)]
pub enum Answer {
    /// It was done.
    Done,
    /// Rows.
    Rows(Rows),
}

/// A statement that the node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    id: Vec<u8>,
    result: Vec<u8>,
}

/// With what a statement is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<'a> {
    /// How many replicas answer.
    pub consistency: Consistency,
    /// Rows of a page; none for all.
    pub page_rows: Option<i32>,
    /// Where the page begins.
    pub paging_state: Option<&'a [u8]>,
    /// At which second since 1970 the rest of a value's life is counted.
    pub now: Option<i32>,
}

impl Parameters<'_> {
    /// Section 4.1.4. `values` are `count` values that were encoded before.
    fn write(&self, body: &mut Body, count: u16, values: &[u8], skip_metadata: bool) {
        body.short(match self.consistency {
            Consistency::One => 0x0001,
            Consistency::Quorum => 0x0004,
            Consistency::All => 0x0005,
            Consistency::LocalQuorum => 0x0006,
            Consistency::EachQuorum => 0x0007,
            Consistency::LocalOne => 0x000a,
        });
        let flag = |set: bool, bit: i32| if set { bit } else { 0 };
        body.int(
            flag(count > 0, 0x01)
                | flag(skip_metadata, 0x02)
                | flag(self.page_rows.is_some(), 0x04)
                | flag(self.paging_state.is_some(), 0x08)
                | flag(self.now.is_some(), 0x100),
        );
        if count > 0 {
            body.short(count);
            body.0.extend(values);
        }
        if let Some(rows) = self.page_rows {
            body.int(rows);
        }
        if let Some(state) = self.paging_state {
            body.bytes(state);
        }
        if let Some(now) = self.now {
            body.int(now);
        }
    }
}

impl<S: Stream> Connection<S> {
    /// Over a fresh stream.
    pub fn new(stream: S) -> Self {
        Self { frames: Frames::new(stream) }
    }

    /// What the node supports.
    ///
    /// # Errors
    /// When it does not say.
    pub fn options(&mut self) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let body = self.exchange(ask::OPTIONS, &[], &[answer::SUPPORTED])?.1;
        let mut reader = Reader::new(&body);
        let count = reader.short()?;
        (0..count).map(|_| Ok((reader.string()?.to_owned(), reader.strings()?))).collect()
    }

    /// Begins a session, and authenticates with the first answer of `login` when the node wants that; returns whether it did.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn start(
        &mut self,
        login: impl FnOnce(&str) -> Result<Vec<u8>, Error>,
    ) -> Result<bool, Error> {
        let mut body = Body::default();
        let options = [("CQL_VERSION", "3.0.0"), ("DRIVER_NAME", "lockgate")];
        body.short(options.len() as u16);
        for (key, value) in options {
            body.string(key);
            body.string(value);
        }
        let wanted = [answer::READY, answer::AUTHENTICATE];
        let (opcode, said) = self.exchange(ask::STARTUP, &body.0, &wanted)?;
        self.frames.begin_frames();
        if opcode == answer::READY {
            return Ok(false);
        }
        let mut response = Body::default();
        response.bytes(&login(Reader::new(&said).string()?)?);
        let wanted = [answer::AUTH_SUCCESS, answer::AUTH_CHALLENGE];
        match self.exchange(ask::AUTH_RESPONSE, &response.0, &wanted)? {
            (answer::AUTH_SUCCESS, _) => Ok(true),
            _ => Err(Error::Told(lockgate_plugin::Error::unsupported(
                "the cluster goes on asking after the password: only PasswordAuthenticator and what logs in like it is known",
            ))),
        }
    }

    /// Sends a statement.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send_query(
        &mut self,
        stream: i16,
        statement: &str,
        parameters: &Parameters<'_>,
    ) -> Result<(), Error> {
        let mut body = Body::default();
        body.long_string(statement);
        parameters.write(&mut body, 0, &[], false);
        self.frames.send(stream, ask::QUERY, &body.0)
    }

    /// Sends the values for a prepared statement: `count` of them, encoded.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send_execute(
        &mut self,
        stream: i16,
        prepared: &Prepared,
        (count, values): (u16, &[u8]),
        parameters: &Parameters<'_>,
    ) -> Result<(), Error> {
        let mut body = Body(Vec::with_capacity(values.len() + 96));
        body.short_bytes(&prepared.id);
        body.short_bytes(&prepared.result);
        parameters.write(&mut body, count, values, true);
        self.frames.send(stream, ask::EXECUTE, &body.0)
    }

    /// Has the node prepare a statement.
    ///
    /// # Errors
    /// When it refuses.
    pub fn prepare(&mut self, statement: &str) -> Result<Prepared, Error> {
        const PREPARED: i32 = 0x0004;
        let mut body = Body::default();
        body.long_string(statement);
        body.int(0);
        let (_, said) = self.exchange(ask::PREPARE, &body.0, &[answer::RESULT])?;
        let mut reader = Reader::new(&said);
        if reader.int()? != PREPARED {
            return Err(Error::Protocol("the answer to PREPARE is another one"));
        }
        let id = reader.short_bytes()?.to_vec();
        Ok(Prepared { id, result: reader.short_bytes()?.to_vec() })
    }

    /// Sends what was taken, and waits for the next answer to a statement, whichever it is.
    ///
    /// # Errors
    /// When the connection breaks. What the node refuses is an error of its own.
    pub fn receive(&mut self) -> Result<(i16, Result<Answer, ServerError>), Error> {
        let message = self.next()?;
        let stream = message.stream;
        match checked(message, &[answer::RESULT]) {
            Ok((_, body)) => Ok((stream, Ok(result(body)?))),
            Err(Error::Server(refused)) => Ok((stream, Err(refused))),
            Err(error) => Err(error),
        }
    }

    /// Sends what was taken.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.frames.flush()
    }

    fn next(&mut self) -> Result<Message, Error> {
        self.frames.flush()?;
        loop {
            let message = self.frames.receive()?;
            // Streams below zero are news that nobody asked for.
            if message.stream >= 0 {
                return Ok(message);
            }
        }
    }

    fn exchange(&mut self, opcode: u8, body: &[u8], wanted: &[u8]) -> Result<(u8, Vec<u8>), Error> {
        self.frames.send(0, opcode, body)?;
        let message = self.next()?;
        if message.stream != 0 {
            return Err(Error::Protocol("an answer belongs to no question"));
        }
        checked(message, wanted)
    }
}

/// The body of an answer of one of the wanted kinds, without what may stand in front of it.
fn checked(message: Message, wanted: &[u8]) -> Result<(u8, Vec<u8>), Error> {
    let mut body = message.body.map_err(|length| {
        let message =
            format!("an answer of {length} bytes is too large (at most {MESSAGE_BYTES_MAX})");
        Error::Server(ServerError { code: code::TOO_LARGE, message })
    })?;
    let mut reader = Reader::new(&body);
    if message.flags & FLAG_TRACING != 0 {
        return Err(Error::Protocol("an answer is traced, which nobody asked for"));
    }
    if message.flags & FLAG_WARNING != 0 {
        for warning in reader.strings()? {
            log::debug!("the server warns: {}", printable(warning));
        }
    }
    if message.flags & FLAG_PAYLOAD != 0 {
        return Err(Error::Protocol("an answer has a payload, which nobody asked for"));
    }
    if message.opcode == answer::ERROR {
        let code = reader.int()?;
        let message = printable(reader.string()?);
        return Err(Error::Server(ServerError { code, message }));
    }
    if !wanted.contains(&message.opcode) {
        return Err(Error::Protocol("an answer is of another kind than the question"));
    }
    let start = body.len() - reader.rest().len();
    body.drain(..start);
    Ok((message.opcode, body))
}

/// Section 4.2.5.
fn result(body: Vec<u8>) -> Result<Answer, Error> {
    const ROWS: i32 = 0x0002;
    match Reader::new(&body).int()? {
        ROWS => Ok(Answer::Rows(Rows::read(body, 4)?)),
        // Void, the name of a keyspace, or a change of the schema.
        0x0001 | 0x0003 | 0x0005 => Ok(Answer::Done),
        _ => Err(Error::Protocol("a result is of an unknown kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_warnings_are_told_apart() {
        let mut body = vec![0, 1, 0, 2, b'h', b'o'];
        body.extend([0, 0, 0x22, 0, 0, 3, b'b', b'a', b'd']);
        let error =
            Message { stream: 1, flags: FLAG_WARNING, opcode: answer::ERROR, body: Ok(body) };
        let refused = checked(error, &[answer::RESULT]).unwrap_err();
        assert_eq!(refused.server().unwrap().code, 0x2200);
        let other = Message { stream: 1, flags: 0, opcode: answer::READY, body: Ok(Vec::new()) };
        assert!(checked(other, &[answer::RESULT]).is_err());
        assert!(result(vec![0, 0, 0, 9]).is_err() && result(Vec::new()).is_err());
    }
}
