//! Bytes of a snapshot, and the numbers in them.

use std::io::{Read, Write};

use lockgate_plugin::Result;

use crate::checksum::crc64;
use crate::error::malformed;

/// What is read of a snapshot or a serialised value: counts its bytes and computes their checksum.
#[derive(Debug)]
pub struct Input<R> {
    from: R,
    crc: u64,
    position: u64,
    /// Bytes that may still be read.
    left: u64,
}

/// A length, or a text in a special form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes or elements.
    Plain(u64),
    /// An integer of that many bytes follows.
    Integer(usize),
    /// A compressed text follows.
    Compressed,
}

impl<R: Read> Input<R> {
    /// At most `bytes` will be read.
    pub fn new(from: R, bytes: u64) -> Self {
        Self { from, crc: 0, position: 0, left: bytes }
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The checksum of the bytes read so far.
    pub fn crc(&self) -> u64 {
        self.crc
    }

    /// What is behind.
    pub fn inner(&mut self) -> &mut R {
        &mut self.from
    }

    /// What is behind, for good.
    pub fn into_inner(self) -> R {
        self.from
    }

    /// Fills `buffer`.
    ///
    /// # Errors
    /// When the connection breaks, or the value ends too early.
    #[inline]
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let count = buffer.len() as u64;
        let left = self.left.checked_sub(count);
        self.left = left.ok_or_else(|| malformed("a value goes on behind its end"))?;
        self.from.read_exact(buffer)?;
        self.crc = crc64(self.crc, buffer);
        self.position += count;
        Ok(())
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// As [`Input::fill`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next byte.
    ///
    /// # Errors
    /// As [`Input::fill`].
    #[inline]
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// A length with its two first bits as kind.
    ///
    /// # Errors
    /// When there is none.
    #[inline]
    pub fn any_length(&mut self) -> Result<Length> {
        let first = self.byte()?;
        let low = first & 0x3f;
        Ok(match (first >> 6, first) {
            (0, _) => Length::Plain(low.into()),
            (1, _) => Length::Plain(u64::from(low) << 8 | u64::from(self.byte()?)),
            (2, 0x80) => Length::Plain(u32::from_be_bytes(self.array()?).into()),
            (2, 0x81) => Length::Plain(u64::from_be_bytes(self.array()?)),
            (3, 0xc0) => Length::Integer(1),
            (3, 0xc1) => Length::Integer(2),
            (3, 0xc2) => Length::Integer(4),
            (3, 0xc3) => Length::Compressed,
            _ => return Err(malformed(format!("a length begins with {first:#x}"))),
        })
    }

    /// A length that is one.
    ///
    /// # Errors
    /// When it is something else.
    #[inline]
    pub fn length(&mut self) -> Result<u64> {
        match self.any_length()? {
            Length::Plain(length) => Ok(length),
            Length::Integer(_) | Length::Compressed => Err(malformed("a length is expected")),
        }
    }

    /// Copies `N` bytes.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub fn copy<const N: usize>(&mut self, to: &mut dyn Write) -> Result<[u8; N]> {
        let bytes = self.array::<N>()?;
        to.write_all(&bytes)?;
        Ok(bytes)
    }

    /// Copies a length.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub fn copy_length(&mut self, to: &mut dyn Write) -> Result<u64> {
        let length = self.length()?;
        write_length(to, length)?;
        Ok(length)
    }
}

/// Writes a length in its shortest form.
///
/// # Errors
/// When writing fails.
pub fn write_length(to: &mut dyn Write, length: u64) -> Result<()> {
    let bytes = length.to_be_bytes();
    match length {
        0..0x40 => to.write_all(&bytes[7..])?,
        0x40..0x4000 => to.write_all(&[0x40 | bytes[6], bytes[7]])?,
        0x4000..=0xffff_ffff => {
            to.write_all(&[0x80])?;
            to.write_all(&bytes[4..])?;
        }
        _ => {
            to.write_all(&[0x81])?;
            to.write_all(&bytes)?;
        }
    }
    Ok(())
}
