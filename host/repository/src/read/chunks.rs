//! Content of which any part may be wanted next: where its chunks begin, and one of them at a time.

use std::ops::Range;

use bytes::Bytes;
use lockgate_types::Digest;

use super::Reader;
use crate::error::{Error, Result};
use crate::format::{BlobKind, Node};

/// The chunks of a file, and where each lies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks {
    ids: Vec<Digest>,
    /// Bytes from the start of the file to the end of each chunk.
    ends: Vec<u64>,
}

impl Chunks {
    /// Bytes of the whole content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The number of the chunk that holds the byte at `offset`; none at the end and beyond.
    #[must_use]
    pub fn at(&self, offset: u64) -> Option<usize> {
        let number = self.ends.partition_point(|end| *end <= offset);
        (number < self.ends.len()).then_some(number)
    }

    /// The chunk of this number, and the bytes of the file that it holds.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<(Digest, Range<u64>)> {
        let end = *self.ends.get(number)?;
        let before = number.checked_sub(1).and_then(|before| self.ends.get(before));
        Some((*self.ids.get(number)?, before.copied().unwrap_or(0)..end))
    }
}

impl Reader {
    /// Where the chunks of `node` lie in it.
    ///
    /// # Errors
    /// `Corrupt` when no pack holds one of them, or when they do not make up the size that the node says.
    pub fn chunks(&self, node: &Node) -> Result<Chunks> {
        let ids = node.blobs().to_vec();
        let mut ends = Vec::with_capacity(ids.len());
        let mut end = 0_u64;
        for id in &ids {
            end += u64::from(self.locate(BlobKind::Data, id)?.plain_length());
            ends.push(end);
        }
        if end != node.size {
            let what = format!("file {:?}", node.name.escape_ascii().to_string());
            let why = format!("it has {} bytes, and its chunks have {end}", node.size);
            return Err(Error::corrupt(what, why));
        }
        Ok(Chunks { ids, ends })
    }

    /// The bytes of one chunk, authenticated and compared with its name.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`.
    pub async fn chunk(&self, id: Digest) -> Result<Bytes> {
        self.blob(id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_lies_in_the_chunk_that_holds_it() {
        let ids: Vec<Digest> = (1..=3).map(|byte| Digest([byte; 32])).collect();
        let chunks = Chunks { ids: ids.clone(), ends: vec![3, 3, 10] };
        assert_eq!(chunks.size(), 10);
        assert_eq!(
            [0, 2, 3, 9, 10].map(|at| chunks.at(at)),
            [Some(0), Some(0), Some(2), Some(2), None]
        );
        assert_eq!(chunks.get(0), Some((ids[0], 0..3)));
        assert_eq!(chunks.get(2), Some((ids[2], 3..10)));
        assert_eq!(chunks.get(3), None);
        let empty = Chunks { ids: Vec::new(), ends: Vec::new() };
        assert_eq!((empty.size(), empty.at(0)), (0, None));
    }
}
