//! The encoding of ZooKeeper's messages ("jute"): big-endian numbers, and texts, buffers and lists with their length in front.
//! Written from `BinaryOutputArchive` as the client API's documentation and the file `zookeeper.jute` of the releases describe
//! it: <https://github.com/apache/zookeeper/blob/release-3.8.0/zookeeper-jute/src/main/resources/zookeeper.jute>.
//!
//! Nothing that the server says is trusted: every length is checked against what is there.

use crate::error::Error;

/// A message that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// A number of 32 bits.
    pub fn int(&mut self, number: i32) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// A number of 64 bits.
    pub fn long(&mut self, number: i64) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// One byte.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.0.push(u8::from(value));
        self
    }

    /// Bytes with their length; none is a length of -1.
    pub fn buffer(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            None => self.int(-1),
            Some(bytes) => {
                // Callers send what fits in memory of 32 bits; a longer one would be refused by its length.
                self.int(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                self.0.extend_from_slice(bytes);
                self
            }
        }
    }

    /// A text with its length.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.buffer(Some(text.as_bytes()))
    }
}

/// A message that is being read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Of all the bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let taken = self.0.split_at_checked(count);
        let (taken, rest) = taken.ok_or(Error::Protocol("a message ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let taken = self.0.split_first_chunk::<N>();
        let (taken, rest) = taken.ok_or(Error::Protocol("a message ends too early"))?;
        self.0 = rest;
        Ok(*taken)
    }

    /// A number of 32 bits.
    ///
    /// # Errors
    /// When the message ends.
    pub fn int(&mut self) -> Result<i32, Error> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A number of 64 bits.
    ///
    /// # Errors
    /// When the message ends.
    pub fn long(&mut self) -> Result<i64, Error> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// One byte.
    ///
    /// # Errors
    /// When the message ends.
    pub fn boolean(&mut self) -> Result<bool, Error> {
        Ok(self.array::<1>()? != [0])
    }

    /// Bytes, or none.
    ///
    /// # Errors
    /// When the message ends or the length is negative.
    pub fn buffer(&mut self) -> Result<Option<&'a [u8]>, Error> {
        match self.int()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length);
                let length = length.map_err(|_| Error::Protocol("a length is negative"))?;
                self.take(length).map(Some)
            }
        }
    }

    /// A text; none reads as an empty one.
    ///
    /// # Errors
    /// When the message ends or the bytes are no text.
    pub fn text(&mut self) -> Result<String, Error> {
        decode(self.buffer()?.unwrap_or_default())
    }

    /// The number of things in a list of things that have at least `least` bytes each; no list reads as an empty one.
    ///
    /// # Errors
    /// When there cannot be so many.
    pub fn count(&mut self, least: usize) -> Result<usize, Error> {
        let count = match self.int()? {
            -1 => 0,
            count => usize::try_from(count).map_err(|_| Error::Protocol("a count is negative"))?,
        };
        if count.saturating_mul(least) > self.0.len() {
            return Err(Error::Protocol("a list is longer than its message"));
        }
        Ok(count)
    }
}

/// The server writes each half of a surrogate pair as three bytes of its own (CESU-8, Unicode Technical Report 26).
fn decode(bytes: &[u8]) -> Result<String, Error> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let broken = Error::Protocol("a text is not UTF-8");
    loop {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => {
                units.extend(text.encode_utf16());
                break;
            }
            Err(error) => error.valid_up_to(),
        };
        let (text, after) = rest.split_at(valid);
        units.extend(String::from_utf8_lossy(text).encode_utf16());
        let [0xed, middle @ 0xa0..=0xbf, last @ 0x80..=0xbf, after @ ..] = after else {
            return Err(broken);
        };
        units.push(0xd000 | u16::from(middle & 0x3f) << 6 | u16::from(last & 0x3f));
        rest = after;
    }
    String::from_utf16(&units).map_err(|_| broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.int(-7).long(1 << 40).boolean(true).text("größe").buffer(None).buffer(Some(b""));
        let mut reader = Reader::new(&writer.0);
        assert_eq!(reader.int().unwrap(), -7);
        assert_eq!(reader.long().unwrap(), 1 << 40);
        assert!(reader.boolean().unwrap());
        assert_eq!(reader.text().unwrap(), "größe");
        assert_eq!(reader.buffer().unwrap(), None);
        assert_eq!(reader.buffer().unwrap(), Some(&b""[..]));
        assert!(reader.rest().is_empty() && reader.int().is_err());
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for bytes in
            [&[0, 0, 0, 9, 1][..], &[0x7f, 0xff, 0xff, 0xff], &[0xff, 0xff, 0xff, 0xfe], &[0, 0]]
        {
            assert!(Reader::new(bytes).buffer().is_err(), "{bytes:?}");
            assert!(Reader::new(bytes).count(4).is_err(), "{bytes:?}");
        }
        assert_eq!(Reader::new(&[0xff; 4]).count(4).unwrap(), 0);
    }

    #[test]
    fn surrogates_are_joined_and_garbage_is_refused() {
        let pair = [b'a', 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, b'b'];
        assert_eq!(decode(&pair).unwrap(), "a😀b");
        for bytes in [&[0xff][..], &[0xed, 0xa0, 0xbd], &[0xed, 0xa0], &[0xc0, 0x80]] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
