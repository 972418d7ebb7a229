//! Commands and the messages that end them: <https://mariadb.com/kb/en/com_query/>.

use lockgate_plugin::host::Stream;
use lockgate_plugin::printable;

use crate::error::{Error, ServerError};
use crate::limits::COLUMNS_MAX;
use crate::wire::packet::Packets;
use crate::wire::value::Cursor;

const COM_QUERY: u8 = 3;
const COM_PING: u8 = 14;
const COM_QUIT: u8 = 1;
/// More results follow.
const STATUS_MORE_RESULTS: u64 = 8;

/// How a statement without a result ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows that were changed.
    pub affected: u64,
    /// Things that the server did not do as asked; `SHOW WARNINGS` tells them.
    pub warnings: u64,
}

/// What the server's first answer to a statement is.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The statement is over.
    Done(Done),
    /// Rows of so many columns follow.
    Rows(usize),
    /// The server waits for the content of the file of `LOAD DATA LOCAL`.
    WantsFile,
}

/// Sends a statement and reads the first answer. Of a result, the descriptions of the columns are read too.
///
/// # Errors
/// When the server refuses the statement or breaks the protocol.
pub fn query<S: Stream>(packets: &mut Packets<S>, statement: &[u8]) -> Result<Answer, Error> {
    send_command(packets, COM_QUERY, statement)?;
    let message = packets.receive()?;
    match message.first() {
        Some(0x00) => done(message).map(Answer::Done),
        Some(0xff) => Err(error_packet(message)),
        Some(0xfb) => Ok(Answer::WantsFile),
        _ => {
            let columns = Cursor::new(message).length()?.unwrap_or_default();
            if columns == 0 || columns > COLUMNS_MAX {
                return Err(Error::Protocol("a result has an impossible number of columns"));
            }
            for _ in 0..columns {
                packets.receive()?;
            }
            if !is_end(packets.receive()?) {
                return Err(Error::Protocol("the descriptions of a result's columns do not end"));
            }
            usize::try_from(columns)
                .map(Answer::Rows)
                .map_err(|_| Error::Protocol("too many columns"))
        }
    }
}

/// Whether the server still answers.
///
/// # Errors
/// When it does not.
pub fn ping<S: Stream>(packets: &mut Packets<S>) -> Result<(), Error> {
    send_command(packets, COM_PING, &[])?;
    finish(packets).map(drop)
}

/// Says good-bye. The server answers by closing.
pub fn quit<S: Stream>(packets: &mut Packets<S>) {
    // Nothing depends on it: the server rolls back when the connection is gone.
    let _ = send_command(packets, COM_QUIT, &[]);
}

/// Reads the message that ends a statement.
///
/// # Errors
/// When it tells an error.
pub fn finish<S: Stream>(packets: &mut Packets<S>) -> Result<Done, Error> {
    let message = packets.receive()?;
    match message.first() {
        Some(0x00) => done(message),
        Some(0xff) => Err(error_packet(message)),
        _ => Err(Error::Protocol("a statement does not end where it should")),
    }
}

fn send_command<S: Stream>(
    packets: &mut Packets<S>,
    command: u8,
    text: &[u8],
) -> Result<(), Error> {
    let mut message = Vec::with_capacity(text.len() + 1);
    message.push(command);
    message.extend_from_slice(text);
    packets.begin_command();
    packets.send(&message)
}

fn done(message: &[u8]) -> Result<Done, Error> {
    let mut cursor = Cursor::new(message);
    cursor.byte()?;
    let affected = cursor.length()?.unwrap_or_default();
    cursor.length()?;
    let status = cursor.integer(2)?;
    if status & STATUS_MORE_RESULTS != 0 {
        return Err(Error::Protocol("one statement has several results"));
    }
    Ok(Done { affected, warnings: cursor.integer(2)? })
}

/// Whether the message ends the rows or the columns of a result.
#[inline]
pub fn is_end(message: &[u8]) -> bool {
    message.first() == Some(&0xfe) && message.len() < 9
}

/// The error that an error packet tells: <https://mariadb.com/kb/en/err_packet/>.
pub fn error_packet(message: &[u8]) -> Error {
    let mut cursor = Cursor::new(message);
    let code = cursor.bytes(1).and_then(|_| cursor.integer(2)).unwrap_or_default();
    let text = match cursor.rest() {
        // The SQL state: a mark and five characters.
        [b'#', rest @ ..] => rest.get(5..).unwrap_or_default(),
        rest => rest,
    };
    Error::Server(ServerError {
        code: u16::try_from(code).unwrap_or_default(),
        message: printable(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_packet_is_made_safe_to_print() {
        let Error::Server(error) = error_packet(b"\xff\x15\x04#28000Access\x1b[31m denied\n")
        else {
            panic!("not a server error");
        };
        assert_eq!(error.code, 1045);
        assert_eq!(error.message, "Access [31m denied ");
        assert_eq!(error_packet(b"").server().map(|it| it.code), Some(0));
    }
}
