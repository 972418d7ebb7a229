//! The rows of a table as COPY gives them: counted, and hashed row by row, while they pass.
//!
//! The binary form (<https://www.postgresql.org/docs/15/sql-copy.html>): a signature, flags, a header extension, then rows,
//! each a number of fields with their lengths, and -1 at the end. In the text form a row is a line.

use lockgate_plugin::Hasher;

use crate::error::Error;
use crate::limits::COPY_EXTENSION_BYTES_MAX;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Exact and quick; for types whose bytes mean the same in every database.
    Binary,
    /// For the others.
    Text,
}

impl Format {
    /// Name of the entry.
    pub fn entry(self) -> &'static str {
        match self {
            Self::Binary => "rows.binary",
            Self::Text => "rows.text",
        }
    }

    /// In an option of COPY.
    pub fn option(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Text => "text",
        }
    }
}

/// Number of rows and the sum of their hashes, which does not depend on their order.
#[derive(Clone, Debug)]
pub struct Tally {
    rows: u64,
    sum: u128,
    hasher: Hasher,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Bytes of the signature, flags and length that were seen, and the last four.
    Header { seen: usize, last: u32 },
    /// Bytes of the header extension that are left.
    Extension(u32),
    /// In the number of fields: bytes seen, and their value.
    Fields { seen: u8, value: u16 },
    /// In the length of a field: fields left, bytes seen, and their value.
    Length { left: u16, seen: u8, value: u32 },
    /// In a field: fields left behind it, and bytes left of it.
    Field { left: u16, bytes: u32 },
    /// Behind the last row.
    End,
    /// In a line; whether a byte of it was seen.
    Line(bool),
}

const MALFORMED: Error = Error::Protocol("the rows are not in the binary format of COPY");

impl Tally {
    /// Of rows in this form.
    pub fn new(format: Format) -> Self {
        let state = match format {
            Format::Binary => State::Header { seen: 0, last: 0 },
            Format::Text => State::Line(false),
        };
        Self { rows: 0, sum: 0, hasher: Hasher::default(), state }
    }

    /// Takes more bytes; how they are cut makes no difference.
    ///
    /// # Errors
    /// When they are not what COPY gives.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let State::Line(_) = self.state {
            self.take_lines(bytes);
            return Ok(());
        }
        let mut rest = bytes;
        // Where the part of the row begins that was not hashed yet.
        let mut row = rest;
        while let Some(first) = rest.first().copied() {
            let was_in_row = !matches!(self.state, State::Header { .. } | State::Extension(_));
            let taken = self.step(first, rest)?;
            rest = rest.get(taken..).unwrap_or_default();
            match self.state {
                State::Fields { seen: 0, .. } if was_in_row => {
                    let end = row.len() - rest.len();
                    self.hasher.update(row.get(..end).unwrap_or_default());
                    row = rest;
                    self.end_row();
                }
                State::Fields { seen: 1.., .. } | State::Length { .. } | State::Field { .. } => {}
                _ => row = rest,
            }
        }
        self.hasher.update(row);
        Ok(())
    }

    /// Takes one byte of a number or of the header, or as many as there are of a field.
    fn step(&mut self, first: u8, rest: &[u8]) -> Result<usize, Error> {
        match &mut self.state {
            State::Header { seen, last } => {
                if SIGNATURE.get(*seen).is_some_and(|expected| *expected != first) {
                    return Err(MALFORMED);
                }
                *last = *last << 8 | u32::from(first);
                *seen += 1;
                // The flags say that OIDs follow, which no release since 12 does, or something unknown.
                if *seen == SIGNATURE.len() + 4 && *last != 0 {
                    return Err(MALFORMED);
                }
                if *seen == SIGNATURE.len() + 8 {
                    let extension = *last;
                    if extension > COPY_EXTENSION_BYTES_MAX {
                        return Err(MALFORMED);
                    }
                    self.state = after_extension(extension);
                }
            }
            State::Extension(left) => self.state = after_extension(*left - 1),
            State::Fields { seen, value } => {
                *value = *value << 8 | u16::from(first);
                *seen += 1;
                if *seen == 2 {
                    self.state = match *value {
                        u16::MAX => State::End,
                        left => next_field(left),
                    };
                }
            }
            State::Length { left, seen, value } => {
                *value = *value << 8 | u32::from(first);
                *seen += 1;
                if *seen == 4 {
                    let left = *left - 1;
                    self.state = match i32::try_from(*value) {
                        Ok(0) => next_field(left),
                        Ok(_) => State::Field { left, bytes: *value },
                        Err(_) if *value == u32::MAX => next_field(left),
                        Err(_) => return Err(MALFORMED),
                    };
                }
            }
            State::Field { left, bytes } => {
                let taken = rest.len().min(*bytes as usize);
                *bytes -= taken as u32;
                if *bytes == 0 {
                    self.state = next_field(*left);
                }
                return Ok(taken);
            }
            State::End | State::Line(_) => return Err(MALFORMED),
        }
        Ok(1)
    }

    fn take_lines(&mut self, bytes: &[u8]) {
        // A line end inside of a value is written as `\n`.
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.hasher.update(piece);
            let is_open = !piece.ends_with(b"\n");
            self.state = State::Line(is_open);
            if !is_open {
                self.end_row();
            }
        }
    }

    fn end_row(&mut self) {
        let hasher = std::mem::take(&mut self.hasher);
        self.sum = self.sum.wrapping_add(hasher.finish());
        self.rows += 1;
    }

    /// The number of rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The fingerprint of all rows.
    ///
    /// # Errors
    /// When the last one is not complete.
    pub fn finish(self) -> Result<String, Error> {
        match self.state {
            State::End | State::Line(false) => Ok(format!("{}-{:032x}", self.rows, self.sum)),
            _ => Err(Error::Protocol("the rows have no end")),
        }
    }
}

fn after_extension(left: u32) -> State {
    if left == 0 { State::Fields { seen: 0, value: 0 } } else { State::Extension(left) }
}

fn next_field(left: u16) -> State {
    match left {
        0 => State::Fields { seen: 0, value: 0 },
        _ => State::Length { left, seen: 0, value: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(rows: &[&[Option<&[u8]>]]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 4]);
        bytes.extend([0, 0, 0, 3, 7, 7, 7]);
        for row in rows {
            bytes.extend((row.len() as u16).to_be_bytes());
            for field in *row {
                match field {
                    None => bytes.extend([0xff; 4]),
                    Some(field) => {
                        bytes.extend((field.len() as u32).to_be_bytes());
                        bytes.extend(*field);
                    }
                }
            }
        }
        bytes.extend([0xff, 0xff]);
        bytes
    }

    fn of(format: Format, bytes: &[u8], size: usize) -> Result<String, Error> {
        let mut tally = Tally::new(format);
        bytes.chunks(size).try_for_each(|piece| tally.take(piece))?;
        tally.finish()
    }

    #[test]
    fn pieces_and_the_order_of_rows_make_no_difference() {
        let one: &[Option<&[u8]>] = &[Some(b"abc"), None, Some(b"")];
        let two: &[Option<&[u8]>] = &[Some(&[9; 500])];
        let none: &[Option<&[u8]>] = &[];
        let bytes = binary(&[one, two, none]);
        let whole = of(Format::Binary, &bytes, bytes.len()).unwrap();
        assert!(whole.starts_with("3-"), "{whole}");
        for size in 1..40 {
            assert_eq!(of(Format::Binary, &bytes, size).unwrap(), whole);
        }
        assert_eq!(of(Format::Binary, &binary(&[none, two, one]), 7).unwrap(), whole);
        assert_ne!(of(Format::Binary, &binary(&[one, one, none]), 7).unwrap(), whole);
        assert!(of(Format::Binary, &binary(&[]), 7).unwrap().starts_with("0-"));
    }

    #[test]
    fn lines_are_rows() {
        let whole = of(Format::Text, b"a\tb\n\n\\N\n", 100).unwrap();
        assert!(whole.starts_with("3-"));
        assert_eq!(of(Format::Text, b"a\tb\n\n\\N\n", 1).unwrap(), whole);
        assert_eq!(of(Format::Text, b"\\N\n\na\tb\n", 2).unwrap(), whole);
        assert!(of(Format::Text, b"", 1).unwrap().starts_with("0-"));
        assert!(of(Format::Text, b"a", 1).is_err());
    }

    #[test]
    fn damaged_rows_are_errors() {
        let bytes = binary(&[&[Some(b"abc")]]);
        for length in 0..bytes.len() {
            assert!(of(Format::Binary, &bytes[..length], 5).is_err(), "{length}");
        }
        for at in [0, 5, 11, 18] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x80;
            assert!(of(Format::Binary, &damaged, 9).is_err(), "{at}");
        }
        assert!(of(Format::Binary, &[bytes, vec![1]].concat(), 9).is_err());
    }
}
