//! What a partition's folder holds of one member alone: its term and vote (`.meta`), and whose folder it is (`.lock`).

/// Bytes of a `.meta` file as Atomix lays it out.
const METADATA_BYTES: usize = 128;
/// Bytes of a `.lock` file as Atomix lays it out.
const LOCK_BYTES: usize = 4096;

/// The term in the bytes of a `.meta` file: its first eight. 0 when there are fewer, as for a member that never voted.
#[must_use]
pub fn term(metadata: &[u8]) -> u64 {
    metadata.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A `.meta` file of a member that is in `term` and has voted for nobody in it.
#[must_use]
pub fn metadata(term: u64) -> Vec<u8> {
    let mut bytes = term.to_be_bytes().to_vec();
    bytes.resize(METADATA_BYTES, 0);
    bytes
}

/// The member that a `.lock` file names: whether there is a text, its length, and the text. The file stays behind when an agent ends,
/// so that it tells whose folder it is, not whether that one is running.
#[must_use]
pub fn owner(lock: &[u8]) -> Option<String> {
    let (is_there, rest) = lock.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let name = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    let name = String::from_utf8(name.to_vec()).ok()?;
    (*is_there == 1 && !name.is_empty()).then_some(name)
}

/// A `.lock` file that names `member`: agents with another name refuse to start on such a folder.
#[must_use]
pub fn lock(member: &str) -> Vec<u8> {
    let length = u16::try_from(member.len()).unwrap_or(0);
    let mut bytes = vec![1];
    bytes.extend(length.to_be_bytes());
    bytes.extend(&member.as_bytes()[..length.into()]);
    bytes.resize(LOCK_BYTES.max(bytes.len()), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_those_that_atomix_writes() {
        let written = [0, 0, 0, 0, 0, 0, 0, 8, 1, 0, 2, b'm', b'1', 0];
        assert_eq!(term(&written), 8);
        assert_eq!(term(&metadata(12)), 12);
        assert_eq!(term(&[1, 2]), 0);
        assert_eq!(owner(&[1, 0, 2, b'm', b'1', 0, 0]).as_deref(), Some("m1"));
        assert_eq!(owner(&lock("node-7")).as_deref(), Some("node-7"));
        for hostile in [&b""[..], b"\x01", b"\x01\xff\xff", b"\x00\x00\x01a", b"\x01\x00\x01\xff"] {
            assert_eq!(owner(hostile), None);
        }
    }
}
