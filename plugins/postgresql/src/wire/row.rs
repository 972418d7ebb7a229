//! Rows of small results, in text form: `DataRow` of
//! <https://www.postgresql.org/docs/15/protocol-message-formats.html>.

use serde::de::DeserializeOwned;

use lockgate_plugin::printable;

use crate::error::Error;
use crate::limits::COLUMNS_MAX;

/// The cells of a row; none for NULL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(Vec<Option<Vec<u8>>>);

const SHORT: Error = Error::Protocol("a row is shorter than its content");

impl Row {
    /// Reads the body of a `DataRow`.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let (count, mut rest) = body.split_first_chunk::<2>().ok_or(SHORT)?;
        let count = usize::from(u16::from_be_bytes(*count));
        if count > COLUMNS_MAX {
            return Err(Error::Protocol("a row has more columns than a server allows"));
        }
        let mut cells = Vec::with_capacity(count);
        for _ in 0..count {
            let (length, behind) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
            rest = behind;
            // -1 is NULL.
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                cells.push(None);
                continue;
            };
            let (cell, behind) = rest.split_at_checked(length).ok_or(SHORT)?;
            rest = behind;
            cells.push(Some(cell.to_vec()));
        }
        if rest.is_empty() { Ok(Self(cells)) } else { Err(Error::Protocol("a row has no end")) }
    }

    /// The text of a cell; none for NULL and for a column that is not there.
    ///
    /// # Errors
    /// When it is not UTF-8, which the session asked for.
    pub fn text(&self, column: usize) -> Result<Option<&str>, Error> {
        let cell = self.0.get(column).and_then(|cell| cell.as_deref());
        cell.map(std::str::from_utf8).transpose().map_err(|_| {
            let text =
                format!("a name or definition in the catalog is not UTF-8: {}", self.shown(column));
            lockgate_plugin::Error::unsupported(text).into()
        })
    }

    /// The text of a cell that is never NULL.
    ///
    /// # Errors
    /// When it is NULL or not UTF-8.
    pub fn required(&self, column: usize) -> Result<&str, Error> {
        self.text(column)?.ok_or(Error::Protocol("a value that is always there is NULL"))
    }

    /// The text of a cell, empty for NULL.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn owned(&self, column: usize) -> Result<String, Error> {
        Ok(self.text(column)?.unwrap_or_default().to_owned())
    }

    /// A cell as a number.
    ///
    /// # Errors
    /// When it is NULL or no number of this kind.
    pub fn number<N: std::str::FromStr>(&self, column: usize) -> Result<N, Error> {
        self.required(column)?.parse().map_err(|_| Error::Protocol("a number is none"))
    }

    /// Whether a cell is true.
    pub fn is_true(&self, column: usize) -> bool {
        self.0.get(column).is_some_and(|cell| cell.as_deref() == Some(b"t"))
    }

    /// A cell that holds JSON; none for NULL.
    ///
    /// # Errors
    /// When it has another form.
    pub fn json<T: DeserializeOwned>(&self, column: usize) -> Result<Option<T>, Error> {
        Ok(self.text(column)?.map(serde_json::from_str).transpose()?)
    }

    /// A cell for a message.
    pub fn shown(&self, column: usize) -> String {
        printable(self.0.get(column).and_then(|cell| cell.as_deref()).unwrap_or(b"NULL"))
    }

    /// Bytes of all cells.
    pub fn weight(&self) -> usize {
        self.0.iter().flatten().map(|cell| cell.len() + 32).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read() {
        let row = Row::parse(b"\0\x03\0\0\0\x0242\xff\xff\xff\xff\0\0\0\x01t").unwrap();
        assert_eq!(row.number::<u32>(0).unwrap(), 42);
        assert_eq!(row.text(1).unwrap(), None);
        assert!(row.is_true(2) && row.required(1).is_err() && row.text(9).unwrap().is_none());
    }

    #[test]
    fn damaged_rows_are_errors() {
        for body in [&b""[..], b"\0\x01", b"\0\x01\0\0\0\x05ab", b"\xff\xff", b"\0\0x"] {
            assert!(Row::parse(body).is_err(), "{body:?}");
        }
    }
}
