//! A segment of a journal: a header of 64 bytes, then entries, each with its length, its CRC-32 and its bytes. Zeros follow the last
//! one, because the file is made in its full size.

use lockgate_plugin::{Error, Result};

use crate::files::Bytes;
use crate::limits::{ENTRY_BYTES_MAX, READ_BYTES, SEGMENT_BYTES_MAX};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;
/// The only version of the format.
const VERSION: u32 = 1;
/// Length and checksum before the bytes of an entry.
const PREFIX_BYTES: usize = 8;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Counts the segments of a journal from 1.
    pub id: u64,
    /// Of its first entry, in the journal.
    pub index: u64,
    /// Bytes of the file as it is laid out.
    pub size: u64,
}

impl Header {
    /// Reads it; none where the segment was made and not begun yet.
    ///
    /// # Errors
    /// When it is of another version, or says what cannot be.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let long = |at: usize| bytes[at..].first_chunk().map_or(0, |it| u64::from_be_bytes(*it));
        let number = |at: usize| bytes[at..].first_chunk().map_or(0, |it| u32::from_be_bytes(*it));
        let version = number(0);
        if version != VERSION {
            return Err(Error::unsupported(format!(
                "the segment is of version {version} of the journal's format, and only version {VERSION} is known"
            )));
        }
        let header = Self { id: long(4), index: long(12), size: number(20).into() };
        let can_be = header.id > 0
            && (1..1 << 62).contains(&header.index)
            && (HEADER_BYTES as u64..=SEGMENT_BYTES_MAX).contains(&header.size);
        if can_be { Ok(Some(header)) } else { Err(Error::corrupt("its header is damaged")) }
    }
}

/// What the entries of a segment turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The header.
    pub header: Header,
    /// Entries that are whole.
    pub entries: u64,
    /// Where the last of them ends, in the file.
    pub end: u64,
    /// Whether something follows that is no whole entry: one that was being written.
    pub is_torn: bool,
}

impl Scan {
    /// Index of the entry that would come next.
    #[must_use]
    pub fn next_index(&self) -> u64 {
        self.header.index + self.entries
    }
}

/// Reads a segment from its beginning and verifies each entry. `visit` gets the header, then each entry with its length and checksum:
/// together the bytes of the file up to [`Scan::end`]. None when the segment was not begun yet.
///
/// # Errors
/// When the header is damaged, an entry is damaged and whole ones follow, and what `visit` fails with.
pub fn scan(file: &impl Bytes, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<Option<Scan>> {
    let mut window = Window { file, next: 0, bytes: Vec::new(), used: 0 };
    let Some(header) = window.look(HEADER_BYTES)?.map(Header::parse).transpose()?.flatten() else {
        return Ok(None);
    };
    let mut scan = Scan { header, entries: 0, end: HEADER_BYTES as u64, is_torn: false };
    visit(window.take(HEADER_BYTES))?;
    loop {
        match window.entry(0)? {
            Found::Whole(bytes) => {
                visit(window.take(bytes))?;
                scan.entries += 1;
                scan.end += bytes as u64;
            }
            Found::End => return Ok(Some(scan)),
            Found::Broken(bytes) => {
                if let Some(bytes) = bytes
                    && matches!(window.entry(bytes)?, Found::Whole(_))
                {
                    let index = scan.next_index();
                    return Err(Error::corrupt(format!(
                        "entry {index} at byte {} does not fit its checksum, and whole entries follow it",
                        scan.end
                    )));
                }
                scan.is_torn = true;
                return Ok(Some(scan));
            }
        }
    }
}

/// What is where an entry may be.
enum Found {
    /// An entry of so many bytes, with length and checksum.
    Whole(usize),
    /// Nothing more was written.
    End,
    /// No whole entry; one of so many bytes, when the length can be believed.
    Broken(Option<usize>),
}

/// The piece of a file that is looked at.
struct Window<'a, B> {
    file: &'a B,
    /// Where the piece ends, in the file.
    next: u64,
    bytes: Vec<u8>,
    used: usize,
}

impl<B: Bytes> Window<'_, B> {
    /// The next `count` bytes; none when the file has fewer.
    fn look(&mut self, count: usize) -> Result<Option<&[u8]>> {
        while self.bytes.len() - self.used < count {
            let piece = self.file.read_at(self.next, READ_BYTES)?;
            if piece.is_empty() {
                return Ok(None);
            }
            self.bytes.drain(..self.used);
            self.used = 0;
            self.next += piece.len() as u64;
            self.bytes.extend_from_slice(&piece);
        }
        Ok(self.bytes.get(self.used..self.used + count))
    }

    /// Goes on behind bytes that were looked at, and gives them.
    fn take(&mut self, count: usize) -> &[u8] {
        let from = self.used;
        self.used = (from + count).min(self.bytes.len());
        self.bytes.get(from..self.used).unwrap_or_default()
    }

    /// What is `ahead` bytes further on.
    fn entry(&mut self, ahead: usize) -> Result<Found> {
        let prefix = self.look(ahead + PREFIX_BYTES)?.and_then(|it| it.get(ahead..));
        let Some(prefix) = prefix.and_then(|it| it.first_chunk::<PREFIX_BYTES>()) else {
            return Ok(Found::End);
        };
        let [a, b, c, d, checksum @ ..] = *prefix;
        let length = i32::from_be_bytes([a, b, c, d]);
        if length == 0 {
            return Ok(Found::End);
        }
        let Some(length) = usize::try_from(length).ok().filter(|it| *it <= ENTRY_BYTES_MAX) else {
            return Ok(Found::Broken(None));
        };
        let bytes = PREFIX_BYTES + length;
        let Some(found) = self.look(ahead + bytes)?.and_then(|it| it.get(ahead + PREFIX_BYTES..))
        else {
            return Ok(Found::Broken(None));
        };
        let fits = crc32fast::hash(found) == u32::from_be_bytes(checksum);
        Ok(if fits { Found::Whole(bytes) } else { Found::Broken(Some(bytes)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment as Atomix writes one, laid out in `size` bytes.
    fn segment(id: u64, index: u64, entries: &[&[u8]], size: usize) -> Vec<u8> {
        let mut bytes = 1_u32.to_be_bytes().to_vec();
        bytes.extend(id.to_be_bytes());
        bytes.extend(index.to_be_bytes());
        bytes.extend(u32::try_from(size).unwrap().to_be_bytes());
        bytes.extend((1_u32 << 20).to_be_bytes());
        bytes.resize(HEADER_BYTES, 0);
        for entry in entries {
            bytes.extend(u32::try_from(entry.len()).unwrap().to_be_bytes());
            bytes.extend(crc32fast::hash(entry).to_be_bytes());
            bytes.extend_from_slice(entry);
        }
        bytes.resize(size.max(bytes.len()), 0);
        bytes
    }

    fn look(bytes: &[u8]) -> Result<Option<Scan>> {
        let mut seen = Vec::new();
        let scanned = scan(&bytes.to_vec(), |piece| {
            seen.extend_from_slice(piece);
            Ok(())
        });
        if let Ok(Some(scan)) = &scanned {
            assert_eq!(seen, &bytes[..usize::try_from(scan.end).unwrap()]);
        }
        scanned
    }

    #[test]
    fn a_segment_ends_behind_its_last_whole_entry() {
        let large = vec![7; 3 << 20];
        let whole = segment(2, 100, &[b"one", &large, b"three"], 8 << 20);
        let found = look(&whole).unwrap().unwrap();
        assert_eq!(found.header, Header { id: 2, index: 100, size: 8 << 20 });
        assert_eq!((found.entries, found.next_index(), found.is_torn), (3, 103, false));
        assert_eq!(found.end, 64 + 3 * 8 + 3 + (3 << 20) + 5);
        let end = usize::try_from(found.end).unwrap();
        let short = look(&whole[..end]).unwrap().unwrap();
        assert_eq!(short, found);
        assert_eq!(look(&segment(1, 1, &[], 100)).unwrap().unwrap().end, 64);
    }

    #[test]
    fn what_was_being_written_is_left_out() {
        let whole = segment(1, 1, &[b"first", b"second"], 200);
        let end = look(&whole).unwrap().unwrap().end;
        for cut in 77..usize::try_from(end).unwrap() {
            let mut torn = whole.clone();
            torn[cut..].fill(0);
            let found = look(&torn).unwrap().unwrap();
            assert_eq!((found.entries, found.end), (1, 77), "{cut}");
            assert_eq!(look(&whole[..cut]).unwrap().unwrap().entries, 1, "{cut}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_told_and_hostile_bytes_are_survived() {
        let whole = segment(1, 1, &[b"first", b"second", b"third"], 200);
        let mut damaged = whole.clone();
        damaged[64 + 8] ^= 1;
        let error = look(&damaged).unwrap_err();
        assert!(error.message().starts_with("entry 1 at byte 64 "), "{error}");
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut hostile = whole.clone();
                hostile[at] = byte;
                let _ = look(&hostile);
                let _ = look(&hostile[..at]);
            }
        }
        let mut newer = whole.clone();
        newer[3] = 2;
        assert!(look(&newer).unwrap_err().message().contains("version 2"));
        assert_eq!(look(&[0; 200]), Ok(None));
        assert_eq!(look(&[]), Ok(None));
    }
}
