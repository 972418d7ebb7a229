//! The protocol's basic data types: <https://mariadb.com/kb/en/protocol-data-types/>.

use crate::error::Error;

/// Marks NULL where a length is expected in a text row.
pub const NULL: u8 = 0xfb;

/// Reads values from the front of a message.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

const SHORT: Error = Error::Protocol("a message is shorter than its content");

impl<'a> Cursor<'a> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        // Not `ok_or`: an error that is made for nothing has to be dropped again, for each cell of each row.
        let Some((front, rest)) = self.rest.split_at_checked(count) else { return Err(SHORT) };
        self.rest = rest;
        Ok(front)
    }

    /// An integer of `width` bytes, little-endian; at most 8.
    ///
    /// # Errors
    /// When there are fewer bytes.
    pub fn integer(&mut self, width: usize) -> Result<u64, Error> {
        let bytes = self.bytes(width.min(8))?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// One byte.
    ///
    /// # Errors
    /// At the end.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Error> {
        let Some((first, rest)) = self.rest.split_first() else { return Err(SHORT) };
        self.rest = rest;
        Ok(*first)
    }

    /// An integer with its width in the first byte; none for NULL.
    ///
    /// # Errors
    /// When it is cut off or starts with a byte that starts no integer.
    #[inline]
    pub fn length(&mut self) -> Result<Option<u64>, Error> {
        match self.byte()? {
            NULL => Ok(None),
            0xfc => self.integer(2).map(Some),
            0xfd => self.integer(3).map(Some),
            0xfe => self.integer(8).map(Some),
            0xff => Err(Error::Protocol("a length starts with 0xff")),
            small => Ok(Some(u64::from(small))),
        }
    }

    /// A cell of a text row: bytes with their length in front; none for NULL.
    ///
    /// # Errors
    /// When the cell is cut off.
    #[inline(always)]
    pub fn cell(&mut self) -> Result<Option<&'a [u8]>, Error> {
        match self.length()? {
            None => Ok(None),
            Some(length) => {
                let length = usize::try_from(length).map_err(|_| SHORT)?;
                self.bytes(length).map(Some)
            }
        }
    }

    /// Bytes up to a NUL, which is taken too; all of the rest when there is none.
    pub fn until_nul(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| *byte == 0);
        let front = self.rest.get(..end.unwrap_or(self.rest.len())).unwrap_or_default();
        self.rest = end.and_then(|end| self.rest.get(end + 1..)).unwrap_or_default();
        front
    }
}

/// Appends `value` with its width in the first byte.
pub fn put_length(into: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    let (mark, width) = match value {
        0..=250 => (None, 1),
        251..=0xffff => (Some(0xfc), 2),
        0x1_0000..=0xff_ffff => (Some(0xfd), 3),
        _ => (Some(0xfe), 8),
    };
    into.extend(mark);
    into.extend(bytes.iter().take(width));
}

/// What comes next in a row that arrives in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellPiece<'a> {
    /// A cell that is NULL.
    Null,
    /// A cell begins; its content follows, possibly none.
    Begin,
    /// The next bytes of the cell.
    Content(&'a [u8]),
}

/// Follows the cells of a row that arrives in pieces.
#[derive(Debug, Default)]
pub struct CellScanner {
    cells: usize,
    content_left: u64,
    prefix_left: usize,
    prefix: u64,
    prefix_shift: u32,
}

impl CellScanner {
    /// Takes the next bytes of the row, and tells what they are.
    ///
    /// # Errors
    /// When a length is impossible.
    pub fn take(
        &mut self,
        mut bytes: &[u8],
        mut tell: impl FnMut(CellPiece<'_>),
    ) -> Result<(), Error> {
        loop {
            if self.content_left > 0 {
                let left = usize::try_from(self.content_left).unwrap_or(usize::MAX);
                let (content, rest) = bytes.split_at(left.min(bytes.len()));
                self.content_left -= content.len() as u64;
                tell(CellPiece::Content(content));
                bytes = rest;
            }
            let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            if self.prefix_left > 0 {
                self.continue_prefix(*first);
                continue;
            }
            self.cells += 1;
            (self.prefix, self.prefix_shift) = (0, 0);
            match *first {
                NULL => {}
                0xfc => self.prefix_left = 2,
                0xfd => self.prefix_left = 3,
                0xfe => self.prefix_left = 8,
                0xff => return Err(Error::Protocol("a length starts with 0xff")),
                small => self.content_left = u64::from(small),
            }
            tell(if *first == NULL { CellPiece::Null } else { CellPiece::Begin });
        }
    }

    fn continue_prefix(&mut self, byte: u8) {
        self.prefix |= u64::from(byte) << self.prefix_shift;
        self.prefix_shift += 8;
        self.prefix_left -= 1;
        if self.prefix_left == 0 {
            self.content_left = self.prefix;
        }
    }

    /// The number of cells, now that the row is over.
    ///
    /// # Errors
    /// When a cell is cut off.
    pub fn finish(self) -> Result<usize, Error> {
        if self.content_left > 0 || self.prefix_left > 0 {
            return Err(Error::Protocol("a row ends inside a cell"));
        }
        Ok(self.cells)
    }
}

/// The number of cells in a row that is there as a whole.
///
/// # Errors
/// When a cell is cut off.
#[inline]
pub fn count_cells(row: &[u8]) -> Result<usize, Error> {
    let mut cursor = Cursor::new(row);
    let mut cells = 0;
    while !cursor.rest.is_empty() {
        cursor.cell()?;
        cells += 1;
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_width_are_read_back() {
        for value in [0, 250, 251, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut bytes = Vec::new();
            put_length(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes).length().unwrap(), Some(value));
            bytes.pop();
            assert!(Cursor::new(&bytes).length().is_err(), "{value} cut short");
        }
    }

    #[test]
    fn a_row_in_pieces_counts_like_the_whole_row() {
        let mut row = vec![NULL, 3, b'a', b'b', b'c', 0];
        put_length(&mut row, 300);
        row.extend([7; 300]);
        put_length(&mut row, 70_000);
        row.extend([9; 70_000]);
        assert_eq!(count_cells(&row).unwrap(), 5);
        for size in [1, 2, 3, 7, 1000] {
            let mut scanner = CellScanner::default();
            row.chunks(size).for_each(|piece| scanner.take(piece, |_| {}).unwrap());
            assert_eq!(scanner.finish().unwrap(), 5, "pieces of {size}");
        }
        row.pop();
        assert!(count_cells(&row).is_err());
        let mut scanner = CellScanner::default();
        scanner.take(&row, |_| {}).unwrap();
        assert!(scanner.finish().is_err());
    }
}
