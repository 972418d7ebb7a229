//! Entries as they wait to be sorted.

use lockgate_types::EntryPath;

use crate::error::{Error, ErrorKind, Result};

/// One entry: where it stands, and its printed node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The path with 0 for each `/`: 0 is in no path and sorts before all, so that the order of the bytes is depth first.
    pub(super) key: &'a [u8],
    /// The node.
    pub(super) json: &'a [u8],
    /// Of folders: where the name of the tree is to be put.
    pub(super) split: Option<u32>,
}

/// Marks nodes that are no folders.
const NO_SPLIT: u32 = u32::MAX;
/// Three lengths, little end first.
pub(super) const HEAD_LENGTH: usize = 12;

impl<'a> Record<'a> {
    pub(super) fn head(&self) -> Result<[u8; HEAD_LENGTH]> {
        let mut head = [0; HEAD_LENGTH];
        head[..4].copy_from_slice(&length(self.key.len())?.to_le_bytes());
        head[4..8].copy_from_slice(&length(self.json.len())?.to_le_bytes());
        head[8..].copy_from_slice(&self.split.unwrap_or(NO_SPLIT).to_le_bytes());
        Ok(head)
    }

    /// Bytes of the key and of the node, and the split.
    pub(super) fn parse_head(head: &[u8; HEAD_LENGTH]) -> (usize, usize, Option<u32>) {
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let split = Some(word(8)).filter(|split| *split != NO_SPLIT);
        (word(0) as usize, word(4) as usize, split)
    }

    /// The components of the path.
    pub(super) fn components(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.key.split(|byte| *byte == 0)
    }
}

fn length(bytes: usize) -> Result<u32> {
    u32::try_from(bytes).ok().filter(|length| *length < NO_SPLIT).ok_or_else(|| {
        Error::new(ErrorKind::Limit, "an entry has more than 60 million chunks: split it in parts")
    })
}

/// For messages.
pub(super) fn shown(key: &[u8]) -> String {
    let path: Vec<u8> = key.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }).collect();
    EntryPath::new(path).map_or_else(|error| error.to_string(), |path| path.to_string())
}

/// Records in memory.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    key_length: u32,
    json_length: u32,
    split: Option<u32>,
}

impl Buffer {
    pub(super) fn push(
        &mut self,
        path: &EntryPath,
        json: &[u8],
        split: Option<usize>,
    ) -> Result<()> {
        let start = self.bytes.len();
        let key = path.as_bytes();
        let place = Place {
            start,
            key_length: length(key.len())?,
            json_length: length(json.len())?,
            split: split.map(length).transpose()?,
        };
        self.bytes.extend(key.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }));
        self.bytes.extend_from_slice(json);
        self.places.push(place);
        Ok(())
    }

    /// Forgets the records and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.places.len() * size_of::<Place>()
    }

    /// Walks give the names of a folder in order: a stable sort finds such runs and merges them, most of the work done.
    pub(super) fn sort(&mut self) {
        let Self { bytes, places } = self;
        places.sort_by(|left, right| left.key(bytes).cmp(right.key(bytes)));
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.places.iter().map(|place| place.record(&self.bytes))
    }

    pub(super) fn record(&self, index: usize) -> Option<Record<'_>> {
        self.places.get(index).map(|place| place.record(&self.bytes))
    }
}

impl Place {
    fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.start + self.key_length as usize]
    }

    fn record<'a>(&self, bytes: &'a [u8]) -> Record<'a> {
        let json = self.start + self.key_length as usize;
        Record {
            key: self.key(bytes),
            json: &bytes[json..json + self.json_length as usize],
            split: self.split,
        }
    }
}
