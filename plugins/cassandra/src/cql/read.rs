//! The notations of the specification (section 4), out of bytes that may be cut or hostile.

use crate::error::Error;

/// Reads one body, from the front.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (front, rest) =
            self.0.split_at_checked(count).ok_or(Error::Protocol("an answer is cut"))?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (front, rest) =
            self.0.split_first_chunk::<N>().ok_or(Error::Protocol("an answer is cut"))?;
        self.0 = rest;
        Ok(*front)
    }

    /// `[byte]`
    pub fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    /// `[short]`
    pub fn short(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    /// `[int]`
    pub fn int(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    /// An `[int]` that counts something.
    pub fn count(&mut self, max: usize) -> Result<usize, Error> {
        let count = usize::try_from(self.int()?).ok().filter(|count| *count <= max);
        count.ok_or(Error::Protocol("a number in an answer is out of range"))
    }

    /// `[string]`
    pub fn string(&mut self) -> Result<&'a str, Error> {
        let length = usize::from(self.short()?);
        std::str::from_utf8(self.take(length)?)
            .map_err(|_| Error::Protocol("a text in an answer is not UTF-8"))
    }

    /// `[string list]`
    pub fn strings(&mut self) -> Result<Vec<String>, Error> {
        let count = self.short()?;
        (0..count).map(|_| self.string().map(str::to_owned)).collect()
    }

    /// `[bytes]`, none for null.
    pub fn bytes(&mut self) -> Result<Option<&'a [u8]>, Error> {
        match usize::try_from(self.int()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// `[short bytes]`
    pub fn short_bytes(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::from(self.short()?);
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_are_read_and_cut_ones_refused() {
        let bytes = [0, 2, b'a', b'b', 0, 0, 0, 1, 7, 0xff, 0xff, 0xff, 0xff, 0, 1, 9];
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.string().unwrap(), "ab");
        assert_eq!(reader.bytes().unwrap(), Some(&[7][..]));
        assert_eq!(reader.bytes().unwrap(), None);
        assert_eq!(reader.short_bytes().unwrap(), [9]);
        assert!(reader.rest().is_empty() && reader.byte().is_err());
        for end in 0..4 {
            assert!(Reader::new(&bytes[..end]).string().is_err());
        }
        assert!(Reader::new(&[0x7f, 0xff, 0xff, 0xff]).bytes().is_err());
        assert!(Reader::new(&[0, 0, 0, 9]).count(8).is_err());
        assert!(Reader::new(&[0xff; 4]).count(8).is_err());
        assert!(Reader::new(&[0, 1, 0xff]).string().is_err());
    }
}
