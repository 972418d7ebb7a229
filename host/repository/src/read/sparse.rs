//! Writing that leaves out what is zero anyway.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The unit of holes: what file systems allocate.
const BLOCK: usize = 4096;

/// Writes `bytes` at `position` into a file that is known to read as zeros there, except blocks that are all zero.
pub(super) fn write_sparse(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    let mut start = 0;
    let mut at = 0;
    while at < bytes.len() {
        // Blocks of the file, not of the buffer, or half of each hole would be written.
        let to_boundary = BLOCK - (position as usize).wrapping_add(at) % BLOCK;
        let end = (at + to_boundary).min(bytes.len());
        let block = &bytes[at..end];
        if block.len() == BLOCK && is_zero(block) {
            write_some(file, &bytes[start..at], position + start as u64)?;
            start = end;
        }
        at = end;
    }
    write_some(file, &bytes[start..], position + start as u64)
}

fn write_some(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    if bytes.is_empty() { Ok(()) } else { file.write_all_at(bytes, position) }
}

fn is_zero(block: &[u8]) -> bool {
    // Nearly all blocks that are not zero show it here; the rest is one pass without branches.
    block.first() == Some(&0)
        && block.last() == Some(&0)
        && block.iter().fold(0, |sum, byte| sum | byte) == 0
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn zero_blocks_are_left_out_and_all_else_is_written() {
        for position in [0, 1, 4095, 4096, 5000] {
            let mut bytes = vec![0; 20 * BLOCK];
            bytes[0] = 1;
            bytes[9 * BLOCK + 5] = 2;
            let length = position + bytes.len() as u64;
            let mut file = tempfile::tempfile().unwrap();
            file.set_len(length).unwrap();
            write_sparse(&file, &bytes, position).unwrap();
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            assert_eq!(&read[position as usize..], bytes);
            assert!(read[..position as usize].iter().all(|byte| *byte == 0));
            let allocated = file.metadata().unwrap().blocks() * 512;
            assert!(allocated <= 4 * BLOCK as u64, "{allocated} bytes at {position}");
        }
    }
}
