//! The write-ahead log: pages in the order in which they were committed (<https://www.sqlite.org/fileformat2.html>, section 4).

use std::collections::BTreeMap;

use lockgate_plugin::{Error, Result};

use crate::host::File;

/// Bytes of the log's header.
pub const HEADER_BYTES: u32 = 32;
/// Bytes before each page.
const FRAME_BYTES: u32 = 24;
/// First four bytes; with the last bit set the checksums are over big-endian words.
const MAGIC: u32 = 0x377f_0682;
/// The only version of the format.
const VERSION: u32 = 3_007_000;
/// Bytes that are read at a time.
const READ_BYTES: u32 = 1 << 20;
/// Different pages that one log may hold: 16 GiB of pages of 4 KiB. They take about 64 MiB of memory.
const PAGES_MAX: usize = 4_000_000;

/// The header of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    page_size: u32,
    is_big_endian: bool,
    /// New with each time that the log begins anew; each frame has them.
    salts: [u8; 8],
    checksum: Checksum,
}

/// What a log holds up to one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Of each page the last frame, counted from 1.
    pages: BTreeMap<u32, u32>,
    /// The last frame that counts.
    pub last: u32,
    /// Pages of the database after it.
    pub database_pages: u32,
    page_size: u32,
}

/// The log's running checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum(pub u32, pub u32);

impl Checksum {
    /// Goes on over `bytes`, in whole pairs of words.
    #[must_use]
    pub fn over(self, bytes: &[u8], is_big_endian: bool) -> Self {
        let Self(mut first, mut second) = self;
        for pair in bytes.as_chunks::<8>().0 {
            let [a, b, c, d, e, f, g, h] = *pair;
            let word = if is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
            first = first.wrapping_add(word([a, b, c, d])).wrapping_add(second);
            second = second.wrapping_add(word([e, f, g, h])).wrapping_add(first);
        }
        Self(first, second)
    }

    fn stored(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self(u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
    }
}

impl Header {
    /// Reads it; none when the log holds nothing that counts.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<{ HEADER_BYTES as usize }>()?;
        let number = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let (magic, page_size) = (number(0), number(8));
        let is_big_endian = magic == MAGIC | 1;
        let is_sound = magic & !1 == MAGIC
            && number(4) == VERSION
            && (512..=65_536).contains(&page_size)
            && page_size.is_power_of_two();
        let checksum = Checksum::default().over(&bytes[..24], is_big_endian);
        let salts = *bytes[16..].first_chunk()?;
        let is_whole = checksum == Checksum::stored(*bytes[24..].first_chunk()?);
        (is_sound && is_whole).then_some(Self { page_size, is_big_endian, salts, checksum })
    }

    /// See [`Header`].
    #[must_use]
    pub fn salts(&self) -> [u8; 8] {
        self.salts
    }
}

impl Frames {
    /// Where in the log the page's content is.
    fn offset(&self, frame: u32) -> u64 {
        let each = u64::from(FRAME_BYTES + self.page_size);
        u64::from(HEADER_BYTES) + u64::from(frame - 1) * each + u64::from(FRAME_BYTES)
    }

    /// The pages from the first to before the last, each with the offset of its content in the log.
    pub fn range(&self, from: u32, to: u32) -> impl Iterator<Item = (u32, u64)> {
        self.pages.range(from..to).map(|(page, frame)| (*page, self.offset(*frame)))
    }

    /// Where page 1 is, which holds the database's header.
    #[must_use]
    pub fn first_page(&self) -> Option<u64> {
        self.pages.get(&1).map(|frame| self.offset(*frame))
    }

    /// The last page that is there; 0 when none is.
    #[must_use]
    pub fn highest(&self) -> u32 {
        self.pages.last_key_value().map_or(0, |(page, _)| *page)
    }

    /// Whether the page is there.
    #[must_use]
    pub fn has(&self, page: u32) -> bool {
        self.pages.contains_key(&page)
    }
}

/// Reads all frames that count: those up to the frame `until`, which must be a commit, or, when nobody knows, those up to the
/// last commit that is whole. Every checksum is verified. Gives the checksum at the last frame too.
///
/// # Errors
/// When a frame up to `until` is damaged, or the log has more pages than are handled.
pub fn read(log: &impl File, header: &Header, until: Option<u32>) -> Result<(Frames, Checksum)> {
    let mut scan = Scan {
        header,
        frames: Frames { page_size: header.page_size, ..Frames::default() },
        running: header.checksum,
        committed: header.checksum,
        pending: Vec::new(),
        number: 0,
    };
    let each = FRAME_BYTES + header.page_size;
    let at_a_time = (READ_BYTES / each).max(1);
    let end = until.unwrap_or(u32::MAX);
    while scan.number < end {
        let offset = u64::from(HEADER_BYTES) + u64::from(scan.number) * u64::from(each);
        let bytes = log.read_at(offset, at_a_time.min(end - scan.number) * each)?;
        let before = scan.number;
        for frame in bytes.chunks_exact(each as usize) {
            if !scan.take(frame)? {
                break;
            }
        }
        if scan.number - before < at_a_time.min(end - before) {
            break;
        }
    }
    match until {
        Some(until) if scan.frames.last != until => Err(Error::corrupt(format!(
            "the write-ahead log is damaged at frame {} of {until}",
            scan.number + 1
        ))),
        _ => Ok((scan.frames, scan.committed)),
    }
}

struct Scan<'a> {
    header: &'a Header,
    frames: Frames,
    running: Checksum,
    committed: Checksum,
    /// Pages since the last commit.
    pending: Vec<(u32, u32)>,
    /// Frames that were sound so far.
    number: u32,
}

impl Scan<'_> {
    /// Whether the frame is one of this log: older ones may stand behind it.
    fn take(&mut self, frame: &[u8]) -> Result<bool> {
        let Some((head, page)) = frame.split_first_chunk::<{ FRAME_BYTES as usize }>() else {
            return Ok(false);
        };
        let number =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let order = self.header.is_big_endian;
        let checksum = self.running.over(&head[..8], order).over(page, order);
        let [.., a, b, c, d, e, f, g, h] = *head;
        let is_sound = number(0) != 0
            && head[8..16] == self.header.salts
            && checksum == Checksum::stored([a, b, c, d, e, f, g, h]);
        if !is_sound {
            return Ok(false);
        }
        self.running = checksum;
        self.number += 1;
        self.pending.push((number(0), self.number));
        if number(4) != 0 {
            self.frames.pages.extend(self.pending.drain(..));
            self.frames.last = self.number;
            self.frames.database_pages = number(4);
            self.committed = checksum;
        }
        if self.frames.pages.len() + self.pending.len() > PAGES_MAX {
            return Err(Error::unsupported(format!(
                "the write-ahead log holds more than {PAGES_MAX} pages; run PRAGMA wal_checkpoint(TRUNCATE)"
            )));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
