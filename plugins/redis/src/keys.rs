//! Takes the keys of one master's database and archives them, in their order when they fit in memory; or only counts.

use std::io::{self, Read, Write};

use lockgate_plugin::host::{Host, Output};
use lockgate_plugin::{Entry, Result, printable};

use crate::archive::{
    ACCESS, KEYS, Record, large_path, write_access, write_access_head, write_keys_end,
    write_keys_head,
};
use crate::hash::Hasher;
use crate::limits::INLINE_BYTES_MAX;
use crate::rdb::snapshot::{Access, Head, skip_value};
use crate::rdb::value::kinds;
use crate::rdb::{Input, copy_value};

/// What a held record costs beside its bytes.
const RECORD_COST: usize = 64;

/// What there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Keys that are in the archive.
    pub keys: u64,
    /// Of them, keys that expire, or whose fields do.
    pub expiring: u64,
    /// Keys that were left out because a module made them.
    pub of_modules: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Of the hashes of keys that do not expire.
    sum: u128,
}

impl Tally {
    /// With what another master had.
    pub fn add(&mut self, other: Self) {
        self.keys += other.keys;
        self.expiring += other.expiring;
        self.of_modules += other.of_modules;
        self.bytes += other.bytes;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Over the keys that do not expire: the others would be gone sooner or later, and no restore the same as the backup.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{}-{:032x}", self.keys - self.expiring, self.sum)
    }
}

/// Takes keys.
pub struct KeyWriter<H: Host> {
    /// None when keys are only counted.
    host: Option<H>,
    name: String,
    version: u16,
    /// Time of the snapshot in seconds.
    now: u64,
    /// Records that are not written yet, as long as they fit.
    held: Vec<Held>,
    held_bytes: usize,
    held_bytes_max: usize,
    is_holding: bool,
    keys: Option<Box<dyn Output>>,
    access: Option<Box<dyn Output>>,
    tally: Tally,
}

struct Held {
    bytes: Box<[u8]>,
    key: (u8, u32),
    access: Access,
}

impl Held {
    fn key(&self) -> &[u8] {
        let start = usize::from(self.key.0);
        self.bytes.get(start..start + self.key.1 as usize).unwrap_or_default()
    }
}

impl<H: Host> KeyWriter<H> {
    /// Archives the keys of the master whose first slot is `slot`, in order if they have at most `held_bytes_max` bytes. Values
    /// are of format `version`, the snapshot of the second `now`.
    pub fn new(host: H, slot: u16, version: u16, now: u64, held_bytes_max: usize) -> Self {
        Self {
            host: Some(host),
            name: format!("{slot:05}"),
            version,
            now,
            held_bytes_max,
            ..Self::counter()
        }
    }

    /// Only counts.
    pub fn counter() -> Self {
        Self {
            host: None,
            name: String::new(),
            version: 0,
            now: 0,
            held: Vec::new(),
            held_bytes: 0,
            held_bytes_max: 0,
            is_holding: true,
            keys: None,
            access: None,
            tally: Tally::default(),
        }
    }

    /// What there was so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Values that are not of the version that was thought.
    pub fn set_version(&mut self, version: u16) {
        self.version = version;
    }

    /// Takes a key with its value.
    ///
    /// # Errors
    /// When the value does not parse, or the host cannot store it.
    pub fn take<R: Read>(&mut self, head: Head, input: &mut Input<R>) -> Result<()> {
        if head.kind == kinds::MODULE_2 {
            skip_value(input, &head)?;
            if self.tally.of_modules == 0 {
                log::warn!(
                    "key {:?} and perhaps others are of a module and are not saved",
                    printable(&head.key)
                );
            }
            self.tally.of_modules += 1;
            return Ok(());
        }
        let mut value = Value {
            host: self.host.as_ref(),
            key: &head.key,
            held: Vec::new(),
            large: None,
            length: 0,
        };
        value.write_all(&[head.kind])?;
        let meaning = copy_value(input, head.kind, &mut value)
            .map_err(|error| error.context(format!("key {:?}", printable(&head.key))))?;
        let (held, length, is_large) = value.finish()?;
        self.count(&head, length, meaning);
        if self.host.is_none() {
            return Ok(());
        }
        let record = Record { key: head.key, expires: head.expires, length, is_large };
        let (mut bytes, start) = record.encode();
        bytes.extend_from_slice(&held);
        let key = (start as u8, record.key.len() as u32);
        self.hold(Held { bytes: bytes.into(), key, access: head.access })
    }

    fn count(&mut self, head: &Head, length: u64, meaning: crate::rdb::Meaning) {
        self.tally.keys += 1;
        self.tally.bytes += head.key.len() as u64 + length;
        if head.expires.is_some() || meaning.is_volatile {
            self.tally.expiring += 1;
            return;
        }
        let mut hasher = Hasher::default();
        hasher.text(&head.key);
        hasher.text(&meaning.hash.to_le_bytes());
        self.tally.sum = self.tally.sum.wrapping_add(hasher.finish());
    }

    fn hold(&mut self, record: Held) -> Result<()> {
        if !self.is_holding {
            return self.write(&record);
        }
        self.held_bytes += record.bytes.len() + RECORD_COST;
        self.held.push(record);
        if self.held_bytes > self.held_bytes_max {
            self.is_holding = false;
            return self.write_held();
        }
        Ok(())
    }

    fn write_held(&mut self) -> Result<()> {
        self.held_bytes = 0;
        std::mem::take(&mut self.held).iter().try_for_each(|record| self.write(record))
    }

    fn write(&mut self, record: &Held) -> Result<()> {
        let Some(host) = &self.host else { return Ok(()) };
        if self.keys.is_none() {
            self.keys = Some(open_keys(host, &self.name, self.version)?);
            if record.access != Access::Unknown {
                let mut access = host.create(&Entry::new(format!("{ACCESS}/{}", self.name)))?;
                write_access_head(access.as_mut())?;
                self.access = Some(access);
            }
        }
        if let Some(keys) = &mut self.keys {
            keys.write_all(&record.bytes)?;
        }
        if let Some(access) = &mut self.access {
            write_access(access.as_mut(), record.access, self.now)?;
        }
        Ok(())
    }

    /// Writes what is held and ends the entries.
    ///
    /// # Errors
    /// When the host cannot store it.
    pub fn finish(mut self) -> Result<Tally> {
        if self.is_holding {
            self.held.sort_unstable_by(|left, right| left.key().cmp(right.key()));
            self.write_held()?;
        }
        let Some(host) = &self.host else { return Ok(self.tally) };
        let mut keys = match self.keys.take() {
            Some(keys) => keys,
            None => open_keys(host, &self.name, self.version)?,
        };
        write_keys_end(keys.as_mut(), self.tally.keys)?;
        keys.finish()?;
        if let Some(access) = self.access.take() {
            access.finish()?;
        }
        Ok(self.tally)
    }
}

fn open_keys<H: Host>(host: &H, name: &str, version: u16) -> Result<Box<dyn Output>> {
    let mut keys = host.create(&Entry::new(format!("{KEYS}/{name}")))?;
    write_keys_head(keys.as_mut(), version)?;
    Ok(keys)
}

/// A value on its way: held while it is small, then an entry of its own.
struct Value<'a, H> {
    host: Option<&'a H>,
    key: &'a [u8],
    held: Vec<u8>,
    large: Option<Box<dyn Output>>,
    length: u64,
}

impl<H: Host> Value<'_, H> {
    /// What is held, the length, and whether it is large.
    fn finish(self) -> Result<(Vec<u8>, u64, bool)> {
        let is_large = self.large.is_some();
        if let Some(large) = self.large {
            large.finish()?;
        }
        Ok((self.held, self.length, is_large))
    }
}

impl<H: Host> Write for Value<'_, H> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        let Some(host) = self.host else { return Ok(bytes.len()) };
        if let Some(large) = &mut self.large {
            large.write_all(bytes)?;
        } else if self.held.len() + bytes.len() <= INLINE_BYTES_MAX {
            self.held.extend_from_slice(bytes);
        } else {
            let mut large = host.create(&Entry::new(large_path(self.key)))?;
            large.write_all(&std::mem::take(&mut self.held))?;
            large.write_all(bytes)?;
            self.large = Some(large);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
