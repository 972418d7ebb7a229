use lockgate_plugin::{Metadata, Result};

use super::*;
use crate::host::Bytes;

/// A log in memory.
struct Memory(Vec<u8>);

impl File for Memory {
    type Lock = ();

    fn metadata(&self) -> Result<Metadata> {
        Err(Error::other("not asked for"))
    }

    fn read_at(&self, offset: u64, max: u32) -> Result<Vec<u8>> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        Ok(rest.get(..max as usize).unwrap_or(rest).to_vec())
    }

    fn lock(&self, _: Bytes, _: u32) -> Result<Option<()>> {
        Ok(None)
    }

    fn is_free(&self, _: Bytes) -> Result<bool> {
        Ok(true)
    }
}

const PAGE: usize = 512;

/// A log of frames, each with its page and, for a commit, the size of the database.
fn log(is_big_endian: bool, frames: &[(u32, u32)]) -> Vec<u8> {
    let stored =
        |Checksum(first, second): Checksum| [first.to_be_bytes(), second.to_be_bytes()].concat();
    let mut bytes = Vec::new();
    for number in [MAGIC | u32::from(is_big_endian), VERSION, PAGE as u32, 0, 11, 22] {
        bytes.extend(number.to_be_bytes());
    }
    let mut checksum = Checksum::default().over(&bytes, is_big_endian);
    bytes.extend(stored(checksum));
    for (index, (page, commit)) in frames.iter().enumerate() {
        let head = [page.to_be_bytes(), commit.to_be_bytes()].concat();
        let content = vec![(index % 250) as u8 + 1; PAGE];
        checksum = checksum.over(&head, is_big_endian).over(&content, is_big_endian);
        bytes.extend([head, bytes[16..24].to_vec(), stored(checksum), content].concat());
    }
    bytes
}

fn frames(bytes: &[u8], until: Option<u32>) -> Result<Frames> {
    let header = Header::parse(bytes).unwrap();
    read(&Memory(bytes.to_vec()), &header, until).map(|(frames, _)| frames)
}

const USUAL: [(u32, u32); 5] = [(1, 0), (2, 2), (1, 0), (3, 3), (2, 0)];

#[test]
fn what_is_committed_counts_and_later_frames_win() {
    for is_big_endian in [false, true] {
        let bytes = log(is_big_endian, &USUAL);
        let read = frames(&bytes, None).unwrap();
        assert_eq!((read.last, read.database_pages), (4, 3));
        let found: Vec<_> = read.range(1, 9).map(|(page, at)| (page, bytes[at as usize])).collect();
        assert_eq!(found, [(1, 3), (2, 2), (3, 4)]);
        assert_eq!(frames(&bytes, Some(2)).unwrap().last, 2);
        assert!(frames(&bytes, Some(3)).is_err(), "no commit");
    }
}

#[test]
fn a_log_is_read_in_pieces() {
    let many: Vec<_> = (1..=5000).map(|page| (page, page)).collect();
    assert_eq!(frames(&log(false, &many), Some(5000)).unwrap().last, 5000);
}

#[test]
fn damage_ends_what_counts() {
    let whole = log(false, &USUAL);
    let second = HEADER_BYTES as usize + FRAME_BYTES as usize + PAGE;
    for at in [second, second + 9, second + 17, second + 24 + 100] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        assert_eq!(frames(&damaged, None).unwrap().last, 0, "{at}");
        let error = frames(&damaged, Some(4)).unwrap_err().to_string();
        assert!(error.contains("damaged at frame 2 of 4"), "{error}");
    }
    assert_eq!(frames(&whole[..whole.len() - PAGE - 30], None).unwrap().last, 2);
    for at in 0..HEADER_BYTES as usize {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        assert_eq!(Header::parse(&damaged), None, "{at}");
    }
    assert_eq!(Header::parse(&whole[..31]), None);
}
