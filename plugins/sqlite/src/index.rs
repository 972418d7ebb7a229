//! The beginning of the `-shm` file: how far the write-ahead log counts, and who reads how far
//! (<https://www.sqlite.org/walformat.html>, section 2). It is shared memory of the programs that have the database open, in the
//! machine's own byte order.

use crate::host::Bytes;
use crate::wal::Checksum;

/// Bytes of both copies of the header and of what checkpoints and readers share.
pub const BYTES: u32 = 136;
/// Of one copy of the header.
const HEADER_BYTES: usize = 48;
/// What the header's checksum covers.
const CHECKED_BYTES: usize = 40;
/// The only version of the format.
const VERSION: u32 = 3_007_000;

/// Held shared by every program that has the database open: while nobody holds it, the file means nothing.
pub const OPEN: Bytes = Bytes::one(128);
/// Held by a program that rebuilds the file after a crash.
pub const RECOVER: Bytes = Bytes::one(122);
/// Readers that may use the log up to a mark; the first stands for those that use none of it, and while it is held nothing of
/// the log is copied into the database.
const READERS: [Bytes; 5] =
    [Bytes::one(123), Bytes::one(124), Bytes::one(125), Bytes::one(126), Bytes::one(127)];

/// One look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// As it is, to see whether it changed.
    header: [u8; HEADER_BYTES],
    /// Last frame of the log that is committed.
    pub last_frame: u32,
    /// Pages of the database then.
    pub pages: u32,
    /// Of a page, in bytes.
    pub page_size: u32,
    /// The log's running checksum at that frame.
    pub checksum: Checksum,
    /// The log's salts.
    pub salts: [u8; 8],
    /// Frames that a checkpoint has copied into the database.
    pub copied: u32,
    /// How far the readers of each slot may use the log.
    marks: [u32; 5],
}

/// The slot of [`READERS`] that stands for readers which use nothing of the log.
#[must_use]
pub fn first_reader() -> Bytes {
    READERS[0]
}

impl Index {
    /// Reads it; none while somebody writes it, or before anybody has.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<{ BYTES as usize }>()?;
        let number = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let (header, copy) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let checksum =
            Checksum::default().over(&header[..CHECKED_BYTES], cfg!(target_endian = "big"));
        let is_whole = copy.starts_with(header)
            && checksum == Checksum(number(40), number(44))
            && number(0) == VERSION
            && header[12] != 0;
        // 65536 does not fit and is 1.
        let size = u32::from(u16::from_ne_bytes([header[14], header[15]]));
        is_whole.then_some(Self {
            header: *header,
            last_frame: number(16),
            pages: number(20),
            page_size: (size & 0xfe00) | ((size & 1) << 16),
            checksum: Checksum(number(24), number(28)),
            salts: *header[32..].first_chunk()?,
            copied: number(96),
            marks: [number(100), number(104), number(108), number(112), number(116)],
        })
    }

    /// The reader's slot to take: the one with the largest mark that is not beyond the last commit. While it is held, no
    /// checkpoint goes beyond its mark and the log does not begin anew, so that everything up to the last commit stays. Where
    /// nobody has set a mark and all of the log is in the database, it is the first slot: then the database's file stays.
    #[must_use]
    pub fn reader(&self) -> Option<Reader> {
        let marks = self.marks.into_iter().zip(READERS);
        let usable = marks.clone().skip(1).filter(|(mark, _)| *mark <= self.last_frame);
        let mut first = marks.take(1).filter(|_| self.copied == self.last_frame);
        let best = usable.max_by_key(|(mark, _)| *mark).or_else(|| first.next());
        best.map(|(mark, bytes)| Reader { mark, bytes })
    }

    /// Whether nothing has happened between `before` and now that the reader could have missed.
    #[must_use]
    pub fn is_as_before(&self, before: &Self, reader: Reader) -> bool {
        self.header == before.header && self.still_has(reader)
    }

    /// Whether the slot still has the mark with which it was taken.
    #[must_use]
    pub fn still_has(&self, reader: Reader) -> bool {
        let mut slots = READERS.into_iter().zip(self.marks);
        slots.any(|(bytes, mark)| bytes == reader.bytes && mark == reader.mark)
    }
}

impl Reader {
    /// Whether it uses nothing of the log.
    #[must_use]
    pub fn is_first(self) -> bool {
        self.bytes == READERS[0]
    }
}

/// A slot with its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The frame that no checkpoint goes beyond.
    pub mark: u32,
    /// What is locked.
    pub bytes: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(last_frame: u32, marks: [u32; 5]) -> Vec<u8> {
        let mut header = [0; HEADER_BYTES];
        let mut put = |at: usize, number: u32| {
            header[at..at + 4].copy_from_slice(&number.to_ne_bytes());
        };
        put(0, VERSION);
        put(16, last_frame);
        put(20, 9);
        header[12] = 1;
        header[14..16].copy_from_slice(&1_u16.to_ne_bytes());
        let order = cfg!(target_endian = "big");
        let Checksum(first, second) = Checksum::default().over(&header[..CHECKED_BYTES], order);
        header[40..44].copy_from_slice(&first.to_ne_bytes());
        header[44..48].copy_from_slice(&second.to_ne_bytes());
        let mut bytes = [header, header].concat();
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(marks.iter().flat_map(|mark| mark.to_ne_bytes()));
        bytes.extend([0; 16]);
        bytes
    }

    #[test]
    fn the_largest_mark_that_is_committed_is_taken() {
        let unused = u32::MAX;
        let reader = |last, marks| Index::parse(&bytes(last, marks)).unwrap().reader();
        let taken = reader(7, [0, 3, 7, 8, unused]).unwrap();
        assert_eq!((taken.mark, taken.bytes), (7, Bytes::one(125)));
        assert_eq!(reader(7, [0, 0, unused, unused, unused]).unwrap().bytes, Bytes::one(124));
        assert_eq!(reader(7, [0, 8, unused, unused, unused]), None);
    }

    #[test]
    fn what_is_being_written_is_not_believed() {
        let whole = bytes(7, [0; 5]);
        let read = Index::parse(&whole).unwrap();
        assert_eq!((read.last_frame, read.pages, read.page_size), (7, 9, 65_536));
        for at in 0..2 * HEADER_BYTES {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            assert_eq!(Index::parse(&torn), None, "{at}");
        }
        assert_eq!(Index::parse(&whole[..135]), None);
        assert_eq!(Index::parse(&[0; 136]), None);
    }

    #[test]
    fn a_change_is_seen() {
        let before = Index::parse(&bytes(7, [0, 5, 0, 0, 0])).unwrap();
        let reader = before.reader().unwrap();
        assert!(before.is_as_before(&before.clone(), reader));
        let more = Index::parse(&bytes(8, [0, 5, 0, 0, 0])).unwrap();
        assert!(!more.is_as_before(&before, reader) && more.still_has(reader));
        let moved = Index::parse(&bytes(7, [0, 6, 0, 0, 0])).unwrap();
        assert!(!moved.is_as_before(&before, reader));
    }
}
