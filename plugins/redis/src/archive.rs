//! How the keys of a database are archived.
//!
//! `keys/NNNNN`, where NNNNN is the first slot of the master: a line that says what it is, the version of the values' format
//! (two bytes, the lowest first), then records. A record is a tag, then for a key its length and bytes, the time of expiry in
//! milliseconds plus one (0 for none), the length of the value, and the value as `RESTORE` takes it, without the version and the
//! checksum at its end. A large value is in `large/HASH` instead, HASH being that of the key. The last record has the
//! number of keys. `access/NNNNN`, when the server keeps it, has for each key of `keys/NNNNN` when or how often it was used.
//!
//! Numbers without a size are LEB128. Nothing depends on when the backup is made, so that unchanged keys give the same bytes.

use std::io::{BufRead, Read, Write};

use lockgate_plugin::{Error, Result};
use sha2::{Digest, Sha256};

use crate::limits::{INLINE_BYTES_MAX, KEY_BYTES_MAX};
use crate::rdb::snapshot::Access;

/// Folder of the keys.
pub const KEYS: &str = "keys";
/// Folder of how keys are used.
pub const ACCESS: &str = "access";
/// Folder of large values.
pub const LARGE: &str = "large";

const KEYS_HEAD: &[u8] = b"lockgate redis keys 1\n";
const ACCESS_HEAD: &[u8] = b"lockgate redis access 1\n";
const TAG_END: u8 = 0;
const TAG_INLINE: u8 = 1;
const TAG_LARGE: u8 = 2;

/// A key in the archive, in front of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: Vec<u8>,
    /// In milliseconds since 1970-01-01T00:00:00Z.
    pub expires: Option<u64>,
    /// Bytes of the value.
    pub length: u64,
    /// Whether the value has an entry of its own.
    pub is_large: bool,
}

impl Record {
    /// The record's bytes, to be followed by the value if it is not large; and where in them the key begins.
    #[must_use]
    pub fn encode(&self) -> (Vec<u8>, usize) {
        let mut bytes = vec![if self.is_large { TAG_LARGE } else { TAG_INLINE }];
        put(&mut bytes, self.key.len() as u64);
        let start = bytes.len();
        bytes.extend_from_slice(&self.key);
        put(&mut bytes, self.expires.map_or(0, |at| at.saturating_add(1)));
        put(&mut bytes, self.length);
        (bytes, start)
    }
}

/// Where a large value is.
#[must_use]
pub fn large_path(key: &[u8]) -> String {
    let hash = Sha256::digest(key);
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{LARGE}/{digits}")
}

/// Begins the keys of a master.
///
/// # Errors
/// When writing fails.
pub fn write_keys_head(to: &mut dyn Write, version: u16) -> Result<()> {
    to.write_all(KEYS_HEAD)?;
    Ok(to.write_all(&version.to_le_bytes())?)
}

/// Ends the keys of a master.
///
/// # Errors
/// When writing fails.
pub fn write_keys_end(to: &mut dyn Write, count: u64) -> Result<()> {
    let mut bytes = vec![TAG_END];
    put(&mut bytes, count);
    Ok(to.write_all(&bytes)?)
}

/// Begins how keys are used.
///
/// # Errors
/// When writing fails.
pub fn write_access_head(to: &mut dyn Write) -> Result<()> {
    Ok(to.write_all(ACCESS_HEAD)?)
}

/// Writes how one key is used; `now` is the time of the snapshot in seconds. Times are those of the last use and rounded to a
/// minute, because seconds without use would differ in each backup.
///
/// # Errors
/// When writing fails.
pub fn write_access(to: &mut dyn Write, access: Access, now: u64) -> Result<()> {
    let mut bytes = Vec::with_capacity(8);
    put(
        &mut bytes,
        match access {
            Access::Unknown => 0,
            Access::Idle(seconds) => 1 + now.saturating_sub(seconds) / 60 * 2,
            Access::Frequency(frequency) => 2 + u64::from(frequency) * 2,
        },
    );
    Ok(to.write_all(&bytes)?)
}

/// Reads how keys are used.
///
/// # Errors
/// When the entry is something else.
pub fn open_access(mut from: Box<dyn BufRead>) -> Result<Box<dyn BufRead>> {
    expect(&mut from, ACCESS_HEAD)?;
    Ok(from)
}

/// Reads how the next key is used; `now` is the present time in seconds.
///
/// # Errors
/// When the entry ends too early.
pub fn read_access(from: &mut dyn BufRead, now: u64) -> Result<Access> {
    Ok(match get(from)? {
        0 => Access::Unknown,
        even if even % 2 == 0 => {
            let frequency = u8::try_from((even - 2) / 2);
            Access::Frequency(frequency.map_err(|_| Error::corrupt("a key is used too often"))?)
        }
        odd => Access::Idle(now.saturating_sub((odd - 1) / 2 * 60)),
    })
}

/// The keys of a master, as they are read again.
pub struct KeyReader {
    from: Box<dyn BufRead>,
    version: u16,
    count: u64,
    is_over: bool,
}

impl KeyReader {
    /// Reads the head.
    ///
    /// # Errors
    /// When the entry is something else.
    pub fn open(mut from: Box<dyn BufRead>) -> Result<Self> {
        expect(&mut from, KEYS_HEAD)?;
        let mut version = [0; 2];
        from.read_exact(&mut version)?;
        Ok(Self { from, version: u16::from_le_bytes(version), count: 0, is_over: false })
    }

    /// The version of the values' format.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The next key; if it is not large, its value is to be read from [`KeyReader::value`].
    ///
    /// # Errors
    /// When the entry is not complete or something else.
    pub fn next_record(&mut self) -> Result<Option<Record>> {
        if self.is_over {
            return Ok(None);
        }
        let mut tag = [0];
        self.from.read_exact(&mut tag)?;
        let is_large = match tag {
            [TAG_INLINE] => false,
            [TAG_LARGE] => true,
            [TAG_END] => {
                self.is_over = true;
                return if get(self.from.as_mut())? == self.count {
                    Ok(None)
                } else {
                    Err(Error::corrupt("the archive has another number of keys than it says"))
                };
            }
            _ => return Err(Error::corrupt("the archive has a record of an unknown kind")),
        };
        self.count += 1;
        let length = get(self.from.as_mut())?;
        if length > KEY_BYTES_MAX {
            return Err(Error::corrupt("the archive has an impossible key"));
        }
        let mut key = vec![0; length as usize];
        self.from.read_exact(&mut key)?;
        let expires = get(self.from.as_mut())?.checked_sub(1);
        let length = get(self.from.as_mut())?;
        if !is_large && length > INLINE_BYTES_MAX as u64 {
            return Err(Error::corrupt("the archive has an impossible value"));
        }
        Ok(Some(Record { key, expires, length, is_large }))
    }

    /// The value of a record that is not large, and what follows.
    pub fn value(&mut self) -> &mut dyn Read {
        &mut self.from
    }
}

fn expect(from: &mut dyn Read, head: &[u8]) -> Result<()> {
    let mut found = vec![0; head.len()];
    from.read_exact(&mut found)?;
    if found == head {
        Ok(())
    } else {
        Err(Error::corrupt("the archive has a form that this version does not read"))
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn get(from: &mut (impl Read + ?Sized)) -> Result<u64> {
    let mut number: u64 = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        let [byte] = byte;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Error::corrupt("the archive has a number without end"))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn reader(bytes: &[u8]) -> Result<KeyReader> {
        KeyReader::open(Box::new(Cursor::new(bytes.to_vec())))
    }

    #[test]
    fn records_come_back() {
        let records = [
            Record { key: b"".to_vec(), expires: None, length: 3, is_large: false },
            Record {
                key: vec![b'k'; 300],
                expires: Some(u64::MAX - 1),
                length: 1 << 40,
                is_large: true,
            },
            Record { key: b"k".to_vec(), expires: Some(0), length: 0, is_large: false },
        ];
        let mut bytes = Vec::new();
        write_keys_head(&mut bytes, 10).unwrap();
        for record in &records {
            let (encoded, start) = record.encode();
            assert!(encoded[start..].starts_with(&record.key));
            bytes.extend(encoded);
            if !record.is_large {
                bytes.extend(vec![b'v'; record.length as usize]);
            }
        }
        write_keys_end(&mut bytes, 3).unwrap();
        let mut read = reader(&bytes).unwrap();
        assert_eq!(read.version(), 10);
        for record in &records {
            assert_eq!(read.next_record().unwrap().as_ref(), Some(record));
            if !record.is_large {
                std::io::copy(&mut read.value().take(record.length), &mut std::io::sink()).unwrap();
            }
        }
        assert_eq!(read.next_record().unwrap(), None);
        for length in 0..bytes.len() {
            let whole = reader(&bytes[..length]).and_then(|mut read| {
                while let Some(record) = read.next_record()? {
                    if !record.is_large {
                        std::io::copy(&mut read.value().take(record.length), &mut std::io::sink())?;
                    }
                }
                Ok(())
            });
            assert!(whole.is_err(), "{length}");
        }
    }

    #[test]
    fn use_comes_back_to_the_minute() {
        let mut bytes = Vec::new();
        for access in [Access::Unknown, Access::Idle(600), Access::Frequency(255)] {
            write_access(&mut bytes, access, 6_000).unwrap();
        }
        let mut from = Cursor::new(bytes);
        assert_eq!(read_access(&mut from, 6_060).unwrap(), Access::Unknown);
        assert_eq!(read_access(&mut from, 6_060).unwrap(), Access::Idle(660));
        assert_eq!(read_access(&mut from, 6_060).unwrap(), Access::Frequency(255));
    }
}
