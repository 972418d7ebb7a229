//! The entry `keys` of a part: a line that names the format, then each key as
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the key, little-endian as all numbers |
//! | 4 | length of the value |
//! | 8 | number of the lease, 0 for none |
//! | ... | the key, the value |
//!
//! in the order of the keys, and at the end 16 bytes of zeros, which no key has. Revisions and versions are not in it, so that
//! a store of equal keys gives equal bytes wherever it came from.

use std::io::{BufRead, Read, Write};

use lockgate_plugin::{Error, Result};

use crate::limits::VALUE_BYTES_MAX;
use crate::scan::KeyValue;

/// The entry's name.
pub const ENTRY: &str = "keys";
const FORMAT: &[u8] = b"lockgate etcd keys 1\n";
const HEAD_BYTES: usize = 16;

/// Writes the entry.
#[derive(Debug)]
pub struct Writer<W> {
    target: W,
}

impl<W: Write> Writer<W> {
    /// Writes the first line.
    ///
    /// # Errors
    /// When the target takes nothing.
    pub fn new(mut target: W) -> Result<Self> {
        target.write_all(FORMAT)?;
        Ok(Self { target })
    }

    /// Adds a key. They must come in their order.
    ///
    /// # Errors
    /// When the target takes nothing.
    pub fn add(&mut self, record: &KeyValue) -> Result<()> {
        self.target.write_all(&length(&record.key)?)?;
        self.target.write_all(&length(&record.value)?)?;
        self.target.write_all(&record.lease.to_le_bytes())?;
        self.target.write_all(&record.key)?;
        self.target.write_all(&record.value)?;
        Ok(())
    }

    /// Writes the end and gives the target back.
    ///
    /// # Errors
    /// When the target takes nothing.
    pub fn end(mut self) -> Result<W> {
        self.target.write_all(&[0; HEAD_BYTES])?;
        Ok(self.target)
    }
}

fn length(bytes: &[u8]) -> Result<[u8; 4]> {
    let length = u32::try_from(bytes.len()).map_err(|_| Error::unsupported("a value of 4 GiB"))?;
    Ok(length.to_le_bytes())
}

/// Reads the entry.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    last: Vec<u8>,
    is_over: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// When it is another one.
    pub fn new(mut source: R) -> Result<Self> {
        let mut format = [0; FORMAT.len()];
        source.read_exact(&mut format)?;
        if format != FORMAT {
            return Err(damaged("it does not begin as it must"));
        }
        Ok(Self { source, last: Vec::new(), is_over: false })
    }

    /// The next key.
    ///
    /// # Errors
    /// When the entry is not what a [`Writer`] wrote.
    pub fn read(&mut self) -> Result<Option<KeyValue>> {
        if self.is_over {
            return Ok(None);
        }
        let mut head = [0; HEAD_BYTES];
        self.source.read_exact(&mut head)?;
        let [k0, k1, k2, k3, v0, v1, v2, v3, lease @ ..] = head;
        let key = u32::from_le_bytes([k0, k1, k2, k3]) as usize;
        let value = u32::from_le_bytes([v0, v1, v2, v3]) as usize;
        if head == [0; HEAD_BYTES] {
            self.is_over = true;
            return if self.source.fill_buf()?.is_empty() {
                Ok(None)
            } else {
                Err(damaged("it goes on behind its end"))
            };
        }
        let record = KeyValue {
            key: self.bytes(key)?,
            value: self.bytes(value)?,
            lease: i64::from_le_bytes(lease),
        };
        if record.key <= self.last {
            return Err(damaged("its keys are not in order"));
        }
        self.last.clone_from(&record.key);
        Ok(Some(record))
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        if length > VALUE_BYTES_MAX {
            return Err(damaged("a key or value is too long"));
        }
        // As long as it is at once: what grows by doubling takes three times the memory in between.
        let mut bytes = Vec::with_capacity(length);
        self.source.by_ref().take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(damaged("it breaks off"));
        }
        Ok(bytes)
    }
}

fn damaged(what: &str) -> Error {
    Error::corrupt(format!("the archived entry {ENTRY:?} is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &[u8], value: &[u8], lease: i64) -> KeyValue {
        KeyValue { key: key.to_vec(), value: value.to_vec(), lease }
    }

    fn written(records: &[KeyValue]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        records.iter().for_each(|record| writer.add(record).unwrap());
        writer.end().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<KeyValue>> {
        let mut reader = Reader::new(bytes)?;
        let mut records = Vec::new();
        while let Some(record) = reader.read()? {
            records.push(record);
        }
        Ok(records)
    }

    #[test]
    fn what_was_written_is_read() {
        let records = [
            record(b"\0", b"", 0),
            record(b"\0\xff", b"x\0", -1),
            record(b"a", &[7; 70_000], i64::MAX),
        ];
        assert_eq!(read(&written(&records)).unwrap(), records);
        assert_eq!(read(&written(&[])).unwrap(), []);
    }

    #[test]
    fn damage_is_told() {
        let good = written(&[record(b"a", b"1", 0), record(b"b", b"2", 0)]);
        for end in 0..good.len() {
            assert!(read(&good[..end]).is_err(), "cut at {end}");
        }
        assert!(read(&[good.clone(), vec![0]].concat()).is_err());
        assert!(read(&written(&[record(b"b", b"", 0), record(b"a", b"", 0)])).is_err());
        let mut long = good;
        long[FORMAT.len() + 7] = 0xff;
        assert!(read(&long).is_err());
    }
}
