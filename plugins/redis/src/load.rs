//! Archived keys into a database, many commands on their way at a time.

use std::collections::VecDeque;
use std::io::{BufRead, Read, Write};

use lockgate_plugin::host::Host;
use lockgate_plugin::{Error, Result, printable};

use crate::archive::{ACCESS, KEYS, KeyReader, Record, large_path, open_access, read_access};
use crate::checksum::crc64;
use crate::client::Client;
use crate::cluster::{Routes, Topology};
use crate::limits::{BATCH_BYTES, BATCH_COMMANDS, PIECE_BYTES, RESTORE_BYTES_MAX, TURN_BYTES};
use crate::rdb::snapshot::Access;
use crate::rdb::value::kinds;
use crate::rdb::{Input, input::Length};
use crate::resp::Reply;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Keys that were sent.
    pub keys: u64,
    /// Keys whose time was over before the restore began.
    pub expired: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Restores the archived keys of a part into `database`; keys that are there are replaced only with `replace`.
///
/// # Errors
/// When the server refuses a key, or the archive is not as it should be.
pub fn load<H: Host>(
    host: &H,
    topology: &Topology,
    part: &str,
    database: u64,
    replace: bool,
) -> Result<Loaded> {
    let mut clients = topology.connect(host)?;
    let now =
        clients.first_mut().ok_or_else(|| Error::other("the cluster has no masters"))?.now()?;
    let mut pipes = Vec::new();
    for mut client in clients {
        client.select(database)?;
        pipes.push(Pipe { client, waiting: VecDeque::new(), unsent: Batch::default() });
    }
    let mut loader =
        Loader { host, routes: topology.routes(), pipes, replace, now, loaded: Loaded::default() };
    let mut told = 0;
    for path in host.entries(KEYS)? {
        let name = path.rsplit('/').next().unwrap_or_default();
        let access = format!("{ACCESS}/{name}");
        let has_access = host.entries(ACCESS)?.contains(&access);
        let mut access = if has_access { Some(open_access(host.open(&access)?)?) } else { None };
        let mut keys = KeyReader::open(host.open(&path)?)?;
        while let Some(record) = keys.next_record()? {
            loader.take(&mut keys, &record, access.as_deref_mut())?;
            if loader.loaded.bytes - told > TURN_BYTES {
                told = loader.loaded.bytes;
                host.go_on()?;
                host.progress(part, told, loader.loaded.keys);
            }
        }
    }
    loader.finish()
}

struct Loader<'a, H: Host> {
    host: &'a H,
    routes: Routes,
    pipes: Vec<Pipe<H::Stream>>,
    replace: bool,
    /// At the server, in milliseconds.
    now: u64,
    loaded: Loaded,
}

impl<H: Host> Loader<'_, H> {
    fn take(
        &mut self,
        keys: &mut KeyReader,
        record: &Record,
        access: Option<&mut (dyn BufRead + 'static)>,
    ) -> Result<()> {
        let access = match access {
            Some(access) => read_access(access, self.now / 1000)?,
            None => Access::Unknown,
        };
        let pipe = self.pipes.get_mut(self.routes.of(&record.key));
        let pipe = pipe.ok_or_else(|| Error::other("a slot has no master"))?;
        let version = keys.version();
        let mut large;
        let value: &mut dyn Read = if record.is_large {
            large = self.host.open(&large_path(&record.key))?;
            &mut large
        } else {
            keys.value()
        };
        let mut value = value.take(record.length);
        if record.expires.is_some_and(|at| at <= self.now) {
            self.loaded.expired += 1;
            if !record.is_large {
                std::io::copy(&mut value, &mut std::io::sink())?;
            }
            return Ok(());
        }
        if record.length > RESTORE_BYTES_MAX {
            pipe.drain(0)?;
            set_in_pieces(&mut pipe.client, record, &mut value)?;
        } else {
            pipe.send(record, &Options { access, replace: self.replace, version }, &mut value)?;
        }
        self.loaded.keys += 1;
        self.loaded.bytes += record.length + record.key.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> Result<Loaded> {
        self.pipes.iter_mut().try_for_each(|pipe| pipe.drain(0))?;
        Ok(self.loaded)
    }
}

/// How a key is restored.
struct Options {
    access: Access,
    replace: bool,
    version: u16,
}

/// A connection with commands whose answers were not read yet.
struct Pipe<S> {
    client: Client<S>,
    /// Their keys.
    waiting: VecDeque<Vec<u8>>,
    unsent: Batch,
}

#[derive(Default)]
struct Batch {
    commands: usize,
    bytes: usize,
}

impl<S: BufRead + Write> Pipe<S> {
    fn send(&mut self, record: &Record, options: &Options, value: &mut dyn Read) -> Result<()> {
        let expires = record.expires.unwrap_or(0).to_string();
        let access = match options.access {
            Access::Unknown => None,
            Access::Idle(seconds) => Some((&b"IDLETIME"[..], seconds.to_string())),
            Access::Frequency(frequency) => Some((&b"FREQ"[..], frequency.to_string())),
        };
        let mut more: Vec<&[u8]> = vec![b"ABSTTL"];
        if options.replace {
            more.push(b"REPLACE");
        }
        if let Some((word, number)) = &access {
            more.extend([word, number.as_bytes()]);
        }
        // RESTORE key time value options; the value ends with the version and the checksum.
        let to = self.client.stream();
        write!(to, "*{}\r\n", 4 + more.len())?;
        for word in [b"RESTORE", record.key.as_slice(), expires.as_bytes()] {
            write_text(to, word)?;
        }
        write!(to, "${}\r\n", record.length + 10)?;
        let (count, crc) = copy(value, record.length, to)?;
        if count != record.length {
            return Err(Error::corrupt("an archived value is shorter than it says"));
        }
        let version = options.version.to_le_bytes();
        to.write_all(&version)?;
        to.write_all(&crc64(crc, &version).to_le_bytes())?;
        to.write_all(b"\r\n")?;
        more.iter().try_for_each(|word| write_text(to, word))?;
        self.waiting.push_back(record.key.clone());
        self.unsent.commands += 1;
        self.unsent.bytes +=
            record.key.len() + usize::try_from(record.length).unwrap_or(usize::MAX / 2);
        if self.unsent.commands < BATCH_COMMANDS && self.unsent.bytes < BATCH_BYTES {
            return Ok(());
        }
        // While the server works on this batch, the answers to the one before are read.
        self.client.stream().flush()?;
        let sent = std::mem::take(&mut self.unsent).commands;
        self.drain(sent)
    }

    /// Reads answers until only `left` are to come.
    fn drain(&mut self, left: usize) -> Result<()> {
        while self.waiting.len() > left {
            let reply = self.client.receive()?;
            let key = self.waiting.pop_front().unwrap_or_default();
            if let Err(error) = reply.accepted() {
                return Err(error.context(format!("restoring key {:?}", printable(&key))));
            }
        }
        if left == 0 {
            self.unsent = Batch::default();
        }
        Ok(())
    }
}

fn write_text(to: &mut impl Write, text: &[u8]) -> Result<()> {
    write!(to, "${}\r\n", text.len())?;
    to.write_all(text)?;
    Ok(to.write_all(b"\r\n")?)
}

/// Copies all of `from`, which has up to `length` bytes; gives their number and their checksum.
fn copy(from: &mut dyn Read, length: u64, to: &mut impl Write) -> Result<(u64, u64)> {
    // Not larger than the value: most are small, and filling a whole piece with zeros for each would cost more than they do.
    let mut piece = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(PIECE_BYTES)];
    let (mut bytes, mut crc) = (0, 0);
    loop {
        let count = from.read(&mut piece)?;
        let part = piece.get(..count).unwrap_or_default();
        if part.is_empty() {
            return Ok((bytes, crc));
        }
        crc = crc64(crc, part);
        to.write_all(part)?;
        bytes += count as u64;
    }
}

/// A text that is too large for one command.
fn set_in_pieces<S: BufRead + Write>(
    client: &mut Client<S>,
    record: &Record,
    value: &mut dyn Read,
) -> Result<()> {
    let shown = printable(&record.key);
    let mut input = Input::new(value, record.length);
    let length = match (input.byte()?, input.any_length()?) {
        (kinds::STRING, Length::Plain(length)) => length,
        _ => {
            return Err(Error::unsupported(format!(
                "key {shown:?} has {} bytes, which the server does not take in one command",
                record.length
            )));
        }
    };
    let mut left = length;
    let mut command: &[u8] = b"SET";
    let mut piece = vec![0; BATCH_BYTES];
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let part = piece.get_mut(..count).unwrap_or_default();
        input.fill(part)?;
        client.call(&[command, &record.key, part])?;
        command = b"APPEND";
        left -= count as u64;
    }
    if let Some(expires) = record.expires {
        client.call(&[b"PEXPIREAT", &record.key, expires.to_string().as_bytes()])?;
    }
    Ok(())
}

/// Removes the keys of a scope from a database of all masters.
///
/// # Errors
/// When the server refuses.
pub fn empty<H: Host>(
    host: &H,
    topology: &Topology,
    database: u64,
    scope: &crate::config::Scope,
) -> Result<()> {
    for mut client in topology.connect(host)? {
        client.select(database)?;
        if scope.is_everything() {
            client.call(&[b"FLUSHDB", b"ASYNC"])?;
            continue;
        }
        for pattern in scope.patterns() {
            each_page(&mut client, &pattern, |client, keys| {
                let words: Vec<&[u8]> =
                    std::iter::once(&b"UNLINK"[..]).chain(keys.iter().map(Vec::as_slice)).collect();
                host.go_on()?;
                client.call(&words).map(|_| true)
            })?;
        }
    }
    Ok(())
}

/// Keys of a scope in a database of all masters; of one that is not everything, 1 when there is any.
///
/// # Errors
/// When the server refuses.
pub fn count<H: Host>(
    host: &H,
    topology: &Topology,
    database: u64,
    scope: &crate::config::Scope,
) -> Result<u64> {
    let mut total = 0;
    for mut client in topology.connect(host)? {
        client.select(database)?;
        if scope.is_everything() {
            total += client.size()?;
            continue;
        }
        for pattern in scope.patterns() {
            each_page(&mut client, &pattern, |_, _| {
                total = 1;
                Ok(false)
            })?;
        }
    }
    Ok(total)
}

/// Gives the keys that fit a pattern, until it is told to stop.
fn each_page<S: BufRead + Write>(
    client: &mut Client<S>,
    pattern: &[u8],
    mut take: impl FnMut(&mut Client<S>, Vec<Vec<u8>>) -> Result<bool>,
) -> Result<()> {
    let mut cursor = b"0".to_vec();
    loop {
        let answer =
            client.call(&[b"SCAN", &cursor, b"MATCH", pattern, b"COUNT", b"1000"])?.array()?;
        let [next, keys] = <[Reply; 2]>::try_from(answer)
            .map_err(|_| crate::error::protocol("SCAN gives no cursor and keys"))?;
        let keys: Vec<Vec<u8>> =
            keys.array()?.into_iter().map(Reply::bytes).collect::<Result<_>>()?;
        if !keys.is_empty() && !take(client, keys)? {
            return Ok(());
        }
        cursor = next.bytes()?;
        if cursor == b"0" {
            return Ok(());
        }
    }
}
