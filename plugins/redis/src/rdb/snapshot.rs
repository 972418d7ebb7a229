//! A whole snapshot: facts, libraries of functions, then databases with their keys.

use std::collections::BTreeMap;
use std::io::{Read, sink};

use lockgate_plugin::{Error, Result, printable};

use super::Input;
use super::value::{kinds, read_text, skip_module};
use crate::error::malformed;
use crate::limits::{
    FACTS_MAX, KEY_BYTES_MAX, LIBRARIES_BYTES_MAX, LIBRARY_BYTES_MAX, LINE_BYTES_MAX,
};

/// What stands in front of the things of a snapshot; any other byte is the type of a value. Source: `src/rdb.h`.
mod codes {
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION: u8 = 245;
    pub const MODULE: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQUENCY: u8 = 249;
    pub const FACT: u8 = 250;
    pub const SIZES: u8 = 251;
    pub const EXPIRY_MILLISECONDS: u8 = 252;
    pub const EXPIRY_SECONDS: u8 = 253;
    pub const DATABASE: u8 = 254;
    pub const END: u8 = 255;
    /// Every code from here on is not the type of a value.
    pub const FIRST: u8 = 240;
}

/// A key, in front of its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The key.
    pub key: Vec<u8>,
    /// The type of the value.
    pub kind: u8,
    /// In milliseconds since 1970-01-01T00:00:00Z.
    pub expires: Option<u64>,
    /// When and how often it is used, if the server keeps that.
    pub access: Access,
}

/// How a key is used, for servers that remove keys when memory is short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// The server does not keep it.
    #[default]
    Unknown,
    /// Not used for so many seconds.
    Idle(u64),
    /// Used so often, as a logarithm.
    Frequency(u8),
}

/// A snapshot that is being read.
#[derive(Debug)]
pub struct Snapshot<R> {
    input: Input<R>,
    version: u16,
    is_valkey: bool,
    facts: BTreeMap<String, String>,
    libraries: Vec<Vec<u8>>,
    database: Option<u64>,
    has_modules: bool,
}

/// What comes next.
enum Next {
    Key(Head),
    /// Another database, or the end.
    Other,
}

impl<R: Read> Snapshot<R> {
    /// Reads the head, up to the first database.
    ///
    /// # Errors
    /// When this is no snapshot, or the connection breaks.
    pub fn open(from: R) -> Result<Self> {
        let mut input = Input::new(from, u64::MAX);
        let magic = input.array::<9>()?;
        let (is_valkey, digits) =
            match (magic.strip_prefix(b"REDIS"), magic.strip_prefix(b"VALKEY")) {
                (Some(digits), _) => (false, digits),
                (_, Some(digits)) => (true, digits),
                _ => return Err(malformed(format!("it begins with {:?}", printable(magic)))),
            };
        let version = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let version = version.ok_or_else(|| malformed("its version is no number"))?;
        let mut snapshot = Self {
            input,
            version,
            is_valkey,
            facts: BTreeMap::new(),
            libraries: Vec::new(),
            database: None,
            has_modules: false,
        };
        match snapshot.advance()? {
            Next::Key(_) => Err(malformed("a key is in no database")),
            Next::Other => Ok(snapshot),
        }
    }

    /// The version of the format.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Whether the format is Valkey's own.
    pub fn is_valkey(&self) -> bool {
        self.is_valkey
    }

    /// A fact of the head, as `ctime`.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// The code of the libraries of functions.
    pub fn libraries(&self) -> &[Vec<u8>] {
        &self.libraries
    }

    /// Whether modules wrote something beside the keys.
    pub fn has_modules(&self) -> bool {
        self.has_modules
    }

    /// The database that is read; none at the end.
    pub fn database(&self) -> Option<u64> {
        self.database
    }

    /// The next key of the database; none when there are no more in it, and [`Snapshot::database`] is the next one then. The
    /// value is to be read from [`Snapshot::input`].
    ///
    /// # Errors
    /// When the snapshot does not parse, or the connection breaks.
    pub fn next_key(&mut self) -> Result<Option<Head>> {
        match self.advance()? {
            Next::Key(head) => Ok(Some(head)),
            Next::Other => Ok(None),
        }
    }

    /// Where values are read from.
    pub fn input(&mut self) -> &mut Input<R> {
        &mut self.input
    }

    fn advance(&mut self) -> Result<Next> {
        let mut head = Head::default();
        loop {
            let input = &mut self.input;
            match input.byte()? {
                codes::END => {
                    self.check_end()?;
                    self.database = None;
                    return Ok(Next::Other);
                }
                codes::DATABASE => {
                    let number = input.length()?;
                    if self.database.is_some_and(|before| before >= number) {
                        return Err(malformed("databases are not in order"));
                    }
                    self.database = Some(number);
                    return Ok(Next::Other);
                }
                codes::SIZES => skip_lengths(input, 2)?,
                codes::SLOT_INFO => skip_lengths(input, 3)?,
                codes::FACT => self.read_fact()?,
                codes::FUNCTION => self.read_library()?,
                codes::MODULE => {
                    // Which module, and when it wrote this.
                    skip_lengths(input, 3)?;
                    skip_module(input)?;
                    self.has_modules = true;
                }
                codes::EXPIRY_SECONDS => {
                    head.expires = Some(u64::from(u32::from_le_bytes(input.array()?)) * 1000);
                }
                codes::EXPIRY_MILLISECONDS => {
                    head.expires = Some(u64::from_le_bytes(input.array()?))
                }
                codes::IDLE => head.access = Access::Idle(input.length()?),
                codes::FREQUENCY => head.access = Access::Frequency(input.byte()?),
                other @ codes::FIRST.. => {
                    return Err(Error::unsupported(format!(
                        "the snapshot has a part of the unknown kind {other}"
                    )));
                }
                kind => {
                    head.kind = kind;
                    head.key = read_text(input, KEY_BYTES_MAX)?;
                    return Ok(Next::Key(head));
                }
            }
        }
    }

    fn read_fact(&mut self) -> Result<()> {
        let name = read_text(&mut self.input, LINE_BYTES_MAX as u64)?;
        // Old servers put scripts here.
        let value = read_text(&mut self.input, LIBRARY_BYTES_MAX)?;
        if self.facts.len() < FACTS_MAX {
            self.facts.insert(printable(&name), printable(&value));
        }
        Ok(())
    }

    fn read_library(&mut self) -> Result<()> {
        let library = read_text(&mut self.input, LIBRARY_BYTES_MAX)?;
        let held: usize = self.libraries.iter().map(Vec::len).sum();
        if held + library.len() > LIBRARIES_BYTES_MAX {
            return Err(Error::unsupported(format!(
                "libraries of functions have more than {LIBRARIES_BYTES_MAX} bytes"
            )));
        }
        self.libraries.push(library);
        Ok(())
    }

    /// A checksum of 0 says that the server computes none.
    fn check_end(&mut self) -> Result<()> {
        let computed = self.input.crc();
        let said = u64::from_le_bytes(self.input.array()?);
        if said == 0 || said == computed { Ok(()) } else { Err(malformed("its checksum is wrong")) }
    }
}

/// Reads over the value behind `head`. Says whether it is one of a module.
///
/// # Errors
/// When it does not parse.
pub fn skip_value<R: Read>(input: &mut Input<R>, head: &Head) -> Result<bool> {
    if head.kind == kinds::MODULE_2 {
        // Which module.
        input.length()?;
        skip_module(input)?;
        return Ok(true);
    }
    super::copy_value(input, head.kind, &mut sink())?;
    Ok(false)
}

fn skip_lengths<R: Read>(input: &mut Input<R>, count: usize) -> Result<()> {
    (0..count).try_for_each(|_| input.length().map(drop))
}
