//! A snapshot of a partition's state machines: a header of 64 bytes, the length of what follows, and that.

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last entry of the journal that it holds the effect of.
    pub index: u64,
    /// Whether it was finished. Atomix deletes any other when it starts.
    pub is_complete: bool,
}

impl Header {
    /// Reads it; none when there are too few bytes, or they are of no version that is known.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>()?;
        let index = u64::from_be_bytes(*bytes.first_chunk()?);
        let version = u32::from_be_bytes(*bytes[16..].first_chunk()?);
        (version == 1).then_some(Self { index, is_complete: bytes[20] == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_finished_one_is_complete() {
        let mut bytes = [0; HEADER_BYTES];
        bytes[7] = 9;
        assert_eq!(Header::parse(&bytes), None);
        bytes[19] = 1;
        assert_eq!(Header::parse(&bytes), Some(Header { index: 9, is_complete: false }));
        bytes[20] = 1;
        assert!(Header::parse(&bytes).unwrap().is_complete);
        assert_eq!(Header::parse(&bytes[..63]), None);
    }
}
