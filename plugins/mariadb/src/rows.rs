//! The archived form of a table's rows: the entry `rows` of a part. All integers are little-endian.
//!
//! ```text
//! magic      8 bytes  "LGROWS1\n"
//! length     u32      of the header
//! header     JSON     {"columns":[{"name":"id","type":"int(11)","form":"bytes"}, ...]}
//! row        u24 length, u8 mark 0, that many bytes: for each column a cell. A row of 2^24-1 bytes or more goes on in
//!            further frames of the same shape, the last of which is shorter than 2^24-1.
//!   cell     0xfb for NULL, else a length and that many bytes. Lengths below 251 are one byte; 0xfc, 0xfd and 0xfe
//!            announce a length of 2, 3 and 8 bytes. This is how the server's protocol writes text rows, so a row is
//!            copied as it comes (<https://mariadb.com/kb/en/resultset-row/>).
//! trailer    u24 24, u8 mark 1, u64 number of rows, u128 sum of the rows' hashes
//! ```
//!
//! Rows stand in the order of the table's key. The sum of hashes (modulo 2^128, see [`crate::hash`]) does not depend on
//! the order, so that tables without a key have a fingerprint too. Nothing here depends on time or place: an unchanged
//! table gives the same bytes.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::limits::{HEADER_BYTES_MAX, TRANSFER_BYTES};
use crate::wire::frames::{Frames, Marks, Message};
use crate::wire::value::{CellScanner, count_cells};
use lockgate_plugin::Hasher;
use lockgate_plugin::host::Output;

const MAGIC: &[u8; 8] = b"LGROWS1\n";
const MARK_ROW: u8 = 0;
const MARK_TRAILER: u8 = 1;
const TRAILER_BYTES: usize = 24;

/// What stands before the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// In the order of the cells.
    pub columns: Vec<Column>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As in the table.
    pub name: String,
    /// As in the table's definition, for readers of the archive.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// How its cells are written, and read back.
    pub form: Form,
}

/// How the cells of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The bytes as they are stored, or a number or time in digits.
    Bytes,
    /// Text in ASCII or UTF-8 that the server only takes back as text: bytes would mean something else to it.
    Text,
    /// A single-precision number, written with the digits of the double-precision number of the same value.
    Real,
}

/// How many rows there are, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of rows.
    pub rows: u64,
    /// Modulo 2^128.
    pub sum: u128,
}

impl Tally {
    #[inline]
    fn add(&mut self, hash: u128) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(hash);
    }
}

/// Takes rows as the server sends them, checks and counts them, and writes the archived form.
pub struct RowWriter<'a> {
    output: Option<&'a mut dyn Output>,
    buffer: Vec<u8>,
    columns: usize,
    tally: Tally,
    bytes: u64,
    /// Of a row that comes in pieces.
    large: Option<(Hasher, CellScanner)>,
}

impl<'a> RowWriter<'a> {
    /// Starts with the header. Without an output the rows are only counted.
    ///
    /// # Errors
    /// When the host does not take the bytes.
    pub fn new(output: Option<&'a mut dyn Output>, header: &Header) -> Result<Self, Error> {
        let mut buffer = Vec::with_capacity(TRANSFER_BYTES + 4096);
        let json = serde_json::to_vec(header)?;
        buffer.extend_from_slice(MAGIC);
        buffer.extend(u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
        buffer.extend_from_slice(&json);
        let columns = header.columns.len();
        Ok(Self { output, buffer, columns, tally: Tally::default(), bytes: 0, large: None })
    }

    /// Takes the next message of the result.
    ///
    /// # Errors
    /// When the row does not have the columns of the header, or the host does not take the bytes.
    #[inline]
    pub fn take(&mut self, message: Message<'_>) -> Result<(), Error> {
        match message {
            Message::Whole(row) => {
                if count_cells(row)? != self.columns {
                    return Err(WRONG_COLUMNS);
                }
                self.tally.add(Hasher::hash(row));
                self.frame(row.len(), MARK_ROW)?;
                self.put(row)
            }
            Message::Frame(length) => {
                let ends = length == 0 && self.large.is_some();
                self.large.get_or_insert_default();
                self.frame(length, MARK_ROW)?;
                if ends { self.end_large() } else { Ok(()) }
            }
            Message::Piece { bytes, ends } => {
                let (hasher, scanner) = self.large.get_or_insert_default();
                hasher.update(bytes);
                scanner.take(bytes, |_| {})?;
                self.put(bytes)?;
                if ends { self.end_large() } else { Ok(()) }
            }
        }
    }

    /// Bytes of rows so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Rows so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Writes the trailer. The entry is complete when its output is finished too.
    ///
    /// # Errors
    /// When the host does not take the bytes.
    pub fn finish(mut self) -> Result<Tally, Error> {
        self.frame(TRAILER_BYTES, MARK_TRAILER)?;
        let tally = self.tally;
        self.put(&tally.rows.to_le_bytes())?;
        self.put(&tally.sum.to_le_bytes())?;
        self.flush()?;
        Ok(tally)
    }

    fn end_large(&mut self) -> Result<(), Error> {
        let (hasher, scanner) = self.large.take().unwrap_or_default();
        if scanner.finish()? != self.columns {
            return Err(WRONG_COLUMNS);
        }
        self.tally.add(hasher.finish());
        Ok(())
    }

    #[inline]
    fn frame(&mut self, length: usize, mark: u8) -> Result<(), Error> {
        let [low, middle, high, ..] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        self.put(&[low, middle, high, mark])
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > TRANSFER_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if let Some(output) = &mut self.output {
            output.write_all(&self.buffer)?;
        }
        self.buffer.clear();
        Ok(())
    }
}

const WRONG_COLUMNS: Error = Error::Protocol("a row does not have the columns of its table");

/// Reads the archived form back, and checks it against its trailer.
pub struct RowReader {
    frames: Frames<Box<dyn BufRead>>,
    header: Header,
    tally: Tally,
    large: Option<Hasher>,
}

impl RowReader {
    /// Reads the header.
    ///
    /// # Errors
    /// When the entry is not of this form.
    pub fn new(source: Box<dyn BufRead>) -> Result<Self, Error> {
        let mut frames = Frames::new(source, Marks::Free);
        let magic = frames.take(MAGIC.len()).map_err(damaged)?;
        if magic != MAGIC {
            return Err(corrupt("the archived rows are of an unknown form"));
        }
        let length = frames.take(4).map_err(damaged)?;
        let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        if length > HEADER_BYTES_MAX {
            return Err(corrupt("the header of the archived rows is larger than 16 MiB"));
        }
        let mut json = Vec::new();
        while json.len() < length {
            let some = (length - json.len()).min(TRANSFER_BYTES);
            json.extend_from_slice(frames.take(some).map_err(damaged)?);
        }
        let header = serde_json::from_slice(&json)?;
        Ok(Self { frames, header, tally: Tally::default(), large: None })
    }

    /// What the cells are.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many rows were read so far.
    pub fn rows(&self) -> u64 {
        self.tally.rows
    }

    /// The next row or piece of a row; none at the end, when everything was there and equals what was written.
    ///
    /// # Errors
    /// When the entry is damaged.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Message<'_>>, Error> {
        if self.large.is_none() && self.frames.peek_mark().map_err(damaged)? != MARK_ROW {
            return self.check_trailer().map(|()| None);
        }
        let message = self.frames.read_piecewise().map_err(damaged)?;
        match &message {
            Message::Whole([]) => return Err(corrupt("an archived row is empty")),
            Message::Whole(row) => self.tally.add(Hasher::hash(row)),
            Message::Frame(0) => self.tally.add(self.large.take().unwrap_or_default().finish()),
            Message::Frame(_) => _ = self.large.get_or_insert_default(),
            Message::Piece { bytes, ends } => {
                self.large.get_or_insert_default().update(bytes);
                if *ends {
                    self.tally.add(self.large.take().unwrap_or_default().finish());
                }
            }
        }
        Ok(Some(message))
    }

    fn check_trailer(&mut self) -> Result<(), Error> {
        let is_trailer = self.frames.peek_mark().map_err(damaged)? == MARK_TRAILER;
        let trailer = self.frames.read_whole().map_err(damaged)?;
        let mut expected = self.tally.rows.to_le_bytes().to_vec();
        expected.extend(self.tally.sum.to_le_bytes());
        if is_trailer && trailer == expected {
            return Ok(());
        }
        Err(corrupt("the archived rows are not those that were written"))
    }
}

fn corrupt(message: &str) -> Error {
    Error::Told(lockgate_plugin::Error::corrupt(message))
}

/// What breaks while an entry is read is the archive, not the server.
fn damaged(error: Error) -> Error {
    match error {
        Error::Lost(reason) => corrupt(&format!("the archived rows are cut off: {reason}")),
        Error::Protocol(reason) => corrupt(&format!("the archived rows are damaged: {reason}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{self, Cursor};
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Rc<RefCell<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Output for Memory {
        fn finish(self: Box<Self>) -> lockgate_plugin::Result<()> {
            Ok(())
        }
    }

    fn header(columns: usize) -> Header {
        let column = |index| Column {
            name: format!("c{index}"),
            sql_type: "int(11)".to_owned(),
            form: Form::Bytes,
        };
        Header { columns: (0..columns).map(column).collect() }
    }

    fn written(rows: &[&[u8]]) -> Vec<u8> {
        let mut memory = Memory::default();
        let mut writer = RowWriter::new(Some(&mut memory), &header(2)).unwrap();
        rows.iter().for_each(|row| writer.take(Message::Whole(row)).unwrap());
        writer.finish().unwrap();
        memory.0.take()
    }

    fn read(bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let mut reader = RowReader::new(Box::new(Cursor::new(bytes)))?;
        let mut rows = Vec::new();
        while let Some(message) = reader.next()? {
            if let Message::Whole(row) = message {
                rows.push(row.to_vec());
            }
        }
        Ok(rows)
    }

    #[test]
    fn rows_come_back_and_any_change_is_noticed() {
        // The second row looks like a trailer by its size.
        let rows: [&[u8]; 3] =
            [b"\x01a\xfb", &[&[22][..], &[7; 22], &[0]].concat(), b"\x02bc\x01d"];
        let bytes = written(&rows);
        assert_eq!(read(bytes.clone()).unwrap(), rows);
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0x11;
            let in_header = index < bytes.len() - 24 - 4 - rows.concat().len() - 12;
            // A changed column name is still a header; everything else must be noticed.
            assert!(in_header || read(damaged).is_err(), "byte {index}");
            assert!(read(bytes[..index].to_vec()).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn a_row_with_another_number_of_cells_is_refused() {
        let header = header(2);
        let mut writer = RowWriter::new(None, &header).unwrap();
        for row in [&b"\x01a"[..], b"\x01a\x01b\x01c", b"\x05a\xfb", b""] {
            assert!(writer.take(Message::Whole(row)).is_err());
        }
    }

    #[test]
    fn the_tally_does_not_depend_on_the_order() {
        let tally = |rows: [&[u8]; 2]| {
            let mut writer = RowWriter::new(None, &header(2)).unwrap();
            rows.iter().for_each(|row| writer.take(Message::Whole(row)).unwrap());
            writer.finish().unwrap()
        };
        let (one, other): (&[u8], &[u8]) = (b"\x01a\xfb", b"\x01b\xfb");
        assert_eq!(tally([one, other]), tally([other, one]));
        assert_ne!(tally([one, other]), tally([one, one]));
    }
}
