//! Small results, held in memory: <https://mariadb.com/kb/en/resultset-row/>.

use lockgate_plugin::host::Stream;
use lockgate_plugin::printable;

use crate::error::Error;
use crate::limits::RESULT_BYTES_MAX;
use crate::wire::command::{error_packet, is_end};
use crate::wire::packet::Packets;
use crate::wire::value::Cursor;

/// One row of a small result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<Option<Vec<u8>>>);

impl Row {
    /// The bytes of a cell; none for NULL and for a column that is not there.
    pub fn bytes(&self, column: usize) -> Option<&[u8]> {
        self.0.get(column).and_then(|cell| cell.as_deref())
    }

    /// The text of a cell; none for NULL.
    ///
    /// # Errors
    /// When it is not UTF-8, which the session asked for.
    pub fn text(&self, column: usize) -> Result<Option<&str>, Error> {
        let text = self.bytes(column).map(std::str::from_utf8).transpose();
        text.map_err(|_| Error::Protocol("text is not UTF-8 although the session asked for it"))
    }

    /// The text of a cell that is never NULL.
    ///
    /// # Errors
    /// When it is NULL or not UTF-8.
    pub fn required(&self, column: usize) -> Result<&str, Error> {
        self.text(column)?.ok_or(Error::Protocol("a value that is always there is NULL"))
    }

    /// A cell as a number; none for NULL and for anything else.
    pub fn number(&self, column: usize) -> Option<u64> {
        std::str::from_utf8(self.bytes(column)?).ok()?.parse().ok()
    }
}

/// Reads the rows of a result up to its end.
///
/// # Errors
/// When the server breaks off, or the result is larger than [`RESULT_BYTES_MAX`].
pub fn read_rows<S: Stream>(packets: &mut Packets<S>, columns: usize) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let mut bytes = 0;
    loop {
        let message = packets.receive()?;
        if is_end(message) {
            return Ok(rows);
        }
        if message.first() == Some(&0xff) {
            return Err(error_packet(message));
        }
        bytes += message.len();
        if bytes > RESULT_BYTES_MAX {
            return Err(Error::Protocol("a list is larger than 64 MiB"));
        }
        rows.push(parse_row(message, columns)?);
    }
}

fn parse_row(message: &[u8], columns: usize) -> Result<Row, Error> {
    let mut cursor = Cursor::new(message);
    let cells: Result<Vec<_>, Error> =
        (0..columns).map(|_| cursor.cell().map(|cell| cell.map(<[u8]>::to_vec))).collect();
    if !cursor.rest().is_empty() {
        return Err(Error::Protocol("a row has more cells than columns"));
    }
    Ok(Row(cells?))
}

/// Foreign text for a message.
pub fn shown(row: &Row, column: usize) -> String {
    printable(row.bytes(column).unwrap_or(b"NULL"))
}
