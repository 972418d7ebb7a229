//! Answers with rows: section 4.2.5.2 of the specification.

use super::read::Reader;
use crate::error::Error;
use crate::limits::{COLUMNS_MAX, TYPE_DEPTH_MAX};

/// One page of rows.
#[derive(Debug)]
pub struct Rows {
    body: Vec<u8>,
    /// Where in the body the next row begins.
    at: usize,
    /// Values of a row.
    pub columns: usize,
    /// Rows that were not taken yet.
    pub left: usize,
    /// Where the next page begins; none when this is the last.
    pub paging_state: Option<Vec<u8>>,
    /// The table was altered since the statement was prepared.
    pub is_altered: bool,
}

const GLOBAL_SPEC: i32 = 0x1;
const MORE_PAGES: i32 = 0x2;
const NO_METADATA: i32 = 0x4;
const METADATA_CHANGED: i32 = 0x8;

impl Rows {
    /// Reads a body whose first `start` bytes are read already.
    pub(super) fn read(body: Vec<u8>, start: usize) -> Result<Self, Error> {
        let mut reader = Reader::new(body.get(start..).unwrap_or_default());
        let (columns, paging_state, is_altered) = metadata(&mut reader)?;
        let left = reader.count(i32::MAX as usize)?;
        let at = body.len() - reader.rest().len();
        Ok(Self { at, columns, left, paging_state, is_altered, body })
    }

    /// Bytes of the rows that were not taken yet.
    pub fn bytes_left(&self) -> usize {
        self.body.len() - self.at
    }

    /// The values of the next row, none after the last.
    ///
    /// # Errors
    /// When it is cut.
    pub fn next_row(&mut self) -> Result<Option<Vec<Option<&[u8]>>>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut reader = Reader::new(self.body.get(self.at..).unwrap_or_default());
        let mut values = Vec::with_capacity(self.columns.min(self.body.len()));
        for _ in 0..self.columns {
            values.push(reader.bytes()?);
        }
        self.at = self.body.len() - reader.rest().len();
        Ok(Some(values))
    }

    /// All rows, held.
    ///
    /// # Errors
    /// When one is cut.
    pub fn hold(mut self) -> Result<Vec<Row>, Error> {
        let mut held = Vec::new();
        while let Some(values) = self.next_row()? {
            held.push(Row(values.into_iter().map(|value| value.map(<[u8]>::to_vec)).collect()));
        }
        Ok(held)
    }
}

/// Skips metadata but for what it says of the page.
pub(super) fn metadata(reader: &mut Reader<'_>) -> Result<(usize, Option<Vec<u8>>, bool), Error> {
    let flags = reader.int()?;
    let columns = reader.count(COLUMNS_MAX)?;
    let state = if flags & MORE_PAGES != 0 { reader.bytes()?.map(<[u8]>::to_vec) } else { None };
    if flags & METADATA_CHANGED != 0 {
        reader.short_bytes()?;
    }
    if flags & NO_METADATA == 0 {
        let is_global = flags & GLOBAL_SPEC != 0;
        if is_global {
            reader.string()?;
            reader.string()?;
        }
        for _ in 0..columns {
            if !is_global {
                reader.string()?;
                reader.string()?;
            }
            reader.string()?;
            skip_type(reader, 0)?;
        }
    }
    Ok((columns, state, flags & METADATA_CHANGED != 0))
}

fn skip_type(reader: &mut Reader<'_>, depth: usize) -> Result<(), Error> {
    if depth > TYPE_DEPTH_MAX {
        return Err(Error::Protocol("a type is nested too deep"));
    }
    match reader.short()? {
        // Custom: named by a class of the server's.
        0x0000 => reader.string().map(drop)?,
        // List and set.
        0x0020 | 0x0022 => skip_type(reader, depth + 1)?,
        // Map.
        0x0021 => {
            skip_type(reader, depth + 1)?;
            skip_type(reader, depth + 1)?;
        }
        // User-defined.
        0x0030 => {
            reader.string()?;
            reader.string()?;
            for _ in 0..reader.short()? {
                reader.string()?;
                skip_type(reader, depth + 1)?;
            }
        }
        // Tuple.
        0x0031 => {
            for _ in 0..reader.short()? {
                skip_type(reader, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A row of a small result, held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(pub Vec<Option<Vec<u8>>>);

impl Row {
    /// A value, none for null.
    pub fn get(&self, column: usize) -> Option<&[u8]> {
        self.0.get(column).and_then(Option::as_deref)
    }

    /// A text; empty for null.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self, column: usize) -> Result<&str, Error> {
        std::str::from_utf8(self.get(column).unwrap_or_default())
            .map_err(|_| Error::Protocol("a text is not UTF-8"))
    }

    /// A boolean; false for null.
    pub fn flag(&self, column: usize) -> bool {
        self.get(column).is_some_and(|bytes| bytes.first() == Some(&1))
    }

    /// An `int`.
    pub fn int(&self, column: usize) -> Option<i32> {
        self.get(column)?.try_into().ok().map(i32::from_be_bytes)
    }

    /// A `bigint`, `timestamp` or `counter`.
    pub fn bigint(&self, column: usize) -> Option<i64> {
        self.get(column)?.try_into().ok().map(i64::from_be_bytes)
    }

    /// The texts of a list or set; those of a map in turn key and value.
    ///
    /// # Errors
    /// When it is not one.
    pub fn texts(&self, column: usize, is_map: bool) -> Result<Vec<String>, Error> {
        let Some(bytes) = self.get(column) else { return Ok(Vec::new()) };
        let mut reader = Reader::new(bytes);
        let count = reader.count(bytes.len())? * if is_map { 2 } else { 1 };
        let text = |bytes: Option<&[u8]>| {
            String::from_utf8(bytes.unwrap_or_default().to_vec())
                .map_err(|_| Error::Protocol("a text is not UTF-8"))
        };
        (0..count).map(|_| text(reader.bytes()?)).collect()
    }

    /// A `uuid` as people write it.
    pub fn uuid(&self, column: usize) -> Option<String> {
        let bytes: &[u8; 16] = self.get(column)?.try_into().ok()?;
        let number = format!("{:032x}", u128::from_be_bytes(*bytes));
        let piece = |from: usize, to: usize| number.get(from..to).unwrap_or_default();
        Some([piece(0, 8), piece(8, 12), piece(12, 16), piece(16, 20), piece(20, 32)].join("-"))
    }

    /// An `inet` as people write it.
    pub fn address(&self, column: usize) -> Option<std::net::IpAddr> {
        let bytes = self.get(column)?;
        match <[u8; 4]>::try_from(bytes) {
            Ok(bytes) => Some(bytes.into()),
            Err(_) => <[u8; 16]>::try_from(bytes).ok().map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of an int and a list of texts, with a page to come.
    fn page() -> Vec<u8> {
        let mut body = vec![0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 42];
        for text in ["ks", "t"] {
            body.extend([0, text.len() as u8]);
            body.extend(text.as_bytes());
        }
        body.extend([0, 1, b'a', 0, 9, 0, 1, b'b', 0, 0x20, 0, 13]);
        body.extend([0, 0, 0, 2]);
        body.extend([0, 0, 0, 4, 0, 0, 0, 7]);
        body.extend([0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 2, b'h', b'i']);
        body.extend([0xff; 8]);
        body
    }

    #[test]
    fn rows_are_read() {
        let rows = Rows::read(page(), 0).unwrap();
        assert_eq!((rows.left, rows.columns), (2, 2));
        assert_eq!(rows.paging_state.as_deref(), Some(&[42][..]));
        let held = rows.hold().unwrap();
        assert_eq!(
            (held[0].int(0), held[0].texts(1, false).unwrap()),
            (Some(7), vec!["hi".to_owned()])
        );
        assert_eq!(held[1], Row(vec![None, None]));
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn cut_and_hostile_pages_are_refused() {
        let read = |bytes: Vec<u8>| -> Result<(), Error> { Rows::read(bytes, 0)?.hold().map(drop) };
        let page = page();
        assert!(read(page.clone()).is_ok());
        for end in 0..page.len() {
            assert!(read(page[..end].to_vec()).is_err(), "{end}");
        }
        for at in 0..page.len() {
            for byte in [0x00, 0x21, 0x7f, 0x80, 0xff] {
                let mut damaged = page.clone();
                damaged[at] = byte;
                // Must come to an end, whatever it is.
                let _ = read(damaged);
            }
        }
        let deep: Vec<u8> = [0x00, 0x20].repeat(1000);
        assert!(skip_type(&mut Reader::new(&deep), 0).is_err());
    }
}
