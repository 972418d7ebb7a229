//! LZF, as far as it must be read: <http://oldhome.schmorp.de/marc/liblzf.html>. A control byte below 32 is followed by so
//! many bytes plus one; any other one is a reference: three bits of length, 13 bits of distance.

use std::io::Read;

use lockgate_plugin::Result;

use super::Input;
use crate::error::malformed;
use crate::limits::PIECE_BYTES;

/// References reach so far back, in bytes.
const DISTANCE_MAX: usize = 1 << 13;
/// Longest that one reference gives, in bytes.
const REFERENCE_MAX: usize = 264;

/// Gives the text behind `compressed` bytes piece by piece; it must have `length` bytes.
///
/// # Errors
/// When it is not LZF, or has another length, or `take` fails.
pub fn expand<R: Read>(
    input: &mut Input<R>,
    compressed: u64,
    length: u64,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let end = input.position().saturating_add(compressed);
    // Behind `given` is what was not handed on yet, before it what references may reach.
    let (mut text, mut given) = (Vec::with_capacity(DISTANCE_MAX + PIECE_BYTES + REFERENCE_MAX), 0);
    let mut total: u64 = 0;
    while input.position() < end {
        let before = text.len();
        let control = usize::from(input.byte()?);
        if control < 32 {
            text.resize(before + control + 1, 0);
            input.fill(text.get_mut(before..).unwrap_or_default())?;
        } else {
            refer(input, control, &mut text)?;
        }
        total += (text.len() - before) as u64;
        if total > length {
            return Err(malformed("a compressed text is longer than it says"));
        }
        if text.len() >= DISTANCE_MAX + PIECE_BYTES {
            take(text.get(given..).unwrap_or_default())?;
            text.drain(..text.len() - DISTANCE_MAX);
            given = text.len();
        }
    }
    take(text.get(given..).unwrap_or_default())?;
    if total == length && input.position() == end {
        Ok(())
    } else {
        Err(malformed("a compressed text has another length than it says"))
    }
}

fn refer<R: Read>(input: &mut Input<R>, control: usize, text: &mut Vec<u8>) -> Result<()> {
    let mut count = (control >> 5) + 2;
    if count == 9 {
        count += usize::from(input.byte()?);
    }
    let distance = ((control & 0x1f) << 8 | usize::from(input.byte()?)) + 1;
    let start = text.len().checked_sub(distance);
    let start = start.ok_or_else(|| malformed("a compressed text refers to what is before it"))?;
    // Byte by byte, because what is referred to may be made by the reference itself.
    for index in start..start + count {
        let byte = text.get(index).copied().unwrap_or_default();
        text.push(byte);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(compressed: &[u8], length: u64) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut input = Input::new(compressed, u64::MAX);
        expand(&mut input, compressed.len() as u64, length, |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(text)
    }

    #[test]
    fn literals_and_references_are_expanded() {
        assert_eq!(expanded(b"\x02abc\x20\x02", 6).unwrap(), b"abcabc");
        // One byte, then 264 times itself, again and again: what is handed on does not lose what references need.
        let many = [b"\0a".to_vec(), b"\xe0\xff\0".repeat(1000)].concat();
        assert_eq!(expanded(&many, 264_001).unwrap(), vec![b'a'; 264_001]);
    }

    #[test]
    fn what_is_no_lzf_is_refused() {
        for (bytes, length) in
            [(&b"\x20\x05"[..], 3), (b"\x02ab", 3), (b"\x00a", 2), (b"\x01ab", 1), (b"\xe0", 9)]
        {
            assert!(expanded(bytes, length).is_err(), "{bytes:?}");
        }
    }
}
