//! Keys one by one, for servers that give no snapshot: `SCAN`, and `DUMP` for each key.

use std::collections::HashSet;

use lockgate_plugin::host::Host;
use lockgate_plugin::{Context, Result, printable};

use crate::client::Client;
use crate::config::Scope;
use crate::error::{malformed, protocol};
use crate::hash::Hasher;
use crate::keys::KeyWriter;
use crate::limits::SCAN_KEYS;
use crate::rdb::Input;
use crate::rdb::snapshot::Head;
use crate::resp::{expect_line_end, read_bulk_head, write_command};

/// Hashes of keys that are remembered, because a server may give a key twice while its table grows.
const REMEMBERED_MAX: usize = 4 << 20;
/// Behind a serialised value: the version of the format and a checksum, in bytes.
const FOOTER_BYTES: u64 = 10;

/// A walk over the keys of one master's database.
#[derive(Debug)]
pub struct Walk<S> {
    client: Client<S>,
    patterns: Vec<Vec<u8>>,
    cursor: Vec<u8>,
    seen: HashSet<u64>,
    /// Whether a key may have been taken twice.
    pub is_doubtful: bool,
    /// Whether the server tells times of expiry as such (since 7.0), and not only how long it is until then.
    has_expiry: bool,
    now: u64,
}

impl<S: std::io::BufRead + std::io::Write> Walk<S> {
    /// Begins.
    ///
    /// # Errors
    /// When the server does not have the database.
    pub fn begin(mut client: Client<S>, database: u64, scope: &Scope) -> Result<Self> {
        client.select(database)?;
        let has_expiry = client.server()?.version >= (7, 0);
        let now = client.now()?;
        Ok(Self {
            client,
            patterns: scope.patterns(),
            cursor: b"0".to_vec(),
            seen: HashSet::new(),
            is_doubtful: false,
            has_expiry,
            now,
        })
    }

    /// Takes some keys; says whether there are more.
    ///
    /// # Errors
    /// When the server refuses or a value does not parse.
    pub fn step<H: Host<Stream = S>>(
        &mut self,
        scope: &Scope,
        to: &mut KeyWriter<H>,
    ) -> Result<bool> {
        let Some(pattern) = self.patterns.last().cloned() else { return Ok(false) };
        let keys = self.page(&pattern)?;
        let keys: Vec<Vec<u8>> =
            keys.into_iter().filter(|key| scope.takes(key) && self.is_new(key)).collect();
        self.take(keys, to)?;
        if self.cursor == b"0" {
            self.patterns.pop();
        }
        Ok(!self.patterns.is_empty())
    }

    fn page(&mut self, pattern: &[u8]) -> Result<Vec<Vec<u8>>> {
        let count = SCAN_KEYS.to_string();
        let words: [&[u8]; 6] =
            [b"SCAN", &self.cursor, b"MATCH", pattern, b"COUNT", count.as_bytes()];
        let mut answer = self.client.call(&words)?.array()?.into_iter();
        let (Some(cursor), Some(keys)) = (answer.next(), answer.next()) else {
            return Err(protocol("SCAN gives no cursor and keys"));
        };
        self.cursor = cursor.bytes()?;
        keys.array()?.into_iter().map(crate::resp::Reply::bytes).collect()
    }

    fn is_new(&mut self, key: &[u8]) -> bool {
        if self.seen.len() >= REMEMBERED_MAX {
            self.is_doubtful = true;
            return true;
        }
        let mut hasher = Hasher::default();
        hasher.text(key);
        self.seen.insert(hasher.finish() as u64)
    }

    fn take<H: Host<Stream = S>>(
        &mut self,
        keys: Vec<Vec<u8>>,
        to: &mut KeyWriter<H>,
    ) -> Result<()> {
        let expiry: &[u8] = if self.has_expiry { b"PEXPIRETIME" } else { b"PTTL" };
        for key in &keys {
            write_command(self.client.stream(), &[expiry, key])?;
            write_command(self.client.stream(), &[b"DUMP", key])?;
        }
        self.client.stream().flush()?;
        for key in keys {
            let expires = u64::try_from(self.client.receive()?.integer()?).ok();
            let expires =
                if self.has_expiry { expires } else { expires.map(|left| self.now + left) };
            let shown = printable(&key);
            self.take_value(Head { key, expires, ..Head::default() }, to)
                .with_context(|| format!("key {shown:?}"))?;
        }
        Ok(())
    }

    fn take_value<H: Host<Stream = S>>(
        &mut self,
        mut head: Head,
        to: &mut KeyWriter<H>,
    ) -> Result<()> {
        let stream = self.client.stream();
        // It may be gone by now.
        let Some(length) = read_bulk_head(stream)? else { return Ok(()) };
        let length = length
            .checked_sub(FOOTER_BYTES)
            .ok_or_else(|| malformed("a serialised value is too short"))?;
        let mut input = Input::new(&mut *stream, length);
        head.kind = input.byte()?;
        to.take(head, &mut input)?;
        if input.position() != length {
            return Err(malformed("a serialised value goes on behind its end"));
        }
        let mut footer = [0; FOOTER_BYTES as usize];
        stream.read_exact(&mut footer)?;
        let [low, high, ..] = footer;
        to.set_version(u16::from_le_bytes([low, high]));
        expect_line_end(stream)
    }
}
