//! The snapshot that a server gives a replica: <https://redis.io/docs/latest/operate/oss_and_stack/management/replication/>.
//!
//! The server forks; what the child sees is the consistent point. It says so (`+FULLRESYNC`), and then sends the snapshot, either
//! with its length or between marks. Nothing is asked for of what is written afterwards.

use std::io::{BufRead, Read, Write};

use lockgate_plugin::host::Host;
use lockgate_plugin::{Context, Result, printable};

use crate::client::{Address, Client};
use crate::config::Transfer;
use crate::error::{protocol, told};
use crate::rdb::Snapshot;
use crate::resp::{Reply, read_line, write_command};
use crate::server::Product;

/// Bytes of the mark behind a snapshot without a length.
const MARK_BYTES: usize = 40;

/// A snapshot that was asked for.
#[derive(Debug)]
pub struct Asked<S>(S);

/// A snapshot that exists and was not read yet.
#[derive(Debug)]
pub struct Taken<S> {
    stream: S,
    /// The history that the server is in.
    pub history: String,
    /// Where in it the snapshot is, in bytes.
    pub offset: u64,
}

/// A snapshot that is being read.
#[derive(Debug)]
pub struct Reading<S> {
    snapshot: Snapshot<Framed<S>>,
}

/// Asks for a snapshot.
///
/// # Errors
/// When the server refuses.
pub fn ask<H: Host>(host: &H, address: &Address, transfer: Transfer) -> Result<Asked<H::Stream>> {
    let mut client = Client::open(host, address)?;
    if transfer == Transfer::Server {
        client.call(&[b"REPLCONF", b"capa", b"eof"])?;
    }
    client.call(&[b"REPLCONF", b"capa", b"psync2"])?;
    let server = client.server()?;
    if server.product == Product::Valkey {
        // Otherwise it writes an old format, which breaks off at the first value that this does not have.
        client.ask(&[b"REPLCONF", b"version", server.full_version().as_bytes()])?;
    }
    // Since 7.0: spares the server keeping what is written meanwhile.
    client.ask(&[b"REPLCONF", b"rdb-only", b"1"])?;
    write_command(client.stream(), &[b"PSYNC", b"?", b"-1"])?;
    client.stream().flush()?;
    Ok(Asked(client.into_stream()))
}

/// Whether the server lets this account ask for snapshots, as far as that can be told without asking for one.
///
/// # Errors
/// When the connection breaks.
pub fn is_allowed<S: BufRead + Write>(client: &mut Client<S>) -> Result<bool> {
    if let Reply::Error(_) = client.ask(&[b"REPLCONF", b"capa", b"psync2"])? {
        return Ok(false);
    }
    let Reply::Bulk(user) = client.ask(&[b"ACL", b"WHOAMI"])? else { return Ok(true) };
    let answer = client.ask(&[b"ACL", b"DRYRUN", &user, b"PSYNC", b"?", b"-1"])?;
    // Only a server that knows the question, and lets the account ask it, answers with a text when it would refuse.
    Ok(!matches!(answer, Reply::Bulk(_)))
}

impl<S: BufRead> Asked<S> {
    /// Waits until the snapshot exists.
    ///
    /// # Errors
    /// When the server cannot make it.
    pub fn wait(mut self) -> Result<Taken<S>> {
        let line = next_line(&mut self.0).context("asking for a snapshot (PSYNC)")?;
        let text = printable(&line);
        let mut words = text.split(' ');
        let (word, history, offset) = (words.next(), words.next(), words.next());
        match (word, history, offset.and_then(|offset| offset.parse().ok())) {
            (Some("+FULLRESYNC"), Some(history), Some(offset)) => {
                Ok(Taken { stream: self.0, history: history.to_owned(), offset })
            }
            _ => Err(protocol(format!("PSYNC is answered with {text:?}"))),
        }
    }
}

impl<S: BufRead> Taken<S> {
    /// Begins to read.
    ///
    /// # Errors
    /// When the server could not send it after all.
    pub fn read(mut self) -> Result<Reading<S>> {
        let line = next_line(&mut self.stream).context("waiting for the snapshot")?;
        let framing = line
            .strip_prefix(b"$")
            .ok_or_else(|| protocol("a snapshot does not begin with its length"))?;
        let end = match framing.strip_prefix(b"EOF:") {
            Some(mark) => {
                let mark = mark
                    .try_into()
                    .map_err(|_| protocol("the mark of a snapshot has another length"))?;
                End::Mark(mark)
            }
            None => {
                let length = std::str::from_utf8(framing).ok().and_then(|text| text.parse().ok());
                End::After(length.ok_or_else(|| protocol("the length of a snapshot is no number"))?)
            }
        };
        let from = Framed { stream: self.stream, end };
        Ok(Reading { snapshot: Snapshot::open(from)? })
    }
}

impl<S: BufRead> Reading<S> {
    /// The snapshot.
    pub fn snapshot(&mut self) -> &mut Snapshot<Framed<S>> {
        &mut self.snapshot
    }

    /// Looks whether it ended where it should, after its last database.
    ///
    /// # Errors
    /// When it did not.
    pub fn check_end(&mut self) -> Result<()> {
        let framed = self.snapshot.input().inner();
        match framed.end {
            End::After(0) => Ok(()),
            End::After(_) => Err(protocol("a snapshot is shorter than it says")),
            End::Mark(mark) => {
                let mut found = [0; MARK_BYTES];
                framed.stream.read_exact(&mut found)?;
                if found == mark {
                    Ok(())
                } else {
                    Err(protocol("a snapshot does not end with its mark"))
                }
            }
        }
    }
}

#[derive(Debug)]
enum End {
    /// So many bytes are to come.
    After(u64),
    Mark([u8; MARK_BYTES]),
}

/// The bytes of a snapshot on a connection.
#[derive(Debug)]
pub struct Framed<S> {
    stream: S,
    end: End,
}

impl<S: Read> Read for Framed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let End::After(left) = &mut self.end else { return self.stream.read(buffer) };
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.stream.read(buffer.get_mut(..most).unwrap_or_default())?;
        *left -= count as u64;
        Ok(count)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> std::io::Result<()> {
        if let End::After(left) = &mut self.end {
            let after = left.checked_sub(buffer.len() as u64);
            *left = after.ok_or_else(|| protocol("a snapshot is longer than it says"))?;
        }
        self.stream.read_exact(buffer)
    }
}

/// The next line that is not empty: with empty ones a server says that it is still busy.
fn next_line<S: BufRead>(stream: &mut S) -> Result<Vec<u8>> {
    loop {
        let line = read_line(stream)?;
        match line.split_first() {
            None => {}
            Some((b'-', text)) => return Err(told(&printable(text))),
            Some(_) => return Ok(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"REDIS0010\xff\0\0\0\0\0\0\0\0";

    fn read(answer: &[u8]) -> Result<()> {
        let taken = Asked(answer).wait()?;
        assert_eq!((taken.history.as_str(), taken.offset), ("abc", 17));
        let mut reading = taken.read()?;
        assert_eq!(reading.snapshot().database(), None);
        reading.check_end()
    }

    #[test]
    fn snapshots_come_with_a_length_or_between_marks() {
        let head = b"\n\n+FULLRESYNC abc 17\r\n\n".to_vec();
        let sized = [&head[..], b"$18\r\n", EMPTY].concat();
        let mark = [b'x'; MARK_BYTES];
        let marked = [&head[..], b"$EOF:", &mark, b"\r\n", EMPTY, &mark].concat();
        for whole in [&sized, &marked] {
            read(whole).unwrap();
            for length in 0..whole.len() {
                assert!(read(&whole[..length]).is_err(), "{length}");
            }
        }
        for wrong in ["$17\r\n", "$19\r\n", "$EOF:abc\r\n", "$x\r\n", "-ERR no\r\n"] {
            assert!(read(&[&head[..], wrong.as_bytes(), EMPTY].concat()).is_err(), "{wrong}");
        }
    }
}
