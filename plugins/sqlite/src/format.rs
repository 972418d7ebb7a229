//! The first 100 bytes of a database (<https://www.sqlite.org/fileformat2.html>, section 1.3), and the bytes of it that programs
//! lock (`os.h` of SQLite).

use std::fmt;

use crate::host::Bytes;

/// Bytes of the header.
pub const HEADER_BYTES: u32 = 100;
/// What a database begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The newest version of the format that is known: 1 is a rollback journal, 2 a write-ahead log.
const VERSION_MAX: u8 = 2;

/// Somebody waits to write: no new reader comes in.
pub const PENDING: Bytes = Bytes::one(0x4000_0000);
/// Somebody is about to write.
pub const RESERVED: Bytes = Bytes::one(PENDING.offset + 1);
/// Readers share these, and who writes has them alone.
pub const SHARED: Bytes = Bytes { offset: PENDING.offset + 2, length: 510 };
/// All of them.
pub const LOCKED: Bytes = Bytes { offset: PENDING.offset, length: 512 };

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// 512 to 65536.
    pub page_size: u32,
    /// Which version a program must know to write.
    pub write_version: u8,
    /// Which version a program must know to read.
    pub read_version: u8,
    /// Grows with each transaction in rollback-journal mode.
    pub change_counter: u32,
    /// Number of pages; none when an old program left it wrong.
    pub pages: Option<u32>,
    /// Grows with each change of the schema.
    pub schema_cookie: u32,
    /// Pages move to the front when others are freed: at once, when asked, or not at all.
    pub auto_vacuum: &'static str,
    /// Of the texts.
    pub encoding: &'static str,
    /// The application's own number.
    pub user_version: i32,
    /// Which application the file is of.
    pub application_id: u32,
    /// Version of the SQLite that wrote last, as 3040001.
    pub library_version: u32,
}

/// Why bytes are not the beginning of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign(&'static str);

impl fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Header {
    /// Reads the beginning of a file.
    ///
    /// # Errors
    /// In words that follow the file's name.
    pub fn parse(bytes: &[u8]) -> Result<Self, Foreign> {
        let Some(bytes) = bytes.first_chunk::<{ HEADER_BYTES as usize }>() else {
            return Err(Foreign("is no SQLite database: it is shorter than a header"));
        };
        if !bytes.starts_with(MAGIC) {
            return Err(Foreign("is no SQLite database, or an encrypted one"));
        }
        // What every database has at 21 to 23; others are encrypted behind their first bytes, or damaged.
        if bytes[21..24] != [64, 32, 32] {
            return Err(Foreign("has a damaged header, or is encrypted"));
        }
        let page_size = match u32::from(u16::from_be_bytes([bytes[16], bytes[17]])) {
            1 => 65_536,
            size if size >= 512 && size.is_power_of_two() => size,
            _ => return Err(Foreign("has a damaged header: its page size is impossible")),
        };
        let number = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let is_valid = number(28) != 0 && number(24) == number(92);
        Ok(Self {
            page_size,
            write_version: bytes[18],
            read_version: bytes[19],
            change_counter: number(24),
            pages: is_valid.then(|| number(28)),
            schema_cookie: number(40),
            auto_vacuum: match (number(52), number(64)) {
                (0, _) => "none",
                (_, 0) => "full",
                _ => "incremental",
            },
            encoding: match number(56) {
                2 => "UTF-16le",
                3 => "UTF-16be",
                _ => "UTF-8",
            },
            user_version: number(60).cast_signed(),
            application_id: number(68),
            library_version: number(96),
        })
    }

    /// Whether the format is of a version that was tested.
    #[must_use]
    pub fn is_known(&self) -> bool {
        let known = 1..=VERSION_MAX;
        known.contains(&self.read_version) && known.contains(&self.write_version)
    }

    /// Whether the database has a write-ahead log when it is open.
    #[must_use]
    pub fn has_log(&self) -> bool {
        self.read_version >= 2
    }

    /// Version of the SQLite that wrote last, as `3.40.1`.
    #[must_use]
    pub fn library(&self) -> String {
        let number = self.library_version;
        format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
    }

    /// The page, counted from 1, that holds the locked bytes and never any data.
    #[must_use]
    pub fn lock_page(&self) -> u64 {
        LOCKED.offset / u64::from(self.page_size) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header as SQLite 3.40.1 writes it.
    pub fn header(page_size: u32, pages: u32) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES as usize];
        bytes[..16].copy_from_slice(MAGIC);
        let size = if page_size == 65_536 { 1 } else { page_size as u16 };
        bytes[16..18].copy_from_slice(&size.to_be_bytes());
        bytes[18..24].copy_from_slice(&[1, 1, 0, 64, 32, 32]);
        for (at, number) in [(24, 7), (28, pages), (56, 1), (92, 7), (96, 3_040_001)] {
            bytes[at..at + 4].copy_from_slice(&u32::to_be_bytes(number));
        }
        bytes
    }

    #[test]
    fn a_header_is_read() {
        for size in [512, 4096, 32_768, 65_536] {
            let read = Header::parse(&header(size, 3)).unwrap();
            assert_eq!((read.page_size, read.pages), (size, Some(3)));
            assert!(read.is_known() && !read.has_log());
        }
        let read = Header::parse(&header(1024, 3)).unwrap();
        assert_eq!((read.library().as_str(), read.lock_page()), ("3.40.1", 1_048_577));
    }

    #[test]
    fn a_number_of_pages_that_an_old_program_left_is_not_believed() {
        let mut bytes = header(512, 3);
        bytes[95] = 6;
        assert_eq!(Header::parse(&bytes).unwrap().pages, None);
        assert_eq!(Header::parse(&header(512, 0)).unwrap().pages, None);
    }

    #[test]
    fn what_is_no_database_is_told_apart() {
        let with = |at: usize, byte: u8| {
            let mut bytes = header(4096, 1);
            bytes[at] = byte;
            Header::parse(&bytes)
        };
        assert!(with(0, b'X').unwrap_err().to_string().contains("encrypted"));
        assert!(with(21, 0).unwrap_err().to_string().contains("encrypted"));
        assert!(with(17, 3).unwrap_err().to_string().contains("page size"));
        assert!(Header::parse(b"SQLite format 3\0").unwrap_err().to_string().contains("shorter"));
        assert!(!with(18, 3).unwrap().is_known() && !with(19, 0).unwrap().is_known());
    }
}
