use lockgate_types::Digest;

use crate::error::{Error, Result};
use crate::limits;

/// What a blob holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlobKind {
    /// A chunk of a file.
    Data,
    /// The JSON of a directory.
    Tree,
}

/// A blob as a pack's header and an index name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackedBlob {
    /// SHA-256 of the plain bytes.
    pub id: Digest,
    /// What it holds.
    pub kind: BlobKind,
    /// Of the sealed bytes from the start of the pack.
    pub offset: u32,
    /// Bytes of the sealed form.
    pub length: u32,
    /// Bytes before compression; none when it is stored as it was.
    pub uncompressed_length: Option<u32>,
}

const PLAIN_ENTRY_LENGTH: usize = 1 + 4 + 32;
const COMPRESSED_ENTRY_LENGTH: usize = 1 + 4 + 4 + 32;

/// The plain header of a pack that holds `blobs` in this order from offset 0. It is sealed and followed by its sealed
/// length as four bytes, little end first.
#[must_use]
pub fn pack_header_encode(blobs: &[PackedBlob]) -> Vec<u8> {
    let mut header = Vec::with_capacity(blobs.len() * COMPRESSED_ENTRY_LENGTH);
    for blob in blobs {
        let kind = match blob.kind {
            BlobKind::Data => 0,
            BlobKind::Tree => 1,
        };
        match blob.uncompressed_length {
            None => {
                header.push(kind);
                header.extend_from_slice(&blob.length.to_le_bytes());
            }
            Some(length) => {
                header.push(kind | 2);
                header.extend_from_slice(&blob.length.to_le_bytes());
                header.extend_from_slice(&length.to_le_bytes());
            }
        }
        header.extend_from_slice(&blob.id.0);
    }
    header
}

/// Bytes of the plain header of a pack that holds `blobs`.
#[must_use]
pub fn pack_header_length(blobs: &[PackedBlob]) -> usize {
    let entry = |blob: &PackedBlob| match blob.uncompressed_length {
        None => PLAIN_ENTRY_LENGTH,
        Some(_) => COMPRESSED_ENTRY_LENGTH,
    };
    blobs.iter().map(entry).sum()
}

/// The blobs that a plain header names, with their offsets.
///
/// # Errors
/// `Corrupt` when it is cut short or names an unknown type, `Limit` when it is too large.
pub fn pack_header_decode(header: &[u8]) -> Result<Vec<PackedBlob>> {
    if header.len() > limits::PACK_HEADER_BYTES_MAX {
        return Err(Error::new(crate::ErrorKind::Limit, "pack header is longer than 16 MiB"));
    }
    let mut blobs = Vec::with_capacity(header.len() / PLAIN_ENTRY_LENGTH);
    let (mut rest, mut offset) = (header, 0u32);
    while !rest.is_empty() {
        let (blob, after) = decode_entry(rest, offset)?;
        offset = offset
            .checked_add(blob.length)
            .ok_or_else(|| Error::corrupt("pack header", "blobs end beyond 4 GiB"))?;
        blobs.push(blob);
        rest = after;
    }
    Ok(blobs)
}

fn decode_entry(bytes: &[u8], offset: u32) -> Result<(PackedBlob, &[u8])> {
    let cut = || Error::corrupt("pack header", "it is cut short");
    let (kind, rest) = bytes.split_first().ok_or_else(cut)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let (uncompressed_length, rest) = match kind {
        0 | 1 => (None, rest),
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            (Some(u32::from_le_bytes(*length)), rest)
        }
        _ => return Err(Error::corrupt("pack header", format!("unknown type of blob {kind}"))),
    };
    let (id, rest) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
    let kind = if kind & 1 == 0 { BlobKind::Data } else { BlobKind::Tree };
    let length = u32::from_le_bytes(*length);
    Ok((PackedBlob { id: Digest(*id), kind, offset, length, uncompressed_length }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blobs() -> impl Strategy<Value = Vec<PackedBlob>> {
        let blob = (any::<[u8; 32]>(), any::<bool>(), 0u32..1 << 24, any::<Option<u32>>());
        proptest::collection::vec(blob, 0..20).prop_map(|values| {
            let mut offset = 0;
            let place = |(id, is_tree, length, uncompressed_length)| {
                let kind = if is_tree { BlobKind::Tree } else { BlobKind::Data };
                let blob = PackedBlob { id: Digest(id), kind, offset, length, uncompressed_length };
                offset += length;
                blob
            };
            values.into_iter().map(place).collect()
        })
    }

    proptest! {
        #[test]
        fn headers_come_back(blobs in blobs()) {
            let header = pack_header_encode(&blobs);
            prop_assert_eq!(header.len(), pack_header_length(&blobs));
            prop_assert_eq!(pack_header_decode(&header).unwrap(), blobs);
        }

        #[test]
        fn a_cut_header_is_refused(blobs in blobs(), cut in 1usize..37) {
            prop_assume!(!blobs.is_empty());
            let header = pack_header_encode(&blobs);
            prop_assert!(pack_header_decode(&header[..header.len() - cut]).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_parse(bytes: Vec<u8>) {
            let _ = pack_header_decode(&bytes);
        }
    }

    #[test]
    fn an_unknown_type_is_refused() {
        let mut header = vec![4];
        header.extend_from_slice(&[0; 40]);
        assert!(pack_header_decode(&header).is_err());
    }

    #[test]
    fn blobs_beyond_four_gib_are_refused() {
        let blob = |length| PackedBlob {
            id: Digest([0; 32]),
            kind: BlobKind::Data,
            offset: 0,
            length,
            uncompressed_length: None,
        };
        assert!(pack_header_decode(&pack_header_encode(&[blob(u32::MAX), blob(1)])).is_err());
    }
}
